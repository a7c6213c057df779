//! How a model request can fail, whether it is worth another try, and what a user is told
//! (`reference/model-wire.md` §8, `reference/protocol-v1.md` §8).

mod classify;
mod error_body;
mod retry_after;
mod text;

pub use retry_after::{parse_time_span, parse_try_again};

use error_body::ErrorBody;
use serde_json::Value;
use std::{fmt, time::Duration};
use text::{printable, status_text};

/// A model request that came to nothing.
///
/// `Display` is the text that a user sees when the failure ends a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened, as far as it decides what to do next.
    pub kind: FailureKind,
    /// What to say about it. Printable, at most a few kilobytes.
    pub message: String,
    /// What is said instead when no further try is made, where that differs.
    pub last_words: Option<String>,
    /// How long the server asks to be left alone. Not capped: a server may ask for a day.
    pub retry_after: Option<Duration>,
}

/// The kinds of failure that are treated differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// No connection could be made.
    Connect,
    /// A connection that was kept from an earlier request was closed before a word of the answer. Servers that do not say
    /// when they close (llama.cpp) close it while the next request is on its way.
    Dropped,
    /// The answer broke off.
    Cut,
    /// The answer went silent.
    Idle,
    /// Too many requests or tokens in a short time.
    RateLimited,
    /// The server failed (5xx), or was not ready (408, 409).
    Server,
    /// A local server is still loading its model: it will be ready, in its own time.
    Loading,
    /// The credentials were refused (401). New ones may help, the same ones will not.
    Auth,
    /// The server will never accept this request.
    BadRequest,
    /// The conversation is larger than the model's context window. A shorter one may fit.
    ContextOverflow,
    /// The account has no money left.
    Quota,
    /// The plan is used up, or does not include the model.
    UsageLimit,
    /// The server does not know, or cannot use, the earlier response that the request builds on. The whole
    /// conversation, sent without it, may succeed.
    PreviousResponseNotFound,
    /// The server does not speak this dialect.
    NoSuchRoute,
    /// The request (413), or one event of the answer, is over a size limit.
    TooLarge,
    /// The answer made no sense.
    Garbage,
}

impl FailureKind {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Connect
            | Self::Dropped
            | Self::Cut
            | Self::Idle
            | Self::RateLimited
            | Self::Server
            | Self::Loading
            | Self::Garbage => true,
            Self::Auth
            | Self::BadRequest
            | Self::ContextOverflow
            | Self::Quota
            | Self::UsageLimit
            | Self::PreviousResponseNotFound
            | Self::NoSuchRoute
            | Self::TooLarge => false,
        }
    }
}

impl Failure {
    /// A failure that was understood elsewhere; for [`FailureKind::Garbage`] the text is the detail only.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), last_words: None, retry_after: None }
    }

    /// No connection could be made; `detail` is the transport's word.
    #[must_use]
    pub fn connect(detail: &str) -> Self {
        Self::new(FailureKind::Connect, format!("Connection failed: {}", printable(detail)))
    }

    /// A kept connection was closed; `detail` is the transport's word.
    #[must_use]
    pub fn dropped(detail: &str) -> Self {
        Self { kind: FailureKind::Dropped, ..Self::connect(detail) }
    }

    /// The answer broke off; `detail` says how.
    #[must_use]
    pub fn cut(detail: &str) -> Self {
        Self::new(FailureKind::Cut, printable(detail))
    }

    /// Nothing was heard for `after`.
    #[must_use]
    pub fn idle(after: Duration) -> Self {
        Self::new(FailureKind::Idle, format!("idle timeout waiting for SSE ({after:?})"))
    }

    /// An answer other than 2xx. `retry_after`, `retry_after_ms` and `request_id` are the headers `Retry-After`,
    /// `retry-after-ms` and whichever names the request; `now_unix` (seconds) gives a `Retry-After` date its meaning.
    /// The caller bounds the `body` that it reads; any beginning of it will do.
    #[must_use]
    pub fn from_http(
        status: u16,
        retry_after: Option<&str>,
        retry_after_ms: Option<&str>,
        request_id: Option<&str>,
        body: &[u8],
        now_unix: u64,
    ) -> Self {
        let error = ErrorBody::from_http(body);
        let kind = classify::http(status, &error);
        let wait = retry_after::from_headers(retry_after, retry_after_ms, now_unix)
            .or_else(|| error.resets_in(now_unix))
            .or_else(|| parse_try_again(&error.message));
        let request_id = request_id.map(|id| format!(", request id: {}", printable(id))).unwrap_or_default();
        let said = format!("{}{request_id}", status_text(status));
        let message = match kind {
            _ if kind.is_retryable() => with_remark(said.clone(), &error),
            FailureKind::ContextOverflow | FailureKind::Quota | FailureKind::UsageLimit => limit_text(kind, &error),
            _ => format!("unexpected status {}: {}{request_id}", status_text(status), error.raw),
        };
        let last_words = kind.is_retryable().then(|| exhausted_text(status, &said, &error));
        Self { kind, message, last_words, retry_after: wait }
    }

    /// An error that came inside a stream: the `error` member of `response.failed`, of an `error` event, or of an
    /// object without a type. What is not known to be final is worth another try.
    #[must_use]
    pub fn from_stream(error: &Value) -> Self {
        Self::without_status(error, classify::stream)
    }

    /// An error that came with 2xx in place of a stream: as [`from_stream`](Self::from_stream), but the server may say
    /// that it has no such route.
    #[must_use]
    pub fn from_answer(error: &Value) -> Self {
        Self::without_status(error, classify::instead_of_a_stream)
    }

    fn without_status(error: &Value, classify: fn(&ErrorBody) -> FailureKind) -> Self {
        let error = ErrorBody::from_value(error);
        let kind = classify(&error);
        let message = match kind {
            FailureKind::ContextOverflow | FailureKind::Quota | FailureKind::UsageLimit => limit_text(kind, &error),
            _ if kind.is_retryable() => format!("{CUT_SHORT}{}", error.said()),
            _ => error.said().to_owned(),
        };
        Self { retry_after: parse_try_again(&error.message), ..Self::new(kind, message) }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }
}

const CUT_SHORT: &str = "stream disconnected before completion: ";

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self.kind, FailureKind::Cut | FailureKind::Idle | FailureKind::Garbage) {
            f.write_str(CUT_SHORT)?;
        }
        f.write_str(self.last_words.as_ref().unwrap_or(&self.message))
    }
}

impl std::error::Error for Failure {}

/// Said when the last retry failed. The server's own word is added: a wrong request that a proxy answers with 500 is
/// otherwise a riddle.
fn exhausted_text(status: u16, said: &str, error: &ErrorBody) -> String {
    let text = if status == 500 {
        "We're currently experiencing high demand, which may cause temporary errors.".to_owned()
    } else {
        format!("exceeded retry limit, last status: {said}")
    };
    with_remark(text, error)
}

fn limit_text(kind: FailureKind, error: &ErrorBody) -> String {
    match kind {
        FailureKind::Quota => "Quota exceeded. Check your plan and billing details.".to_owned(),
        FailureKind::UsageLimit if error.message.is_empty() => "Usage limit reached.".to_owned(),
        FailureKind::UsageLimit => error.message.clone(),
        _ => with_remark(
            "LLMX ran out of room in the model's context window. Compact this conversation or start a new one."
                .to_owned(),
            error,
        ),
    }
}

fn with_remark(text: String, error: &ErrorBody) -> String {
    if error.message.is_empty() { text } else { format!("{text} (server: {})", error.message) }
}

#[cfg(test)]
mod tests;
