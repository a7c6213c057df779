//! Everything anyone may send a [`ModelStream`](super::ModelStream), and what it tells its turn.

use crate::flow::Credit;
use actix::Message;
use llmx_protocol::{
    ids::Attempt,
    model::{event::ModelEvent, failure::Failure},
};

/// Close the connection and stop.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CloseStream;

/// To the turn: the model said something.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ModelSaid {
    /// In which try.
    pub attempt: Attempt,
    /// What, in order.
    pub events: Vec<ModelEvent>,
    /// Travels with the events to the UI.
    pub credit: Credit,
}

/// To the turn: the stream is over.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ModelEnded {
    /// Which try.
    pub attempt: Attempt,
    /// `Err`: it broke.
    pub how: Result<(), Failure>,
}
