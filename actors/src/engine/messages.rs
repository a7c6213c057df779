//! Everything anyone may send an [`Engine`](super::Engine) beside its children's reports.

use super::SessionHandle;
use crate::{outbox::Subscriber, session::Session};
use actix::{Addr, Message, MessageResult};
use llmx_protocol::ids::SessionId;

/// Start a session that has no settings yet; its events go to the subscriber, beginning with the first.
#[derive(Message)]
#[rtype(result = "SessionHandle")]
pub struct OpenSession(pub Box<dyn Subscriber>);

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

/// The answer to [`OpenSession`].
pub(super) type Opened = MessageResult<OpenSession>;
