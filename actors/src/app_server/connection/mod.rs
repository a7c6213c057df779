//! A client: the shell around [`machine::connection`](llmx_protocol::machine::connection).

mod actor;
mod messages;
mod sink;

pub(super) use self::messages::{Admission, AnswerReady, ClientGone, ClientSaid, ConnectionId, Notes, ToClient};
pub use self::{
    actor::Connection,
    sink::{ClientSink, Outgoing},
};
