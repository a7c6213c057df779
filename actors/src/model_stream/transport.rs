//! The way to a model: HTTP, or in tests a script.

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use llmx_protocol::{
    history::Prompt,
    machine::settings::Settings,
    model::{dialect::Dialect, failure::Failure, responses::RequestHead},
    wire::usage::RateLimitSnapshot,
};
use std::{sync::Arc, time::Duration};

/// A request to a model.
#[derive(Clone, Debug)]
pub struct ModelRequest {
    /// The session's settings: the provider is in there.
    pub settings: Arc<Settings>,
    /// Names the conversation to servers that care.
    pub conversation: String,
    /// All of the request but the conversation.
    pub head: RequestHead,
    /// The conversation.
    pub prompt: Prompt,
}

impl ModelRequest {
    /// The bytes to send to a server that speaks `dialect`.
    #[must_use]
    pub fn body(&self, dialect: Dialect) -> Bytes {
        dialect.body(&self.head, &self.prompt).into()
    }
}

/// The way to a model. Called on the session's arbiter, unless a method says otherwise.
pub trait Transport: Send + Sync + 'static {
    /// Sends the request; resolves when the server has begun to answer with success. Dropping the future, or the
    /// answer, closes the connection. Failures say whether they are worth another try.
    fn open(&self, request: ModelRequest) -> LocalBoxFuture<'static, Result<Box<dyn AnswerBody>, Failure>>;

    /// How long an answer may be silent.
    fn idle_timeout(&self, settings: &Settings) -> Duration;

    /// A session is over: nothing more is asked for its conversation. The engine tells, from any thread.
    fn conversation_ended(&self, _conversation: &str) {}
}

/// The bytes of an answer.
pub trait AnswerBody {
    /// The language that it is in.
    fn dialect(&self) -> Dialect {
        Dialect::Responses
    }

    /// What the user should know of how it was come by; once.
    fn take_notice(&mut self) -> Option<String> {
        None
    }

    /// What its headers said of the caller's limits.
    fn rate_limits(&self) -> Option<RateLimitSnapshot> {
        None
    }

    /// The next ones; `None` at the end.
    fn next(&mut self) -> LocalBoxFuture<'_, Result<Option<Bytes>, Failure>>;

    /// Called when the answer is complete although the server has not closed it: reads the rest, if that is quick, so
    /// that the connection can serve the next request.
    fn leave(self: Box<Self>);
}
