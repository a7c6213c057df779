//! Everything anyone may send a [`Connection`](super::Connection).

use crate::flow::Credit;
use actix::Message;
use bytes::Bytes;
use llmx_protocol::{
    framing::LineError,
    ids::{CallId, SessionId},
    wire::rpc::ServerRequest,
};
use std::sync::Arc;

/// A connection, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub u64);

/// The client sent a line.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ClientSaid {
    pub(crate) line: Result<Vec<u8>, LineError>,
    /// Travels with the answer.
    pub(crate) admission: Admission,
}

/// What a line of a client holds of what the client may have under way.
#[derive(Debug)]
pub(crate) struct Admission {
    /// For its bytes: may be given back before it is answered, by whoever counts them from then on.
    pub(crate) bytes: Option<Credit>,
    /// Until it is answered.
    pub(crate) mark: Credit,
}

impl Admission {
    /// To be given back at once.
    pub(crate) fn into_credit(self) -> Credit {
        let Self { bytes, mark } = self;
        Credit::holding((bytes, mark))
    }
}

/// The client is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ClientGone;

/// Notifications, made once for everyone who follows a thread.
#[derive(Clone, Debug)]
pub(crate) struct Notes {
    pub(crate) lines: Bytes,
    /// The method of each line, and where that ends in `lines`.
    pub(crate) parts: Arc<[(&'static str, usize)]>,
    pub(crate) credit: Option<Credit>,
}

impl Notes {
    /// A single one.
    pub(crate) fn one(method: &'static str, line: Vec<u8>, credit: Option<Credit>) -> Self {
        let parts = Arc::from([(method, line.len())]);
        Self { lines: Bytes::from(line), parts, credit }
    }
}

/// A line that answers a request.
#[derive(Debug)]
pub(crate) struct AnswerReady {
    pub(crate) line: Bytes,
    pub(crate) credit: Option<Credit>,
}

/// For the client.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) enum ToClient {
    /// The answer to a request of its own.
    Answer(AnswerReady),
    /// What happens in a thread that it follows.
    Notes(Notes),
    /// A question of a thread that it follows.
    Ask { thread: SessionId, call: CallId, request: Arc<ServerRequest> },
    /// That needs no answer any more.
    Settled { thread: SessionId, call: CallId },
    /// It holds up others who follow the same thread: it is let go, for this reason.
    CutOff(String),
}
