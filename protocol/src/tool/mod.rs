//! The tools that the model may call: what it is told about them, how its calls are read, what it gets back.
//!
//! One file per tool. A new tool is a file with `SPEC`, `parse` and its argument type, a variant of [`ToolCall`], a line
//! in [`parse`] or [`parse_custom`] and one in [`specs_json`]. Everything that goes wrong with a call is a text for the model, which may try
//! again; a call never ends a task. The formats are those of reference `model-wire.md` §10 and §11.

pub mod apply_patch;
pub mod output;
pub mod shell;
pub mod update_plan;

use crate::{
    patch::{self, ShellPatch},
    wire::plan::Plan,
};
use apply_patch::{PatchCall, PatchForm};
use serde::de::DeserializeOwned;
use shell::ShellCall;
use std::{fmt, sync::Arc};

/// A call of the model that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolCall {
    /// Run a command.
    Shell(ShellCall),
    /// Apply a patch.
    ApplyPatch(PatchCall),
    /// Show a plan; answered with [`update_plan::ANSWER`].
    UpdatePlan(Plan),
}

/// Reads a function call of the model: the tool's name and its arguments, a JSON text.
///
/// # Errors
///
/// The text to answer the model with, if there is no such tool or the arguments make no sense.
pub fn parse(name: &str, arguments: &str) -> Result<ToolCall, String> {
    match name {
        "shell" | "container.exec" | "local_shell" => shell::parse(arguments).and_then(shell_call),
        "apply_patch" => apply_patch::parse(arguments).map(ToolCall::ApplyPatch),
        "update_plan" => update_plan::parse(arguments).map(ToolCall::UpdatePlan),
        _ => Err(output::unsupported_call(name)),
    }
}

/// Reads a call of a freeform tool: the tool's name and its input.
///
/// # Errors
///
/// The text to answer the model with, if there is no such tool or the input makes no sense.
pub fn parse_custom(name: &str, input: &str) -> Result<ToolCall, String> {
    match name {
        "apply_patch" => apply_patch::parse_freeform(input).map(ToolCall::ApplyPatch),
        _ => Err(output::unsupported_custom_call(name)),
    }
}

/// What a command that the model asks for comes to: it may be a patch.
///
/// # Errors
///
/// The text to answer the model with, if it is a patch that makes no sense.
pub fn shell_call(call: ShellCall) -> Result<ToolCall, String> {
    match patch::in_command(&call.command) {
        None => Ok(ToolCall::Shell(call)),
        Some(ShellPatch::WithoutCall) => Err(ShellPatch::WITHOUT_CALL.to_owned()),
        Some(ShellPatch::Call { patch, workdir }) => apply_patch::in_shell_call(&call, &patch, workdir.as_deref()),
    }
}

/// The tools array of a request, as JSON text, with patches in this form. It is the same for every request of a session.
#[must_use]
pub fn specs_json(patches: PatchForm) -> Arc<str> {
    let apply_patch = match patches {
        PatchForm::Function => apply_patch::function_spec(),
        PatchForm::Freeform => apply_patch::freeform_spec(),
    };
    format!("[{},{},{apply_patch}]", shell::SPEC, update_plan::SPEC).into()
}

fn read_arguments<T: DeserializeOwned>(arguments: &str) -> Result<T, String> {
    serde_json::from_str(arguments).map_err(bad_arguments)
}

fn bad_arguments(why: impl fmt::Display) -> String {
    format!("failed to parse function arguments: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::time::Duration;

    #[test]
    fn every_alias_of_the_shell_is_the_shell() {
        for name in ["shell", "container.exec", "local_shell"] {
            let call = parse(name, r#"{"command":["ls"]}"#).unwrap();
            assert!(matches!(call, ToolCall::Shell(call) if call.command == ["ls"]), "{name}");
        }
    }

    #[test]
    fn a_plan_is_a_plan() {
        assert_eq!(parse("update_plan", r#"{"plan":[]}"#), Ok(ToolCall::UpdatePlan(Plan::default())));
    }

    #[test]
    fn an_unknown_tool_is_named_to_the_model() {
        for name in ["browser", "", "Shell", "shell "] {
            assert_eq!(parse(name, "{}"), Err(format!("unsupported call: {name}")));
        }
    }

    #[test]
    fn arguments_that_are_not_json_are_answered_with_the_place() {
        for name in ["shell", "update_plan"] {
            for arguments in ["", "{", "ls", r#"{"command":["ls"]} trailing"#, "[]", "null"] {
                let answer = parse(name, arguments).unwrap_err();
                assert!(answer.starts_with("failed to parse function arguments: "), "{name} {arguments}: {answer}");
            }
        }
    }

    #[test]
    fn a_command_that_is_a_patch_is_a_patch() {
        let delete = "*** Begin Patch\n*** Delete File: a\n*** End Patch";
        let check = |command: Value, workdir: Option<&str>, timeout: Option<u64>| {
            let arguments = json!({"command": command, "workdir": "sub", "timeout_ms": timeout});
            let Ok(ToolCall::ApplyPatch(call)) = parse("shell", &arguments.to_string()) else { panic!("{command}") };
            assert_eq!((call.workdir.as_deref(), call.patch.sections.len()), (workdir, 1), "{command}");
            assert_eq!(call.timeout, timeout.map(Duration::from_millis));
        };
        check(json!(["apply_patch", delete]), Some("sub"), None);
        check(json!(["bash", "-lc", format!("apply_patch <<'EOF'\n{delete}\nEOF")]), Some("sub"), Some(70));
        check(json!(format!("cd d && apply_patch <<'EOF'\n{delete}\nEOF")), Some("sub/d"), None);
        let without_call = parse("shell", &json!({"command": [delete]}).to_string());
        assert_eq!(without_call, Err(ShellPatch::WITHOUT_CALL.to_owned()));
        let nonsense = parse("shell", r#"{"command":["apply_patch","x"]}"#).unwrap_err();
        assert!(nonsense.starts_with("apply_patch verification failed: invalid patch"), "{nonsense}");
    }

    #[test]
    fn a_freeform_call_is_its_input() {
        let call = parse_custom("apply_patch", "*** Begin Patch\n*** Delete File: a\n*** End Patch");
        assert!(matches!(call, Ok(ToolCall::ApplyPatch(call)) if call.patch.sections.len() == 1));
        assert_eq!(parse_custom("poem", "x"), Err("unsupported custom tool call: poem".to_owned()));
    }

    #[test]
    fn the_specs_are_small_strict_objects_in_the_order_of_the_reference() {
        let json = specs_json(PatchForm::Function);
        assert!(json.len() < 8192, "{} bytes", json.len());
        let specs: Vec<Value> = serde_json::from_str(&json).unwrap();
        let names: Vec<_> = specs.iter().map(|s| s["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["shell", "update_plan", "apply_patch"]);
        let freeform: Vec<Value> = serde_json::from_str(&specs_json(PatchForm::Freeform)).unwrap();
        assert_eq!((&freeform[2]["type"], &freeform[2]["name"]), (&json!("custom"), &json!("apply_patch")));
        for spec in &specs {
            assert_eq!(spec["type"], "function");
            assert_eq!(spec["strict"], false);
            assert_eq!(spec["parameters"]["type"], "object");
            assert_eq!(spec["parameters"]["additionalProperties"], false);
            assert!(!spec["description"].as_str().unwrap().is_empty());
        }
    }

    #[test]
    fn every_offered_tool_can_be_called() {
        let specs: Vec<Value> = serde_json::from_str(&specs_json(PatchForm::Function)).unwrap();
        for spec in specs {
            let answer = parse(spec["name"].as_str().unwrap(), "{}").unwrap_err();
            for required in spec["parameters"]["required"].as_array().unwrap() {
                assert!(answer.contains(required.as_str().unwrap()), "{answer}");
            }
        }
    }
}
