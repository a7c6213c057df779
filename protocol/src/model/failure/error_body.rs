//! What a server says about an error, in the several shapes that servers have for it.

use super::text::printable;
use serde_json::Value;
use std::time::Duration;

/// The members that matter; empty where the server is silent. Numbers are read as text: `code` is `400` to one
/// server and `"400"` to the next.
#[derive(Debug, Default)]
pub(super) struct ErrorBody {
    pub kind: String,
    pub code: String,
    /// Printable.
    pub message: String,
    /// The whole body, printable.
    pub raw: String,
    /// In Unix seconds, of a usage limit.
    resets_at: Option<u64>,
    resets_in_seconds: Option<u64>,
}

impl ErrorBody {
    pub(super) fn from_http(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let parsed = serde_json::from_str(&text).unwrap_or(Value::Null);
        // `{"error": {…}}` (OpenAI, llama.cpp, LiteLLM), `{"error": "…"}` (Ollama), `{"detail": "…"}` (FastAPI)
        let error = ["error", "detail"].into_iter().map(|member| &parsed[member]).find(|error| !error.is_null());
        Self { raw: printable(&text), ..Self::from_value(error.unwrap_or(&parsed)) }
    }

    pub(super) fn from_value(error: &Value) -> Self {
        let message = error.as_str().unwrap_or_else(|| error["message"].as_str().unwrap_or_default());
        Self {
            kind: scalar(&error["type"]),
            code: scalar(&error["code"]),
            message: printable(message),
            raw: printable(&error.to_string()),
            resets_at: error["resets_at"].as_u64(),
            resets_in_seconds: error["resets_in_seconds"].as_u64(),
        }
    }

    /// What to show: the message, or else whatever there is.
    pub(super) fn said(&self) -> &str {
        if self.message.is_empty() { &self.raw } else { &self.message }
    }

    pub(super) fn resets_in(&self, now_unix: u64) -> Option<Duration> {
        let at = self.resets_at.map(|at| at.saturating_sub(now_unix));
        at.or(self.resets_in_seconds).map(Duration::from_secs)
    }

    pub(super) fn is_named(&self, name: &str) -> bool {
        self.kind == name || self.code == name
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}
