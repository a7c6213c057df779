//! Runs commands.

pub mod process;
