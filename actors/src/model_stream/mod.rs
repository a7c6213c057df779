//! One try at a model request: opens it, decodes what comes, hands it to the turn no faster than the UI reads.

mod actor;
mod answer;
mod http;
mod messages;
mod pump;
mod replayed;
mod transport;

pub use self::{
    actor::ModelStream,
    http::{Credentials, HttpTransport},
    messages::{CloseStream, ModelEnded, ModelSaid},
    replayed::ReplayingTransport,
    transport::{AnswerBody, ModelRequest, Transport},
};
