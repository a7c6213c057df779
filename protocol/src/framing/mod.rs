//! Cutting a stream of bytes into the pieces that mean something, whatever the chunks it arrives in.

mod bounded;
mod lines;
mod search;

use bounded::{BoundedBuffer, Full};
pub use lines::{LineDecoder, LineError};
use search::find_byte;
