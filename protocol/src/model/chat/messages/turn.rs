//! What the model said in one go, and what its calls gave.

use super::content::{Content, Escaped, quoted};
use crate::{
    ids::CallId,
    model::{ItemBody, ResponseItem, json_text::OpenObject},
};
use serde::de::IgnoredAny;
use serde_json::json;

/// The answer to a call that has none.
const ABORTED: &str = "aborted";

#[derive(Debug, Default)]
pub(super) struct AssistantTurn<'i> {
    text: Escaped,
    thoughts: Escaped,
    calls: Vec<Call<'i>>,
}

#[derive(Debug)]
pub(super) struct Call<'i> {
    id: &'i CallId,
    /// The id, made unique within the message.
    sent_id: String,
    /// As a member of `tool_calls`.
    json: String,
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

    pub(super) fn think(&mut self, summary: &[String], raw: &[String]) {
        let thoughts = if raw.is_empty() { summary.join("\n\n") } else { raw.concat() };
        self.thoughts.add_paragraph(&Escaped::of(&thoughts));
    }

    /// Takes `body` if it is a call.
    pub(super) fn call(&mut self, body: &'i ItemBody) {
        match body {
            ItemBody::FunctionCall { call_id, name, arguments } => {
                self.push_call(call_id, name, &as_object_text(arguments));
            }
            ItemBody::CustomToolCall { call_id, name, input } => {
                self.push_call(call_id, name, &json!({"input": input}).to_string());
            }
            ItemBody::LocalShellCall { call_id, command, timeout_ms, working_directory } => {
                let mut arguments = json!({"command": command});
                if let Some(ms) = timeout_ms {
                    arguments["timeout_ms"] = json!(ms);
                }
                if let Some(directory) = working_directory {
                    arguments["workdir"] = json!(directory);
                }
                self.push_call(call_id, "shell", &arguments.to_string());
            }
            _ => {}
        }
    }

    fn push_call(&mut self, id: &'i CallId, name: &str, arguments: &str) {
        let sent_id = self.unique(id);
        let mut function = OpenObject::new();
        function.member("name", &name.into());
        function.member("arguments", &arguments.into());
        let mut call = OpenObject::new();
        call.member("id", &sent_id.as_str().into());
        call.member("type", &"function".into());
        call.raw_member("function", &function.close());
        self.calls.push(Call { id, sent_id, json: call.close(), output: None });
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

    /// The assistant message. Its content is never null, which llama.cpp refuses.
    pub(super) fn message(&self) -> String {
        let mut message = OpenObject::new();
        message.member("role", &"assistant".into());
        message.raw_member("content", &self.text.quoted());
        if !self.thoughts.is_empty() {
            // Both names are in use: llama.cpp, DeepSeek and most templates read the first, OpenRouter the second.
            message.raw_member("reasoning_content", &self.thoughts.quoted());
            message.raw_member("reasoning", &self.thoughts.quoted());
        }
        if !self.calls.is_empty() {
            let calls: Vec<_> = self.calls.iter().map(|call| call.json.as_str()).collect();
            message.raw_member("tool_calls", &format!("[{}]", calls.join(",")));
        }
        message.close()
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

/// The arguments, if they are what templates and other models' APIs take for granted: the text of an object. The model
/// is to see what it wrote; its output says what was wrong with it.
fn as_object_text(arguments: &str) -> String {
    if arguments.trim().is_empty() {
        "{}".to_owned()
    } else if arguments.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(arguments).is_ok() {
        arguments.to_owned()
    } else {
        json!({"invalid_arguments": arguments}).to_string()
    }
}
