//! The environment variables that configuration may look at, as a value.

use std::{collections::BTreeMap, ffi::OsString, fmt, path::PathBuf};

/// Environment variables, handed in by whoever starts the engine. Its `Debug` shows names only: values hold keys.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Takes what `std::env::vars_os()` gives. Variables that are not UTF-8 are left out: no setting can use them.
    pub fn from_os(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        variables
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable without surrounding white space; a blank one counts as unset.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The llmx home that an environment names: `$LLMX_HOME`, else `$HOME/.llmx`, else none. It need not exist.
#[must_use]
pub fn home_directory(environment: &Environment) -> Option<PathBuf> {
    let chosen = environment.value("LLMX_HOME").map(PathBuf::from);
    chosen.or_else(|| Some(PathBuf::from(environment.value("HOME")?).join(".llmx")))
}
