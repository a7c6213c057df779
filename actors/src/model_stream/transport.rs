//! The way to a model: HTTP, or in tests a script.

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use llmx_protocol::{machine::settings::Settings, model::failure::Failure};
use std::{sync::Arc, time::Duration};

/// A request to a model.
#[derive(Clone, Debug)]
pub struct ModelRequest {
    /// The session's settings: the provider is in there.
    pub settings: Arc<Settings>,
    /// Names the conversation to servers that care.
    pub conversation: String,
    /// The JSON body.
    pub body: Bytes,
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
    /// The next ones; `None` at the end.
    fn next(&mut self) -> LocalBoxFuture<'_, Result<Option<Bytes>, Failure>>;

    /// Called when the answer is complete although the server has not closed it: reads the rest, if that is quick, so
    /// that the connection can serve the next request.
    fn leave(self: Box<Self>);
}
