//! Why a configuration could not be used.

use std::{io, path::PathBuf};

/// The first thing that is wrong with a configuration, in words for the person who wrote it. Lines of the file are
/// never quoted, since it may hold credentials.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there, but cannot be read (or is not UTF-8).
    #[error("failed to read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{}:{line}:{column}: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where, counted from 1.
        line: usize,
        /// Where in the line, in characters counted from 1.
        column: usize,
        /// What was found and what was expected.
        problem: String,
    },
    /// An override is not of the form `key=value`.
    #[error("-c {given}: expected key=value, where key is one or more names joined by dots")]
    Override {
        /// The argument up to its `=`.
        given: String,
    },
    /// A known key has a value it cannot have.
    #[error("{origin}: `{key}`: {problem}")]
    Value {
        /// The file, or the `-c` argument, that set it.
        origin: String,
        /// The dotted key.
        key: String,
        /// What was found and what was expected.
        problem: String,
    },
    /// A provider is named that nobody has described.
    #[error("Model provider `{0}` not found")]
    UnknownProvider(String),
}
