//! Everything anyone may send an [`Outbox`](super::Outbox).

use super::Subscriber;
use crate::{flow::Credit, journal::Appended, threads::Opened};
use actix::{Message, WeakRecipient};
use llmx_protocol::{
    ids::{CallId, SessionId, SubmissionId},
    machine::{
        gate::Origin,
        session::{Memory, Record, SessionEnd},
    },
    wire::event::EventMsg,
};
use tokio::sync::oneshot;

/// Events, in order, of one speaker under one id.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Publish {
    /// Who speaks.
    pub origin: Origin,
    /// The submission that they belong to.
    pub id: SubmissionId,
    /// What happened.
    pub msgs: Vec<EventMsg>,
    /// Dropped when every subscriber has them. Bulk has one, what is bounded by the number of calls has none.
    pub credit: Option<Credit>,
}

/// Something the session must not forget; comes before the events that show it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Remember(pub Record);

/// What the session must not have forgotten, for the one who rebuilds it.
#[derive(Debug, Message)]
#[rtype(result = "Memory")]
pub struct Recall;

/// From now on this one gets every event, and whoever asks learns what came before.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Attach {
    /// The new subscriber.
    pub subscriber: Box<dyn Subscriber>,
    /// The calls that wait for a person, with the submissions that their tasks are named by.
    pub open: Vec<(SubmissionId, CallId)>,
    /// Told once nothing that was said before waits to be written.
    pub attached: oneshot::Sender<Attached>,
}

/// The answer to [`Attach`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The thread.
    pub thread: SessionId,
    /// The number of the last event before the first that the subscriber gets.
    pub seq: u64,
    /// As asked with.
    pub open: Vec<(SubmissionId, CallId)>,
}

/// The session has nothing to do: let go of everything that is in the journal, and of that.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Rest;

/// Go on with this thread.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Adopt(pub Box<Opened>);

/// From the thread that makes journals durable: what was published may be gone after a power cut, and why.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct NotDurable(pub(super) std::io::Error);

/// Who is to be told when the thread cannot be written.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ReportTo(pub WeakRecipient<JournalFailed>);

/// To the session: the thread cannot be written; what runs must end.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct JournalFailed;

/// From the thread that writes: the journal, back again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Written(pub Appended);

/// The session is over: tell the subscribers and stop.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Close(pub SessionEnd);

/// The session has said its last word; what mail still says in its name is not heard.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Seal;
