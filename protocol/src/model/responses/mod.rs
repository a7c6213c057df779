//! The Responses dialect (`reference/model-wire.md` §2).

mod request;

pub use request::{Reasoning, RequestHead, body};
