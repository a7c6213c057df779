//! `-c key=value`.

use super::ConfigError;
use toml::{Table, Value};

/// The table of providers.
pub(super) const PROVIDERS: &str = "model_providers";

/// One parsed `-c` argument.
pub(super) struct Override {
    /// The names of the dotted key, at least one.
    pub(super) path: Vec<String>,
    value: Value,
}

impl Override {
    pub(super) fn parse(argument: &str) -> Result<Self, ConfigError> {
        let (key, value) = argument.split_once('=').unwrap_or((argument, ""));
        let path = dotted_path(key.trim()).filter(|_| argument.contains('='));
        let path = path.ok_or_else(|| ConfigError::Override { given: key.to_owned() })?;
        Ok(Self { path, value: value_or_text(value.trim()) })
    }

    /// Sets the value in `table`. Whatever is in the way of an intermediate table is replaced by one. Of a provider only
    /// the members that are given change.
    pub(super) fn apply(self, table: &mut Table) {
        match (&self.path[..], self.value) {
            ([providers], Value::Table(records)) if providers == PROVIDERS => {
                for (id, record) in records {
                    Self { path: vec![providers.clone(), id], value: record }.apply(table);
                }
            }
            ([providers, id], Value::Table(members)) if providers == PROVIDERS && has_table(table, id) => {
                for (member, value) in members {
                    set(table, &[providers.clone(), id.clone(), member], value);
                }
            }
            (path, value) => set(table, path, value),
        }
    }
}

fn has_table(table: &Table, provider: &str) -> bool {
    table.get(PROVIDERS).and_then(|providers| providers.get(provider)).is_some_and(Value::is_table)
}

fn set(table: &mut Table, path: &[String], value: Value) {
    match path {
        [] => {}
        [name] => drop(table.insert(name.clone(), value)),
        [name, rest @ ..] => {
            let mut inner = match table.remove(name) {
                Some(Value::Table(inner)) => inner,
                _ => Table::new(),
            };
            set(&mut inner, rest, value);
            table.insert(name.clone(), Value::Table(inner));
        }
    }
}

/// The names of a key written as in TOML, so that `projects."/a.b".trust_level` has three. TOML itself is asked: the
/// key of a one-entry document leads through one-entry tables to its value.
fn dotted_path(key: &str) -> Option<Vec<String>> {
    if key.contains(['\n', '\r', '=', '#', '[', ']']) {
        return None;
    }
    let mut level = format!("{key} = 0").parse::<Table>().ok()?;
    let mut path = Vec::new();
    while let Some((name, value)) = std::mem::take(&mut level).into_iter().next() {
        path.push(name);
        if let Value::Table(next) = value {
            level = next;
        }
    }
    Some(path)
}

/// A TOML value, or else the text itself without the quotes around it.
fn value_or_text(text: &str) -> Value {
    text.parse().unwrap_or_else(|_| Value::String(text.trim_matches(['"', '\'']).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, arguments: &[&str], after: &str) {
        let mut table: Table = before.parse().unwrap();
        for argument in arguments {
            Override::parse(argument).unwrap().apply(&mut table);
        }
        assert_eq!(table, after.parse::<Table>().unwrap(), "{arguments:?}");
    }

    #[test]
    fn of_a_provider_only_what_is_given_changes() {
        let before = "[model_providers.a]\nname = 'A'\nhttp_headers = { x = '1', y = '2' }";
        let after = "[model_providers.a]\nname = 'A'\nbase_url = 'u'\nhttp_headers = { x = '3' }";
        check(before, &["model_providers.a={base_url='u', http_headers={x='3'}}"], after);
        check(before, &["model_providers={a={base_url='u', http_headers={x='3'}}}"], after);
        check(before, &["model_providers.a.base_url=u", "model_providers.a.http_headers={x='3'}"], after);
        check("", &["model_providers={a={}, b={name='B'}}"], "model_providers = { a = {}, b = { name = 'B' } }");
        check("model_providers = 1", &["model_providers.a={name='A'}"], "model_providers = { a = { name = 'A' } }");
    }

    #[test]
    fn values_are_toml_or_else_text() {
        check("", &["a=5"], "a = 5");
        check("", &["a = true "], "a = true");
        check("", &["a=[\"x\", 'y']"], "a = ['x', 'y']");
        check("", &["a={b=1}"], "a.b = 1");
        check("", &["a=gpt-5"], "a = 'gpt-5'");
        check("", &["a=\"o3\""], "a = 'o3'");
        check("", &["a='half quoted"], "a = 'half quoted'");
        check("", &["a="], "a = ''");
        check("", &["a=b=c"], "a = 'b=c'");
        check("", &["a=https://x/v1?q=1#f"], "a = 'https://x/v1?q=1#f'");
        check("", &["a=1\nb=2"], "a = \"1\\nb=2\"");
    }

    #[test]
    fn intermediate_tables_are_made_and_the_rest_is_kept() {
        check("", &["a.b.c=1"], "a.b.c = 1");
        check("a.x = 1", &["a.b=2"], "a.x = 1\na.b = 2");
        check("a = 1", &["a.b=2"], "a.b = 2");
        check("a.b.c = 1", &["a.b=2", "a.b=3"], "a.b = 3");
        check("", &["p.\"/x.y\".z=1"], "p.'/x.y'.z = 1");
    }

    #[test]
    fn what_is_not_key_and_value_is_refused() {
        for argument in ["", "a", "=1", "a.=1", ".a=1", "a b=1", "a\nb=1", "[a]=1", "#a=1"] {
            assert!(Override::parse(argument).is_err(), "{argument:?}");
        }
    }

    #[test]
    fn a_refused_argument_is_named_without_its_value() {
        let error = Override::parse("a b=hunter2").err().unwrap().to_string();
        assert!(error.starts_with("-c a b: expected key=value"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
