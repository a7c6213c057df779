//! Everything anyone may send a [`Session`](super::Session) beside its children's reports, and what it tells the engine.

use super::Unanswered;
use crate::{
    flow::Credit,
    outbox::{Attached, Subscriber},
};
use actix::Message;
use llmx_protocol::{
    ids::SessionId,
    machine::{session::SessionEnd, settings::Settings},
    wire::submission::{BadSubmission, Submission},
};
use tokio::sync::oneshot;

/// A line of the UI.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Submit {
    /// The line, or what is wrong with it.
    pub submission: Result<Submission, BadSubmission>,
    /// Dropped when the submission no longer waits, and the UI has what was said to it at once: it is what holds a flood
    /// of them back.
    pub credit: Option<Credit>,
    /// Answers it should the session die first.
    pub unanswered: Unanswered,
}

/// The UI will send no more: finish what was submitted, then end.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct NoMoreInput;

/// Interrupt what runs, then end.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Leave;

/// Someone wants to hear this session too.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Join {
    /// Who.
    pub subscriber: Box<dyn Subscriber>,
    /// Told what came before.
    pub attached: oneshot::Sender<Attached>,
}

/// To the engine: the session is over; it says nothing more.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SessionFinished {
    /// Which.
    pub session: SessionId,
    /// How.
    pub end: SessionEnd,
}

/// To the engine: a session goes on with a thread that is not the one that it began with.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct AdoptedThread {
    /// The session, as the engine knows it.
    pub session: SessionId,
    /// The thread.
    pub thread: SessionId,
}

/// Which of a session's executors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutorId(pub u32);

/// What the next task runs under; nothing before the session is configured.
#[derive(Debug, Message)]
#[rtype(result = "Option<Box<Settings>>")]
pub struct TellSettings;
