//! The tools that the model may call: what it is told about them, how its calls are read, what it gets back.
//!
//! One file per tool. A new tool is a file with `SPEC`, `parse` and its argument type, a variant of [`ToolCall`], a line
//! in [`parse`] and one in [`specs_json`]. Everything that goes wrong with a call is a text for the model, which may try
//! again; a call never ends a task. The formats are those of reference `model-wire.md` §10 and §11.

pub mod apply_patch;
pub mod output;
pub mod shell;
pub mod update_plan;

use crate::wire::plan::Plan;
use serde::de::DeserializeOwned;
use shell::ShellCall;
use std::{fmt, sync::Arc};

/// A call of the model that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolCall {
    /// Run a command.
    Shell(ShellCall),
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
        "shell" | "container.exec" | "local_shell" => shell::parse(arguments).map(ToolCall::Shell),
        "update_plan" => update_plan::parse(arguments).map(ToolCall::UpdatePlan),
        _ => Err(output::unsupported_call(name)),
    }
}

/// The tools array of a Responses request, as JSON text. It is the same for every request: make it once and share it.
#[must_use]
pub fn specs_json() -> Arc<str> {
    format!("[{},{}]", shell::SPEC, update_plan::SPEC).into()
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
    use serde_json::Value;

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
    fn the_specs_are_small_strict_objects_in_the_order_of_the_reference() {
        let json = specs_json();
        assert!(json.len() < 4096, "{} bytes", json.len());
        let specs: Vec<Value> = serde_json::from_str(&json).unwrap();
        let names: Vec<_> = specs.iter().map(|s| s["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["shell", "update_plan"]);
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
        let specs: Vec<Value> = serde_json::from_str(&specs_json()).unwrap();
        for spec in specs {
            let answer = parse(spec["name"].as_str().unwrap(), "{}").unwrap_err();
            for required in spec["parameters"]["required"].as_array().unwrap() {
                assert!(answer.contains(required.as_str().unwrap()), "{answer}");
            }
        }
    }
}
