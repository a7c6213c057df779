//! What the model said in one go, and what its calls gave.

use super::content::{Content, Escaped, arguments_as_sent, quoted};
use crate::{
    ids::CallId,
    model::{ItemBody, ResponseItem},
};
use serde_json::{Value, json};
use std::borrow::Cow;

/// The answer to a call that has none.
const ABORTED: &str = "aborted";

#[derive(Debug, Default)]
pub(super) struct AssistantTurn<'i> {
    text: Escaped,
    thoughts: Escaped,
    thoughts_name: Option<&'static str>,
    calls: Vec<Call<'i>>,
}

#[derive(Debug)]
pub(super) struct Call<'i> {
    id: &'i CallId,
    /// The id, made unique within the message.
    sent_id: String,
    name: &'i str,
    /// What stands between the quotes of the JSON string.
    arguments: Cow<'i, str>,
    output: Option<Content<'i>>,
}

impl<'i> AssistantTurn<'i> {
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.calls.is_empty()
    }

    /// Whether outputs were heard: what the model says next, it says knowing them.
    pub(super) fn is_answered(&self) -> bool {
        self.calls.iter().any(|call| call.output.is_some())
    }

    pub(super) fn say(&mut self, item: &'i ResponseItem) {
        if !item.is_blank() {
            self.text.add_paragraph(&Content::of(item).text());
        }
    }

    pub(super) fn think(&mut self, item: &ResponseItem, summary: &[String], raw: &[String]) {
        self.thoughts_name = item.thoughts_name();
        let thoughts = if raw.is_empty() { summary.join("\n\n") } else { raw.concat() };
        self.thoughts.add_paragraph(&Escaped::of(&thoughts));
    }

    /// Takes the item if it is a call.
    pub(super) fn call(&mut self, item: &'i ResponseItem) {
        match item.body() {
            ItemBody::FunctionCall { call_id, name, arguments } => {
                let as_sent = arguments_as_sent(item).map_or_else(|| made(&object_of(arguments)), Cow::Borrowed);
                self.push_call(call_id, name, as_sent);
            }
            ItemBody::CustomToolCall { call_id, name, input } => {
                self.push_call(call_id, name, made(&json!({"input": input})));
            }
            ItemBody::LocalShellCall { call_id, command, timeout_ms, working_directory } => {
                let mut arguments = json!({"command": command});
                if let Some(ms) = timeout_ms {
                    arguments["timeout_ms"] = json!(ms);
                }
                if let Some(directory) = working_directory {
                    arguments["workdir"] = json!(directory);
                }
                self.push_call(call_id, "shell", made(&arguments));
            }
            _ => {}
        }
    }

    fn push_call(&mut self, id: &'i CallId, name: &'i str, arguments: Cow<'i, str>) {
        let sent_id = self.unique(id);
        self.calls.push(Call { id, sent_id, name, arguments, output: None });
    }

    fn unique(&self, id: &CallId) -> String {
        let taken = |name: &str| self.calls.iter().any(|call| call.sent_id == name);
        let mut name = id.to_string();
        while taken(&name) {
            name = format!("{name}_{}", self.calls.len());
        }
        name
    }

    /// Takes the output of the first call of this id that has none; nobody else waits for it.
    pub(super) fn answer(&mut self, id: &CallId, output: &'i ResponseItem) {
        if let Some(call) = self.calls.iter_mut().find(|call| call.id == id && call.output.is_none()) {
            call.output = Some(Content::of(output));
        }
    }

    /// Looks for outputs that someone else's words came before. A later call of the same id wants the rest.
    pub(super) fn answer_from(&mut self, later: &[&'i ResponseItem]) {
        if self.calls.iter().all(|call| call.output.is_some()) {
            return;
        }
        for item in later {
            match item.body() {
                ItemBody::FunctionCallOutput { call_id } | ItemBody::CustomToolCallOutput { call_id } => {
                    self.answer(call_id, item);
                }
                ItemBody::FunctionCall { call_id, .. }
                | ItemBody::CustomToolCall { call_id, .. }
                | ItemBody::LocalShellCall { call_id, .. }
                    if self.calls.iter().any(|call| call.id == call_id) =>
                {
                    return;
                }
                _ => {}
            }
        }
    }

    /// The assistant message, behind `json`. Its content is never null, which llama.cpp refuses.
    pub(super) fn write_message(&self, json: &mut String) {
        json.push_str(r#"{"role":"assistant","content":"#);
        self.text.write(json);
        if !self.thoughts.is_empty() {
            // Both names are in use: llama.cpp, DeepSeek and most templates read the first, OpenRouter the second. Groq and
            // Cerebras refuse the one that they do not use.
            for name in ["reasoning_content", "reasoning"] {
                if self.thoughts_name.is_none_or(|own| own == name) {
                    json.extend([",\"", name, "\":"]);
                    self.thoughts.write(json);
                }
            }
        }
        for (at, call) in self.calls.iter().enumerate() {
            json.push_str(if at == 0 { r#","tool_calls":["# } else { "," });
            call.write(json);
        }
        json.push_str(if self.calls.is_empty() { "}" } else { "]}" });
    }

    /// In the order in which they were made.
    pub(super) fn calls(&self) -> &[Call<'i>] {
        &self.calls
    }

    /// The images in the calls' outputs: a tool's message may only hold text.
    pub(super) fn images(&self) -> Vec<&'i str> {
        self.calls.iter().filter_map(|call| call.output.as_ref()).flat_map(Content::images).collect()
    }
}

impl Call<'_> {
    /// As a member of `tool_calls`, behind `json`.
    fn write(&self, json: &mut String) {
        json.extend([r#"{"id":"#, &quoted(&self.sent_id), r#","type":"function","function":{"name":"#]);
        json.extend([&quoted(self.name), r#","arguments":""#, &*self.arguments, r#""}}"#]);
    }

    /// The message that answers it, behind `json`.
    pub(super) fn write_answer(&self, json: &mut String) {
        json.extend([r#"{"role":"tool","tool_call_id":"#, &quoted(&self.sent_id), r#","content":"#]);
        match &self.output {
            Some(output) => output.write_text(json),
            None => json.push_str(&quoted(ABORTED)),
        }
        json.push('}');
    }
}

/// Arguments that do not stand in the item.
fn made(arguments: &Value) -> Cow<'static, str> {
    Cow::Owned(Escaped::of(&arguments.to_string()).into_text())
}

/// For arguments that are not the text of an object. The model is to see what it wrote; its output says what was wrong
/// with it.
fn object_of(arguments: &str) -> Value {
    if arguments.trim().is_empty() { json!({}) } else { json!({"invalid_arguments": arguments}) }
}
