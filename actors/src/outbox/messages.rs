//! Everything anyone may send an [`Outbox`](super::Outbox).

use super::Subscriber;
use crate::flow::Credit;
use actix::Message;
use llmx_protocol::{
    ids::SubmissionId,
    machine::{
        gate::Origin,
        session::{Memory, Record, SessionEnd},
    },
    wire::event::EventMsg,
};

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

/// From now on this one gets every event.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Subscribe(pub Box<dyn Subscriber>);

/// The session is over: tell the subscribers and stop.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Close(pub SessionEnd);

/// The session has said its last word; what mail still says in its name is not heard.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Seal;
