//! Everything anyone may send an [`Engine`](super::Engine) beside its children's reports.

use super::SessionHandle;
use crate::{outbox::Subscriber, session::Session, threads::Opened};
use actix::{Addr, Message};
use llmx_protocol::ids::SessionId;

/// Start a session that has no settings yet; its events go to the subscriber, beginning with the first.
#[derive(Message)]
#[rtype(result = "SessionHandle")]
pub struct OpenSession(pub Box<dyn Subscriber>);

/// Start a session that goes on with a thread.
#[derive(Message)]
#[rtype(result = "SessionHandle")]
pub(super) struct OpenThread {
    pub(super) subscriber: Box<dyn Subscriber>,
    pub(super) opened: Opened,
}

/// A session's outbox, as its parent knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxId(pub SessionId);

/// To the engine itself: a session's actor runs.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct SessionStarted {
    pub(super) id: SessionId,
    pub(super) session: Addr<Session>,
}
