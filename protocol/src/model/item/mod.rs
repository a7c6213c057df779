//! One entry of the conversation (`reference/model-wire.md` §4).

mod normal_form;

use crate::ids::CallId;
use serde_json::{Value, json};
use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

/// One entry of the conversation: what the user said, what the model answered, a call or its output.
///
/// It is kept as the JSON text that goes back to the server, made once, so that a request copies bytes and a journal
/// stores the same bytes. Clones share everything.
#[derive(Clone, Debug)]
pub struct ResponseItem {
    json: Arc<str>,
    parsed: Arc<Parsed>,
}

#[derive(Debug)]
struct Parsed {
    body: ItemBody,
    /// See [`ResponseItem::thoughts_name`].
    thoughts_name: Option<&'static str>,
    /// See [`ResponseItem::text_as_sent`].
    text_as_sent: OnceLock<Option<Range<usize>>>,
}

impl PartialEq for ResponseItem {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json && self.parsed.body == other.parsed.body
    }
}

/// What an entry means to the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemBody {
    /// Something said.
    Message {
        /// `user`, `assistant`, `developer` or `system`.
        role: String,
        /// All its text, and a refusal's; images have none.
        text: String,
    },
    /// A stretch of reasoning.
    Reasoning {
        /// The parts of the summary.
        summary: Vec<String>,
        /// The parts of the unabridged text, where the server shows it.
        raw: Vec<String>,
    },
    /// A call of a function tool.
    FunctionCall {
        /// Pairs the call with its output.
        call_id: CallId,
        /// The tool.
        name: String,
        /// JSON text, as the model wrote it: not necessarily valid.
        arguments: String,
    },
    /// A call of a freeform tool.
    CustomToolCall {
        /// Pairs the call with its output.
        call_id: CallId,
        /// The tool.
        name: String,
        /// Free text.
        input: String,
    },
    /// A call of the built-in shell tool.
    LocalShellCall {
        /// Pairs the call with its output.
        call_id: CallId,
        /// Program and arguments.
        command: Vec<String>,
        /// How long the command may run, in milliseconds.
        timeout_ms: Option<u64>,
        /// Where it runs.
        working_directory: Option<String>,
    },
    /// What a function or shell call gave.
    FunctionCallOutput {
        /// The call.
        call_id: CallId,
    },
    /// What a freeform call gave.
    CustomToolCallOutput {
        /// The call.
        call_id: CallId,
    },
    /// A web search that the server ran.
    WebSearchCall {
        /// What was looked for; empty if the server does not say.
        query: String,
    },
    /// A type that is not known here. It is kept for the journal, and not sent back.
    Other,
}

/// A piece of a user's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentPart {
    /// Text.
    Text(String),
    /// An image.
    Image {
        /// A `data:` or `https:` URL.
        url: String,
    },
}

/// Why JSON text is not an item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// Not JSON, or not an object.
    #[error("item is not a JSON object")]
    NotAnObject,
    /// A call, or an output, without what makes it one.
    #[error("{kind} has no {member}")]
    Missing {
        /// The item's type.
        kind: &'static str,
        /// What is missing.
        member: &'static str,
    },
}

impl ResponseItem {
    /// Reads an item as a server sends it, or as [`json`](Self::json) gave it. Members that may not or need not go
    /// back to a server are dropped.
    ///
    /// # Errors
    ///
    /// If the text is no object, or a call that nobody could answer.
    pub fn from_model(text: &str) -> Result<Self, ItemError> {
        let Ok(Value::Object(members)) = serde_json::from_str(text) else {
            return Err(ItemError::NotAnObject);
        };
        let item = normal_form::of(members);
        let body = ItemBody::read(&item)?;
        Ok(Self::new(&item, body))
    }

    /// What the user said.
    #[must_use]
    pub fn user_message(parts: &[ContentPart]) -> Self {
        let content: Vec<_> = parts.iter().map(ContentPart::to_json).collect();
        let text = parts.iter().map(ContentPart::text).collect();
        let item = json!({"type": "message", "role": "user", "content": content});
        Self::new(&item, ItemBody::Message { role: "user".to_owned(), text })
    }

    /// A message of one text. `role` is `user`, `assistant`, `developer` or `system`.
    #[must_use]
    pub fn message(role: &str, text: &str) -> Self {
        let part = if role == "assistant" { "output_text" } else { "input_text" };
        let item = json!({"type": "message", "role": role, "content": [{"type": part, "text": text}]});
        Self::new(&item, ItemBody::Message { role: role.to_owned(), text: text.to_owned() })
    }

    /// The answer to a function call, or to a local shell call.
    #[must_use]
    pub fn function_call_output(call_id: &CallId, output: &str) -> Self {
        let item = json!({"type": "function_call_output", "call_id": call_id.as_str(), "output": output});
        Self::new(&item, ItemBody::FunctionCallOutput { call_id: call_id.clone() })
    }

    /// The answer to a freeform call.
    #[must_use]
    pub fn custom_tool_call_output(call_id: &CallId, output: &str) -> Self {
        let item = json!({"type": "custom_tool_call_output", "call_id": call_id.as_str(), "output": output});
        Self::new(&item, ItemBody::CustomToolCallOutput { call_id: call_id.clone() })
    }

    /// What the model thought before a Chat answer; `name`: the member that it came in, if it was one.
    pub(super) fn thoughts(text: &str, name: Option<&'static str>) -> Self {
        let content = [json!({"type": "reasoning_text", "text": text})];
        let item = json!({"type": "reasoning", "summary": [], "content": content});
        let body = ItemBody::Reasoning { summary: Vec::new(), raw: vec![text.to_owned()] };
        Self::named(&item, body, name)
    }

    fn new(item: &Value, body: ItemBody) -> Self {
        Self::named(item, body, None)
    }

    fn named(item: &Value, body: ItemBody, thoughts_name: Option<&'static str>) -> Self {
        let parsed = Parsed { body, thoughts_name, text_as_sent: OnceLock::new() };
        Self { json: item.to_string().into(), parsed: Arc::new(parsed) }
    }

    /// The item as JSON text: an input item for the server, a line for the journal.
    #[must_use]
    pub fn json(&self) -> &Arc<str> {
        &self.json
    }

    /// What a message says; empty for everything else.
    #[must_use]
    pub fn text(&self) -> &str {
        match self.body() {
            ItemBody::Message { text, .. } => text,
            _ => "",
        }
    }

    /// By which name a Chat server gave these thoughts, where it used one only: it wants them back by that name, and some
    /// refuse any other. It is not in the JSON, for thoughts go back only within the task that they belong to.
    pub(super) fn thoughts_name(&self) -> Option<&'static str> {
        self.parsed.thoughts_name
    }

    /// What the item means.
    #[must_use]
    pub fn body(&self) -> &ItemBody {
        &self.parsed.body
    }

    /// The one text that a message or an output consists of, or a call's arguments, as it stands between the quotes in the
    /// item's JSON. `find` looks for it there, once for all clones: each request to a Chat server needs it again.
    pub(super) fn text_as_sent<'i>(&'i self, find: impl FnOnce(&'i str) -> Option<&'i str>) -> Option<&'i str> {
        let span = self.parsed.text_as_sent.get_or_init(|| {
            let text = find(&self.json)?;
            let start = text.as_ptr().addr().checked_sub(self.json.as_ptr().addr())?;
            Some(start..start + text.len())
        });
        self.json.get(span.clone()?)
    }

    /// Whether it is a message of the model in which nothing is said. Some servers open one beside every call.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        matches!(self.body(), ItemBody::Message { role, text } if role == "assistant" && text.trim().is_empty())
    }
}

impl ContentPart {
    fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => json!({"type": "input_text", "text": text}),
            Self::Image { url } => json!({"type": "input_image", "image_url": url}),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Image { .. } => "",
        }
    }
}

impl ItemBody {
    /// Which call it is, if it is one.
    #[must_use]
    pub fn call_id(&self) -> Option<&CallId> {
        match self {
            Self::FunctionCall { call_id, .. }
            | Self::CustomToolCall { call_id, .. }
            | Self::LocalShellCall { call_id, .. } => Some(call_id),
            _ => None,
        }
    }

    /// Which call it answers, if it is an output.
    #[must_use]
    pub fn answered_call(&self) -> Option<&CallId> {
        match self {
            Self::FunctionCallOutput { call_id } | Self::CustomToolCallOutput { call_id } => Some(call_id),
            _ => None,
        }
    }

    /// Reads the normal form.
    fn read(item: &Value) -> Result<Self, ItemError> {
        Ok(match text(item, "type") {
            "message" => Self::Message { role: owned(item, "role"), text: texts(&item["content"]).concat() },
            "reasoning" => Self::Reasoning { summary: texts(&item["summary"]), raw: texts(&item["content"]) },
            "function_call" => Self::FunctionCall {
                call_id: call_id("function_call", item)?,
                name: required("function_call", item, "name")?,
                arguments: owned(item, "arguments"),
            },
            "custom_tool_call" => Self::CustomToolCall {
                call_id: call_id("custom_tool_call", item)?,
                name: required("custom_tool_call", item, "name")?,
                input: owned(item, "input"),
            },
            "local_shell_call" => Self::read_local_shell_call(item)?,
            "function_call_output" => Self::FunctionCallOutput { call_id: call_id("function_call_output", item)? },
            "custom_tool_call_output" => {
                Self::CustomToolCallOutput { call_id: call_id("custom_tool_call_output", item)? }
            }
            "web_search_call" => Self::WebSearchCall { query: owned(&item["action"], "query") },
            _ => Self::Other,
        })
    }

    fn read_local_shell_call(item: &Value) -> Result<Self, ItemError> {
        let action = &item["action"];
        let Some(command) = action["command"].as_array() else {
            return Err(ItemError::Missing { kind: "local_shell_call", member: "command" });
        };
        Ok(Self::LocalShellCall {
            call_id: call_id("local_shell_call", item)?,
            command: command.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            timeout_ms: action["timeout_ms"].as_u64(),
            working_directory: action["working_directory"].as_str().map(str::to_owned),
        })
    }
}

fn call_id(kind: &'static str, item: &Value) -> Result<CallId, ItemError> {
    required(kind, item, "call_id").map(CallId::from)
}

fn required(kind: &'static str, item: &Value, member: &'static str) -> Result<String, ItemError> {
    match text(item, member) {
        "" => Err(ItemError::Missing { kind, member }),
        present => Ok(present.to_owned()),
    }
}

fn owned(item: &Value, member: &str) -> String {
    text(item, member).to_owned()
}

fn text<'v>(item: &'v Value, member: &str) -> &'v str {
    item[member].as_str().unwrap_or_default()
}

/// The texts of a list of parts; of a refusal its reason, so that it is not taken for silence.
fn texts(parts: &Value) -> Vec<String> {
    let text_of = |part: &Value| part["text"].as_str().or_else(|| part["refusal"].as_str()).map(str::to_owned);
    parts.as_array().into_iter().flatten().filter_map(text_of).collect()
}

#[cfg(test)]
mod tests;
