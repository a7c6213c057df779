//! The Responses dialect (`reference/model-wire.md` §2, §4, §5).

mod envelope;
mod request;
mod slots;
mod stream;

pub use request::{Reasoning, RequestHead, body};
pub use stream::{DecodeLimits, ResponsesDecoder};
