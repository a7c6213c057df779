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

/// What is said of a stream in which [`is_broken_json`] holds of an event.
pub(super) const BROKEN_EVENT: &str = "an event of the stream is broken JSON";

/// Whether an event begins as a JSON object and does not go on as one. Other text may be a server's way of saying that
/// it lives; this is a piece of the answer that is lost.
pub(super) fn is_broken_json(data: &str) -> bool {
    data.trim_start().starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(data).is_err()
}
