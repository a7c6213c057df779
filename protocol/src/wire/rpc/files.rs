//! Finding files by what their paths may be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

wire! {
    /// Params of `fuzzyFileSearch`.
    pub struct FuzzyFileSearchParams {
        /// Words that a path must have the letters of, in their order; nothing is found without one.
        pub query: String,
        /// The directories to look into.
        pub roots: Vec<PathBuf>,
        /// Whoever searches again under the same one ends the search before, which then finds nothing.
        #[serde(default)]
        pub cancellation_token: Option<String>,
    }

    /// Result of `fuzzyFileSearch`.
    pub struct FuzzyFileSearchResponse {
        /// The best first: 50 of each root at most.
        pub files: Vec<FoundFile>,
    }

    /// Params of `fuzzyFileSearch/sessionStart`.
    pub struct FuzzyFileSearchSessionStartParams {
        /// What the client calls it; one that runs under this name ends.
        pub session_id: String,
        /// The directories to look into.
        pub roots: Vec<PathBuf>,
    }

    /// Params of `fuzzyFileSearch/sessionUpdate`.
    pub struct FuzzyFileSearchSessionUpdateParams {
        /// Which.
        pub session_id: String,
        /// What is looked for now, instead of what was before.
        pub query: String,
    }

    /// Params of `fuzzyFileSearch/sessionStop`.
    pub struct FuzzyFileSearchSessionStopParams {
        /// Which.
        pub session_id: String,
    }

    /// Params of `fuzzyFileSearch/sessionUpdated`.
    pub struct FuzzyFileSearchSessionUpdatedNotification {
        /// Which.
        pub session_id: String,
        /// What was looked for.
        pub query: String,
        /// What was found.
        pub files: Vec<FoundFile>,
    }

    /// Params of `fuzzyFileSearch/sessionCompleted`: what was looked for last has been found.
    pub struct FuzzyFileSearchSessionCompletedNotification {
        /// Which.
        pub session_id: String,
    }
}

/// A file or a directory that was found; snake case on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FoundFile {
    /// The directory that was looked into.
    pub root: PathBuf,
    /// Where it is below that; what is no Unicode is replaced.
    pub path: String,
    /// What it is.
    pub match_type: FoundKind,
    /// The last part of the path.
    pub file_name: String,
    /// How well it fits; comparable within an answer only.
    pub score: u32,
    /// The characters of the path that fit, in order, counted from 0.
    pub indices: Option<Vec<u32>>,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FoundKind {
    /// A file.
    File,
    /// A directory.
    Directory,
}
