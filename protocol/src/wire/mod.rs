//! The types that cross the boundary to a UI, each once. Everything that is `Serialize` lives here.
//!
//! Wire names are the `snake_case` (or, where a type says so, kebab-case) form of the Rust names. Unknown fields are
//! ignored everywhere; unknown variants are an error that names them, so that the engine can answer it.

pub mod decision;
pub mod event;
pub mod file_change;
pub mod item;
pub mod op;
pub mod parsed_command;
pub mod plan;
pub mod policy;
pub mod rollout;
pub mod rpc;
pub mod submission;
pub mod usage;
