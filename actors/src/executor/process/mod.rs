//! Runs one command so that nothing of it outlives it: the process layer of the Executor, free of actors.

mod environment;
mod pattern;

pub use environment::{Inherit, ShellEnvironmentPolicy, child_environment};
pub use pattern::NamePattern;
