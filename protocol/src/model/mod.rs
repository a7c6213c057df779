//! Talking to a model server: requests as bytes, and the bytes of its answer as one vocabulary of events.
//!
//! Every dialect (`responses`, `chat`) decodes to [`ModelEvent`] and refuses with [`Failure`]; nothing above
//! this module knows which one is spoken.

pub mod chat;
pub mod dialect;
pub mod event;
pub mod failure;
pub mod family;
pub mod item;
mod json_text;
pub mod provider;
pub mod rate_limits;
pub mod responses;
pub mod sse;

pub use dialect::{AnswerDecoder, Dialect};
pub use event::{ItemKind, ModelEvent};
pub use failure::{Failure, FailureKind};
pub use item::{ContentPart, ItemBody, ResponseItem};
