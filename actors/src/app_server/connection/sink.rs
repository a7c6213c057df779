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
}
