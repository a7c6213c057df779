//! The llmx engine: supervised actix actors, thin shells around the machines of `llmx-protocol`.

pub mod config;
pub mod executor;
pub mod flow;
pub mod replay;
pub mod supervise;
