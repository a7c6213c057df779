//! Cutting a stream of bytes into the pieces that mean something, whatever the chunks it arrives in.

mod bounded;
mod lines;
mod search;

pub(crate) use bounded::{BoundedBuffer, Full};
pub use lines::{LineDecoder, LineError};
pub(crate) use search::find_byte;
