//! `shell`: run a command and give back what it printed.

use super::{bad_arguments, read_arguments};
use serde_json::{Map, Value};
use std::time::Duration;

/// What the model is told about the tool, as JSON text.
pub const SPEC: &str = r#"{"type":"function","name":"shell","description":"Runs a command and returns its output and exit code. The command is executed directly, not by a shell: for pipes, redirections or several commands use [\"bash\",\"-lc\",\"<script>\"]. It has no terminal and no input, and nothing that it starts lives longer than the command. Long output is cut in the middle. Set `workdir` instead of using `cd`.","strict":false,"parameters":{"type":"object","properties":{"command":{"type":"array","items":{"type":"string"},"description":"The program and its arguments."},"workdir":{"type":"string","description":"The directory to run in; relative to the session's directory, which is the default."},"timeout_ms":{"type":"integer","description":"Milliseconds after which the command is killed. Default 10000."},"with_escalated_permissions":{"type":"boolean","description":"Whether to ask the user to let the command run without the sandbox. Only for a command that must write or connect where the sandbox does not let it."},"justification":{"type":"string","description":"With with_escalated_permissions: one sentence for the user on why the command needs it."}},"required":["command"],"additionalProperties":false}}"#;

/// How long a command may run when the call does not say.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// A command that the model asks for. What it may touch is decided by the session, never by the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellCall {
    /// The program and its arguments; at least one word.
    pub command: Vec<String>,
    /// Where to run it, relative to the session's directory; `None` is that directory.
    pub workdir: Option<String>,
    /// How long it may run; `None` is [`DEFAULT_TIMEOUT`].
    pub timeout: Option<Duration>,
    /// Whether the model asks to run it without the sandbox.
    pub escalate: bool,
    /// Why, for the person who is asked.
    pub justification: Option<String>,
}

/// Reads the arguments, a JSON text. Members it does not know are ignored.
///
/// # Errors
///
/// The text to answer the model with; it names the member that is wrong.
pub fn parse(arguments: &str) -> Result<ShellCall, String> {
    let members: Map<String, Value> = read_arguments(arguments)?;
    from_members(&members).map_err(bad_arguments)
}

fn from_members(members: &Map<String, Value>) -> Result<ShellCall, String> {
    Ok(ShellCall {
        command: command(members)?,
        workdir: text(members, "workdir")?,
        timeout: timeout(members)?,
        escalate: flag(members, "with_escalated_permissions")?,
        justification: text(members, "justification")?,
    })
}

/// A bare string is what models write that were trained on other engines; they mean a shell line.
fn command(members: &Map<String, Value>) -> Result<Vec<String>, String> {
    let words = match present(members, "command") {
        None => return Err("missing field `command`".into()),
        Some(Value::String(script)) if script.trim().is_empty() => Vec::new(),
        Some(Value::String(script)) => vec!["bash".into(), "-lc".into(), script.clone()],
        Some(Value::Array(words)) => words.iter().map(word).collect::<Result<_, _>>()?,
        Some(_) => return Err(NOT_WORDS.into()),
    };
    if words.first().is_none_or(String::is_empty) {
        return Err(NO_WORDS.into());
    }
    Ok(words)
}

/// The text to answer the model with for a call that names no program.
#[must_use]
pub fn no_words() -> String {
    bad_arguments(NO_WORDS)
}

const NO_WORDS: &str = "`command` must not be empty";

const NOT_WORDS: &str = "`command` must be an array of strings";

fn word(value: &Value) -> Result<String, String> {
    value.as_str().map(Into::into).ok_or(NOT_WORDS.into())
}

fn timeout(members: &Map<String, Value>) -> Result<Option<Duration>, String> {
    for name in ["timeout_ms", "timeout"] {
        if let Some(value) = present(members, name) {
            let millis = value.as_u64().filter(|ms| *ms > 0);
            let error = || format!("`{name}` must be a positive whole number of milliseconds");
            return millis.map(Duration::from_millis).map(Some).ok_or_else(error);
        }
    }
    Ok(None)
}

fn text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match present(members, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{name}` must be a string")),
    }
}

fn flag(members: &Map<String, Value>, name: &str) -> Result<bool, String> {
    match present(members, name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(format!("`{name}` must be true or false")),
    }
}

/// Models send `null` for what they leave out.
fn present<'m>(members: &'m Map<String, Value>, name: &str) -> Option<&'m Value> {
    members.get(name).filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(command: &[&str]) -> ShellCall {
        ShellCall {
            command: command.iter().map(ToString::to_string).collect(),
            workdir: None,
            timeout: None,
            escalate: false,
            justification: None,
        }
    }

    #[test]
    fn calls_that_are_understood() {
        let check = |arguments: &str, expected: ShellCall| {
            assert_eq!(parse(arguments), Ok(expected), "{arguments}");
        };
        check(r#"{"command":["ls","-l"]}"#, call(&["ls", "-l"]));
        check(r#"{"command":["echo",""]}"#, call(&["echo", ""]));
        check(r#"{"command":"ls | wc"}"#, call(&["bash", "-lc", "ls | wc"]));
        check(r#"{"command":["a"],"workdir":null,"timeout_ms":null,"with_escalated_permissions":null}"#, call(&["a"]));
        check(r#"{"command":["a"],"something_else":{"x":1}}"#, call(&["a"]));
        for name in ["timeout_ms", "timeout"] {
            check(
                &format!(r#"{{"command":["a"],"{name}":1500}}"#),
                ShellCall { timeout: Some(Duration::from_millis(1500)), ..call(&["a"]) },
            );
        }
        check(
            r#"{"command":["a"],"workdir":"sub","with_escalated_permissions":true,"justification":"needs the network"}"#,
            ShellCall {
                workdir: Some("sub".into()),
                escalate: true,
                justification: Some("needs the network".into()),
                ..call(&["a"])
            },
        );
    }

    #[test]
    fn calls_that_are_not_name_the_member() {
        let check = |arguments: &str, why: &str| {
            let expected = format!("failed to parse function arguments: {why}");
            assert_eq!(parse(arguments), Err(expected), "{arguments}");
        };
        check("{}", "missing field `command`");
        check(r#"{"command":null}"#, "missing field `command`");
        for empty in ["[]", r#"[""]"#, r#""""#, r#"" \n""#] {
            check(&format!(r#"{{"command":{empty}}}"#), "`command` must not be empty");
        }
        for wrong in ["1", "true", "{}", "[1]", r#"["a",null]"#, r#"[["a"]]"#] {
            check(&format!(r#"{{"command":{wrong}}}"#), "`command` must be an array of strings");
        }
        for wrong in ["0", "-1", "1.5", r#""1000""#, "[]"] {
            check(
                &format!(r#"{{"command":["a"],"timeout_ms":{wrong}}}"#),
                "`timeout_ms` must be a positive whole number of milliseconds",
            );
        }
        check(r#"{"command":["a"],"timeout":"soon"}"#, "`timeout` must be a positive whole number of milliseconds");
        check(r#"{"command":["a"],"workdir":1}"#, "`workdir` must be a string");
        check(r#"{"command":["a"],"justification":[]}"#, "`justification` must be a string");
        check(
            r#"{"command":["a"],"with_escalated_permissions":"yes"}"#,
            "`with_escalated_permissions` must be true or false",
        );
    }

    #[test]
    fn the_default_that_the_model_is_told_is_the_default() {
        assert!(SPEC.contains(&format!("Default {}.", DEFAULT_TIMEOUT.as_millis())));
    }
}
