//! The tools as Chat knows them: functions only (`reference/model-wire.md` §6, §10).

use crate::model::json_text::{OpenObject, Text};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A tool of a Responses request.
#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    description: Option<&'a RawValue>,
    #[serde(borrow)]
    strict: Option<&'a RawValue>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
}

/// A freeform tool takes its text in this wrapping.
const ONE_TEXT: &str = r#"{"type":"object","properties":{"input":{"type":"string","description":"The whole input of the tool, as plain text."}},"required":["input"],"additionalProperties":false}"#;

/// The `tools` array for what a Responses request would offer, or `None` if nothing of it can be. Freeform tools become
/// functions of one text; tools that the server of a Responses request runs itself are left out.
pub(super) fn functions(tools: &str) -> Option<String> {
    let tools: Vec<Tool<'_>> = serde_json::from_str(tools).unwrap_or_default();
    let functions: Vec<_> = tools.iter().filter_map(Tool::as_function).collect();
    if functions.is_empty() { None } else { Some(format!("[{}]", functions.join(","))) }
}

impl Tool<'_> {
    fn as_function(&self) -> Option<String> {
        let name = self.name?;
        let parameters = match self.kind.0.as_ref() {
            "function" => self.parameters.map(RawValue::get),
            "custom" => Some(ONE_TEXT),
            _ => return None,
        };
        let mut function = OpenObject::new();
        let members =
            [("name", Some(name.get())), ("description", text(self.description)), ("strict", text(self.strict))];
        for (member, value) in members.into_iter().chain([("parameters", parameters)]) {
            if let Some(value) = value {
                function.raw_member(member, value);
            }
        }
        let mut tool = OpenObject::new();
        tool.member("type", &"function".into());
        tool.raw_member("function", &function.close());
        Some(tool.close())
    }
}

fn text(raw: Option<&RawValue>) -> Option<&str> {
    raw.map(RawValue::get)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::{self, apply_patch::PatchForm};
    use serde_json::{Value, json};

    fn check(tools: &Value, expected: &Value) {
        let functions = functions(&tools.to_string()).map(|text| serde_json::from_str(&text).unwrap());
        assert_eq!(functions.unwrap_or(Value::Null), *expected, "{tools}");
    }

    #[test]
    fn functions_are_wrapped_and_others_become_functions_or_nothing() {
        check(
            &json!([{"type": "function", "name": "a", "description": "d", "strict": false, "parameters": {"x": 1.0}}]),
            &json!([{"type": "function",
                "function": {"name": "a", "description": "d", "strict": false, "parameters": {"x": 1.0}}}]),
        );
        let text: Value = serde_json::from_str(ONE_TEXT).unwrap();
        check(
            &json!([{"type": "custom", "name": "apply_patch", "format": {"type": "grammar"}}]),
            &json!([{"type": "function", "function": {"name": "apply_patch", "parameters": text}}]),
        );
        check(&json!([{"type": "web_search"}, {"type": "local_shell"}, {"type": "function"}]), &Value::Null);
        check(&json!([]), &Value::Null);
        check(&json!("nonsense"), &Value::Null);
    }

    #[test]
    fn every_tool_of_llmx_can_be_offered() {
        let all = tool::specs_json(PatchForm::Function);
        let specs: Vec<Value> = serde_json::from_str(&all).unwrap();
        let offered: Vec<Value> = serde_json::from_str(&functions(&all).unwrap()).unwrap();
        let names = |tools: &[Value], at: fn(&Value) -> &Value| -> Vec<Value> {
            tools.iter().map(|tool| at(tool)["name"].clone()).collect()
        };
        assert_eq!(names(&offered, |tool| &tool["function"]), names(&specs, |tool| tool));
    }
}
