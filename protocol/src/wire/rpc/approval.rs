//! Requests of the server's: a person must decide.

use super::{Millis, item::CommandAction};
use crate::{
    ids::{CallId, SessionId, SubmissionId},
    wire::decision::ReviewDecision,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;

wire! {
    /// Params of `item/commandExecution/requestApproval`.
    pub struct CommandExecutionRequestApprovalParams {
        /// `command`.
        pub kind: String,
        /// Where.
        pub thread_id: SessionId,
        /// In which turn.
        pub turn_id: SubmissionId,
        /// The item that waits.
        pub item_id: CallId,
        /// Since when.
        pub started_at_ms: Millis,
        /// `local`.
        pub environment_id: String,
        /// Why it is asked for.
        pub reason: Option<String>,
        /// The command as shell text.
        pub command: String,
        /// Where it would run.
        pub cwd: PathBuf,
        /// What it does, for the eye.
        pub command_actions: Vec<CommandAction>,
        /// Words that could be allowed for good; llmx has no such list.
        pub proposed_execpolicy_amendment: Option<Vec<String>>,
        /// The answers that a UI should offer.
        pub available_decisions: Vec<Value>,
    }

    /// Params of `item/fileChange/requestApproval`. What would change is in the item.
    pub struct FileChangeRequestApprovalParams {
        /// Where.
        pub thread_id: SessionId,
        /// In which turn.
        pub turn_id: SubmissionId,
        /// The item that waits.
        pub item_id: CallId,
        /// Since when.
        pub started_at_ms: Millis,
        /// Why it is asked for.
        pub reason: Option<String>,
        /// A directory that could be allowed for the session.
        pub grant_root: Option<PathBuf>,
    }
}

/// The answer to either.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalResponse {
    /// What the person said.
    pub decision: ApprovalDecision,
}

/// What a person can say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ApprovalDecision {
    /// This once. The older wire says `approved`.
    #[serde(alias = "approved")]
    #[schemars(extend("x-aliases" = ["approved"]))]
    Accept,
    /// And the same again in this thread.
    #[serde(alias = "approved_for_session")]
    #[schemars(extend("x-aliases" = ["approved_for_session"]))]
    AcceptForSession,
    /// And commands that begin so, for good; llmx takes it for `acceptForSession`.
    AcceptWithExecpolicyAmendment {
        /// The words.
        execpolicy_amendment: Vec<String>,
    },
    /// No; the turn goes on.
    #[serde(alias = "denied")]
    #[schemars(extend("x-aliases" = ["denied"]))]
    Decline,
    /// No, and the turn ends.
    #[serde(alias = "abort")]
    #[schemars(extend("x-aliases" = ["abort"]))]
    Cancel,
}

impl From<ApprovalDecision> for ReviewDecision {
    fn from(decision: ApprovalDecision) -> Self {
        match decision {
            ApprovalDecision::Accept => Self::Approved,
            ApprovalDecision::AcceptForSession | ApprovalDecision::AcceptWithExecpolicyAmendment { .. } => {
                Self::ApprovedForSession
            }
            ApprovalDecision::Decline => Self::Denied,
            ApprovalDecision::Cancel => Self::Abort,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_read() {
        let check = |json: &str, expected: ReviewDecision| {
            let response: ApprovalResponse = serde_json::from_str(&format!(r#"{{"decision":{json}}}"#)).unwrap();
            assert_eq!(ReviewDecision::from(response.decision), expected, "{json}");
        };
        check(r#""accept""#, ReviewDecision::Approved);
        check(r#""approved""#, ReviewDecision::Approved);
        check(r#""acceptForSession""#, ReviewDecision::ApprovedForSession);
        let amended = r#"{"acceptWithExecpolicyAmendment":{"execpolicy_amendment":["ls"]}}"#;
        check(amended, ReviewDecision::ApprovedForSession);
        check(r#""decline""#, ReviewDecision::Denied);
        check(r#""cancel""#, ReviewDecision::Abort);
        assert!(serde_json::from_str::<ApprovalResponse>(r#"{"decision":"maybe"}"#).is_err());
    }
}
