//! Everything anyone may send a [`LoadedThread`](super::LoadedThread).

use crate::{
    app_server::{caller::Caller, connection::ConnectionId},
    engine::SessionHandle,
    outbox::Delivery,
};
use actix::Message;
use llmx_protocol::{
    ids::CallId,
    wire::{
        decision::ReviewDecision,
        rpc::turn::{TurnInterruptParams, TurnStartParams, TurnSteerParams},
    },
};

/// A loaded thread, counted from 1: it has this number before its session has an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ThreadNumber(pub u64);

/// What a client wants of the thread.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) enum ThreadCall {
    /// Start a turn.
    Start(Box<TurnStartParams>, Caller),
    /// End the turn that runs.
    Interrupt(TurnInterruptParams, Caller),
    /// Say something to the turn that runs.
    Steer(TurnSteerParams, Caller),
}

/// A client decided.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Decide {
    pub(crate) call: CallId,
    pub(crate) decision: ReviewDecision,
}

/// A client is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Detach(pub(crate) ConnectionId);

/// The session is there.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Opened(pub(super) SessionHandle);

/// The session says something.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Heard(pub(super) Delivery);

/// The session is over.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Ended;
