//! What a person answers when asked.

use serde::{Deserialize, Serialize};

/// The answer to an approval request (reference `protocol-v1.md` §4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewDecision {
    /// Run it this once. The user's first document spells this `allow`.
    #[serde(alias = "allow")]
    Approved,
    /// Run it, and do not ask again for the same command in the same place in this session.
    ApprovedForSession,
    /// Do not run it; the model is told and the task goes on.
    #[default]
    Denied,
    /// Do not run it and end the task, as `interrupt` does.
    Abort,
}
