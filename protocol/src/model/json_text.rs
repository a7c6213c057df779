//! JSON as text, read and written without a tree in between: most of a request is JSON text already, most of an answer
//! is thrown away.

use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;

/// Borrowed unless it has escapes. (An `Option<Cow<str>>` would never borrow.)
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// A JSON object being written, for members whose values are JSON text already and must not be parsed again.
pub(super) struct OpenObject {
    pub(super) json: String,
}

impl OpenObject {
    pub(super) fn new() -> Self {
        Self { json: "{".to_owned() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.json.len() == 1
    }

    pub(super) fn member(&mut self, name: &'static str, value: &Value) {
        self.raw_member(name, &value.to_string());
    }

    pub(super) fn raw_member(&mut self, name: &'static str, value: &str) {
        let comma = if self.is_empty() { "" } else { "," };
        self.json.extend([comma, "\"", name, "\":", value]);
    }

    pub(super) fn close(mut self) -> String {
        self.json.push('}');
        self.json
    }
}
