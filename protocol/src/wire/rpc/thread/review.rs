//! Reviews: turns that look at changes.

use crate::{ids::SessionId, wire::rpc::turn::Turn};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

wire! {
    /// Params of `review/start`.
    pub struct ReviewStartParams {
        /// Where.
        #[serde(alias = "thread_id")]
        #[schemars(extend("x-aliases" = ["thread_id"]))]
        pub thread_id: SessionId,
        /// What is to be looked at.
        pub target: ReviewTarget,
    }

    /// Result of `review/start`.
    pub struct ReviewStartResponse {
        /// The turn that reviews.
        pub turn: Turn,
        /// The thread that it runs in.
        pub review_thread_id: SessionId,
    }
}

/// What is to be reviewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ReviewTarget {
    /// What is not committed.
    UncommittedChanges,
    /// What has changed since a branch.
    BaseBranch {
        /// Its name.
        branch: String,
    },
    /// What a commit changes.
    Commit {
        /// Its name.
        sha: String,
        /// Its first line.
        #[serde(default)]
        title: Option<String>,
    },
    /// What the user says.
    Custom {
        /// The words.
        instructions: String,
    },
}
