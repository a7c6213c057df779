//! `apply_patch`: add, delete, move and change files by a patch, all of it or nothing.
//!
//! Offered as a function, whose argument is the patch, or as a freeform ("custom") tool, whose whole input it is and
//! which the server keeps to [`GRAMMAR`]. Freeform tools are for the Responses API only. The texts are those of reference
//! `apply-patch.md` §6.

use super::{ToolCall, read_arguments, shell::ShellCall};
use crate::patch::{self, Patch};
use serde::Deserialize;
use serde_json::json;
use std::{fmt, path::Path, time::Duration};

/// A patch that the model asks for. What it may write is decided by the session, never by the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchCall {
    /// The patch; it has at least one section.
    pub patch: Patch,
    /// Where its paths start, relative to the session's directory; `None` is that directory.
    pub workdir: Option<String>,
    /// How long it may take; `None` is [`DEFAULT_TIMEOUT`](super::shell::DEFAULT_TIMEOUT).
    pub timeout: Option<Duration>,
}

/// How the tool is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchForm {
    /// As a function, which every server knows.
    Function,
    /// As a freeform tool, for models that were trained on it and servers that know such tools.
    Freeform,
}

/// How a patch is written, for a model that was not trained on it.
pub const INSTRUCTIONS: &str = r#"Edits files by a patch of this form:

*** Begin Patch
*** Add File: path/new.txt
+each line of the new file
*** Delete File: path/old.txt
*** Update File: path/file.py
*** Move to: path/renamed.py
@@ class Example
@@     def method(self):
 a line that stays
-a line that goes
+a line that comes
 a line that stays
*** End Patch

Paths are relative. "*** Move to:" is optional. Each change starts with "@@", optionally with a line of the file that stands above it (several "@@" lines in a row go from the outside in). Give about three unchanged lines, each after a space, before and after every change; they must be in the file exactly so, and changes come in the order of the file. After a change of the file's last lines write "*** End of File". Nothing is overwritten: a path that is added or moved to must be free. If any part does not fit, no file is changed."#;

/// What the server keeps a freeform call to, in Lark. Stricter than what [`parse_freeform`] reads.
pub const GRAMMAR: &str = r#"start: begin section+ end
begin: "*** Begin Patch" LF
end: "*** End Patch" LF?
section: add | delete | update
add: "*** Add File: " path LF added+
delete: "*** Delete File: " path LF
update: "*** Update File: " path LF (move chunk* | chunk+)
move: "*** Move to: " path LF
chunk: context+ change+ eof?
context: "@@" (" " /(.+)/)? LF
change: ("+" | "-" | " ") /(.*)/ LF
added: "+" /(.*)/ LF
eof: "*** End of File" LF
path: /(.+)/
%import common.LF
"#;

/// What the model is told when the person says no.
pub const REJECTED_BY_USER: &str = "patch rejected by user";

/// What the model is told of a patch that says nothing.
pub const REJECTED_AS_EMPTY: &str = "patch rejected: empty patch";

/// What the model is told where nobody may be asked and the patch leaves the writable roots.
pub const REJECTED_AS_OUTSIDE: &str =
    "patch rejected: writing outside of the project; rejected by user approval settings";

/// What the model is told of a patch that does not fit, or makes no sense ([`patch::PatchError`]).
#[must_use]
pub fn verification_failed(error: &impl fmt::Display) -> String {
    format!("apply_patch verification failed: {error}")
}

/// What the model is told about the tool as a function, as JSON text.
#[must_use]
pub fn function_spec() -> String {
    let input = json!({"type": "string", "description": "The whole patch, from *** Begin Patch to *** End Patch."});
    let parameters = json!({
        "type": "object", "properties": {"input": input}, "required": ["input"], "additionalProperties": false
    });
    let spec = json!({
        "type": "function", "name": "apply_patch", "description": INSTRUCTIONS, "strict": false, "parameters": parameters
    });
    spec.to_string()
}

/// What the model is told about the tool as a freeform one, as JSON text.
#[must_use]
pub fn freeform_spec() -> String {
    let description = "Edits files by a patch, which is the whole input: no JSON around it. Paths are relative.";
    let format = json!({"type": "grammar", "syntax": "lark", "definition": GRAMMAR});
    json!({"type": "custom", "name": "apply_patch", "description": description, "format": format}).to_string()
}

#[derive(Deserialize)]
struct Arguments {
    /// The other name is what some models write.
    #[serde(alias = "patch")]
    input: String,
}

/// Reads the arguments of a function call, a JSON text. Members it does not know are ignored.
///
/// # Errors
///
/// The text to answer the model with.
pub fn parse(arguments: &str) -> Result<PatchCall, String> {
    let Arguments { input } = read_arguments(arguments)?;
    parse_freeform(&input)
}

/// Reads the input of a freeform call.
///
/// # Errors
///
/// The text to answer the model with.
pub fn parse_freeform(input: &str) -> Result<PatchCall, String> {
    let patch = patch::parse(input).map_err(|error| verification_failed(&error))?;
    if patch.sections.is_empty() {
        return Err(REJECTED_AS_EMPTY.into());
    }
    Ok(PatchCall { patch, workdir: None, timeout: None })
}

/// A shell call that is one ([`patch::in_command`]), with the directory and the time of that call.
pub(super) fn in_shell_call(shell: &ShellCall, patch: &str, workdir: Option<&str>) -> Result<ToolCall, String> {
    let outer = shell.workdir.as_deref().unwrap_or_default();
    let workdir = Path::new(outer).join(workdir.unwrap_or_default());
    let workdir = workdir.to_str().filter(|path| !path.is_empty()).map(|path| path.trim_end_matches('/').to_owned());
    let call = parse_freeform(patch)?;
    Ok(ToolCall::ApplyPatch(PatchCall { workdir, timeout: shell.timeout, ..call }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::Section;
    use serde_json::Value;

    const PATCH: &str = "*** Begin Patch\n*** Delete File: a\n*** End Patch";

    #[test]
    fn both_kinds_of_call_are_read() {
        let patch = Patch { sections: vec![Section::Delete { path: "a".into() }] };
        let expected = PatchCall { patch, workdir: None, timeout: None };
        assert_eq!(parse_freeform(PATCH).as_ref(), Ok(&expected));
        for member in ["input", "patch"] {
            assert_eq!(parse(&json!({ member: PATCH, "other": 1 }).to_string()).as_ref(), Ok(&expected));
        }
    }

    #[test]
    fn what_makes_no_sense_is_answered_with_the_reason() {
        let check = |arguments: Value, expected: &str| {
            let answer = parse(&arguments.to_string()).unwrap_err();
            assert!(answer.starts_with(expected), "{answer}");
        };
        check(json!({}), "failed to parse function arguments: missing field `input`");
        check(json!({"input": 1}), "failed to parse function arguments: invalid type");
        check(json!({"input": "ls"}), "apply_patch verification failed: invalid patch: The first line of the patch");
        check(json!({"input": "*** Begin Patch\n*** End Patch"}), "patch rejected: empty patch");
    }

    #[test]
    fn the_example_of_the_instructions_is_a_patch() {
        let start = INSTRUCTIONS.find("*** Begin Patch").unwrap();
        let end = INSTRUCTIONS.find("*** End Patch").unwrap();
        let patch = parse_freeform(&format!("{}*** End Patch", &INSTRUCTIONS[start..end])).unwrap();
        assert_eq!(patch.patch.sections.len(), 3);
    }

    #[test]
    fn the_specs_name_the_tool_and_its_input() {
        let function: Value = serde_json::from_str(&function_spec()).unwrap();
        assert_eq!((&function["type"], &function["name"]), (&json!("function"), &json!("apply_patch")));
        assert_eq!(function["parameters"]["required"], json!(["input"]));
        let freeform: Value = serde_json::from_str(&freeform_spec()).unwrap();
        assert_eq!((&freeform["type"], &freeform["name"]), (&json!("custom"), &json!("apply_patch")));
        assert_eq!(freeform["format"]["syntax"], "lark");
        assert_eq!(freeform["format"]["definition"], GRAMMAR);
    }

    #[test]
    fn every_rule_of_the_grammar_is_defined_once_and_used() {
        let rules: Vec<&str> = GRAMMAR.lines().filter_map(|line| line.split_once(": ")).map(|(rule, _)| rule).collect();
        for rule in &rules {
            let is_used = |line: &str| line.split(|c: char| !c.is_alphanumeric()).any(|word| word == *rule);
            let lines = GRAMMAR.lines().filter(|line| is_used(line)).count();
            assert!(*rule == "start" || lines >= 2, "{rule}");
            assert_eq!(rules.iter().filter(|other| other == &rule).count(), 1, "{rule}");
        }
    }
}
