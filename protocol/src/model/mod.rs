//! Talking to a model server: requests as bytes, and the bytes of its answer as one vocabulary of events.

pub mod sse;
