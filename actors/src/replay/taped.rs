//! An exchange that was taped, and the line that a recording holds of it.

use crate::config::Secret;
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// A shorter text is no credential, and what it occurs in is not about it.
const SHORTEST_SECRET: usize = 8;

/// An exchange, ready to be written.
pub(super) struct Taped {
    pub(super) route: &'static str,
    pub(super) request: Bytes,
    pub(super) secrets: Vec<Secret>,
    pub(super) answer: Option<Answer>,
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Map<String, Value>,
    pub(super) content: Content,
    pub(super) end: Option<&'static str>,
}

pub(super) enum Content {
    Events(Vec<(u64, String)>),
    Body(Vec<u8>),
}

impl Taped {
    /// The line of the recording, with its end.
    pub(super) fn line(&self) -> String {
        let body: Value = serde_json::from_slice(&self.request).unwrap_or_default();
        let response = self.answer.as_ref().map(Answer::json);
        let exchange = json!({"request": {"route": self.route, "body": body}, "response": response});
        self.secrets.iter().fold(exchange.to_string(), |line, secret| without(&line, secret)) + "\n"
    }
}

impl Answer {
    fn json(&self) -> Value {
        let mut json = json!({"status": self.status, "headers": self.headers, "verbatim": true});
        match &self.content {
            Content::Events(events) => json["events"] = events.iter().map(event).collect(),
            Content::Body(body) => json["body"] = value_of(&String::from_utf8_lossy(body)),
        }
        if let Some(end) = self.end {
            json[end] = Value::Bool(true);
        }
        json
    }
}

fn event((after_ms, data): &(u64, String)) -> Value {
    json!({"after_ms": after_ms, "data": value_of(data)})
}

/// JSON as JSON, anything else as text; text that would be read as JSON's own strings is kept as it stands.
fn value_of(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::String(_)) | Err(_) => Value::String(text.to_owned()),
        Ok(json) => json,
    }
}

fn without(line: &str, secret: &Secret) -> String {
    let written = Value::from(secret.expose()).to_string();
    let written = written.trim_matches('"');
    if written.len() < SHORTEST_SECRET { line.to_owned() } else { line.replace(written, "***") }
}
