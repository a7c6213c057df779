//! The way to a client.

use crate::{flow::Credit, outbox::Gone};
use bytes::Bytes;

/// Bytes on their way to a client: whole lines.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The lines.
    pub bytes: Bytes,
    /// To be dropped when they are written, or will never be: it is what holds back whoever made them.
    pub credit: Option<Credit>,
}

/// Where a client's lines go. Called on the app-server's arbiter: must not block.
pub trait ClientSink: Send + 'static {
    /// Takes lines.
    ///
    /// # Errors
    /// [`Gone`] ends the connection.
    fn send(&mut self, outgoing: Outgoing) -> Result<(), Gone>;

    /// The client held up others and is told nothing more; the sink is dropped next. `why` is for a person.
    fn cut_off(&mut self, why: &str) {
        tracing::warn!(why, "a client was cut off");
    }
}
