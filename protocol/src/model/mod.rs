//! Talking to a model server: requests as bytes, and the bytes of its answer as one vocabulary of events.

pub mod failure;
pub mod item;
pub mod responses;
pub mod sse;

pub use failure::{Failure, FailureKind};
pub use item::{ContentPart, ItemBody, ResponseItem};
