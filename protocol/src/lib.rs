//! The rules of llmx: wire types, decoders and state machines.
//!
//! Nothing here awaits, reads a clock, draws a random number, starts a thread or does I/O. Time and identities come
//! in as arguments; what is to be done goes out as values. `llmx-actors` carries them out.

pub mod command;
pub mod compaction;
pub mod context;
pub mod framing;
pub mod history;
pub mod ids;
pub mod journal;
pub mod local_files;
pub mod machine;
pub mod model;
pub mod patch;
pub mod schema;
pub mod surface;
pub mod tool;
pub mod wire;
