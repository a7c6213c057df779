//! Everything anyone may send a [`LoadedThread`](super::LoadedThread).

use crate::{
    app_server::{caller::Caller, connection::ConnectionId},
    engine::SessionHandle,
    outbox::Delivery,
    threads::StoredThread,
};
use actix::Message;
use llmx_protocol::{
    ids::CallId,
    machine::settings::Settings,
    wire::{
        decision::ReviewDecision,
        rpc::{
            thread::{ReviewTarget, Thread, ThreadResumeParams},
            turn::{Turn, TurnInterruptParams, TurnStartParams, TurnSteerParams},
        },
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
    /// Sum the conversation up.
    Compact(Caller),
    /// Start a turn that reviews.
    Review(ReviewTarget, Caller),
    /// Join those who follow it.
    Join(Box<ThreadResumeParams>, Caller),
    /// Follow it no more.
    Unsubscribe(Caller),
}

/// How the thread is, without its turns.
#[derive(Debug, Message)]
#[rtype(result = "Thread")]
pub(crate) struct Look;

/// It has another name.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Renamed(pub(crate) Option<String>);

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

/// It may go, if nobody needs it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct MayGo;

/// The session is there; with what was kept of its thread, where it is not new.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Opened {
    pub(super) session: SessionHandle,
    pub(super) kept: Option<Kept>,
}

/// A thread that goes on.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) thread: StoredThread,
    /// What its session runs under.
    pub(super) settings: Option<Box<Settings>>,
}

/// What was kept of the thread, for a client that joins.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) turns: Vec<Turn>,
    pub(super) caller: Caller,
}

/// The session says something.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Heard(pub(super) Delivery);

/// The session rests.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Rests;

/// The session is over.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Ended;
