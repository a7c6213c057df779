//! Everything anyone may send the [`AppServer`](super::AppServer), beside its children's reports.

use super::{
    caller::Caller,
    connection::{ClientSink, Connection, ConnectionId},
    thread::{LoadedThread, ThreadNumber},
};
use crate::engine::SessionHandle;
use actix::{Addr, Message};
use llmx_protocol::{
    ids::{CallId, SessionId},
    wire::{
        decision::ReviewDecision,
        rpc::{ClientRequest, ServerNotification},
        usage::RateLimitSnapshot,
    },
};

/// A client is there.
#[derive(Message)]
#[rtype(result = "Addr<Connection>")]
pub(crate) struct Connect(pub(crate) Box<dyn ClientSink>);

/// A client wants something.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Asked {
    /// What.
    pub(crate) request: ClientRequest,
    /// Who.
    pub(crate) caller: Caller,
    /// What it calls itself.
    pub(crate) originator: String,
}

/// A client decided.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Decided {
    pub(crate) thread: SessionId,
    pub(crate) call: CallId,
    pub(crate) decision: ReviewDecision,
}

/// A client is gone: nobody must wait for it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Disconnected(pub(crate) ConnectionId);

/// From a thread, before anybody else hears of it: it can be found under this id.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ThreadReady {
    pub(crate) number: ThreadNumber,
    pub(crate) id: SessionId,
    pub(crate) thread: Addr<LoadedThread>,
    pub(crate) session: SessionHandle,
}

/// From a thread: nobody needs it. It is to be told that it may go, or nothing.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ThreadIdle(pub(crate) SessionId);

/// From a thread that was told that it may go: somebody had asked it for something before.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ThreadStays(pub(crate) SessionId);

/// From a thread: its session is over.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ThreadOver(pub(crate) SessionId);

/// Something that every client is to hear.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Announce(pub(crate) ServerNotification);

/// From a thread: what a server said of the caller's limits.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct LimitsTold(pub(crate) RateLimitSnapshot);

/// Every session that is loaded.
#[derive(Debug, Message)]
#[rtype(result = "Vec<SessionHandle>")]
pub(crate) struct LoadedSessions;
