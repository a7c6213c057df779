//! Turns.

use super::{
    Millis, Null, Seconds,
    item::{ThreadItem, UserInput},
    policy::SandboxPolicy,
};
use crate::{
    ids::{SessionId, SubmissionId},
    wire::policy::{AskForApproval, ReasoningEffort, ReasoningSummary},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;

/// How far a turn is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TurnStatus {
    /// It runs.
    InProgress,
    /// It went well.
    Completed,
    /// It was told to end; nothing of it lives.
    Interrupted,
    /// It failed; see its error.
    Failed,
}

/// How many of its items a turn shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ItemsView {
    /// None.
    NotLoaded,
    /// The last message.
    Summary,
    /// All.
    Full,
}

wire! {
    /// Why a turn failed, or was held up.
    pub struct TurnError {
        /// For a person.
        pub message: String,
        /// Its kind, where llmx knows it.
        pub codex_error_info: Option<Value>,
        /// More for a person.
        pub additional_details: Option<String>,
    }

    /// From a user's words to the model's last.
    pub struct Turn {
        /// This turn.
        pub id: SubmissionId,
        /// The turn that it belongs to: itself.
        pub root_turn_id: SubmissionId,
        /// Its items, as many as `itemsView` says.
        pub items: Vec<ThreadItem>,
        /// How many.
        pub items_view: ItemsView,
        /// How far it is.
        pub status: TurnStatus,
        /// Why it failed.
        pub error: Option<TurnError>,
        /// When it began.
        pub started_at: Option<Seconds>,
        /// When it was over.
        pub completed_at: Option<Seconds>,
        /// How long it took.
        pub duration_ms: Option<Millis>,
    }

    /// Params of `turn/start`. Settings hold for later turns too, the schema does not.
    pub struct TurnStartParams {
        /// Where.
        #[serde(alias = "thread_id")]
        #[schemars(extend("x-aliases" = ["thread_id"]))]
        pub thread_id: SessionId,
        /// What the user says.
        pub input: Vec<UserInput>,
        /// The directory from now on; absolute.
        #[serde(default)]
        pub cwd: Option<PathBuf>,
        /// Who is asked from now on.
        #[serde(default)]
        pub approval_policy: Option<AskForApproval>,
        /// What commands may touch from now on.
        #[serde(default)]
        pub sandbox_policy: Option<SandboxPolicy>,
        /// The model from now on.
        #[serde(default)]
        pub model: Option<String>,
        /// How hard it thinks from now on.
        #[serde(default)]
        pub effort: Option<ReasoningEffort>,
        /// How it sums up its thoughts from now on.
        #[serde(default)]
        pub summary: Option<ReasoningSummary>,
        /// The JSON Schema of the last message.
        #[serde(default)]
        pub output_schema: Option<Value>,
    }

    /// Result of `turn/start`.
    pub struct TurnStartResponse {
        /// The turn.
        pub turn: Turn,
    }

    /// Params of `turn/interrupt`.
    pub struct TurnInterruptParams {
        /// Where.
        #[serde(alias = "thread_id")]
        #[schemars(extend("x-aliases" = ["thread_id"]))]
        pub thread_id: SessionId,
        /// Which turn; it must be the one that runs.
        #[serde(alias = "turn_id")]
        #[schemars(extend("x-aliases" = ["turn_id"]))]
        pub turn_id: SubmissionId,
    }

    /// Params of `turn/steer`.
    pub struct TurnSteerParams {
        /// Where.
        #[serde(alias = "thread_id")]
        #[schemars(extend("x-aliases" = ["thread_id"]))]
        pub thread_id: SessionId,
        /// Which turn; it must be the one that runs.
        #[serde(alias = "expected_turn_id")]
        #[schemars(extend("x-aliases" = ["expected_turn_id"]))]
        pub expected_turn_id: SubmissionId,
        /// What the user says to it.
        pub input: Vec<UserInput>,
    }

    /// Result of `turn/steer`.
    pub struct TurnSteerResponse {
        /// The turn that goes on.
        pub turn_id: SubmissionId,
    }

    /// What a turn used.
    pub struct TurnUsage {
        /// Tokens that were sent.
        pub input_tokens: i64,
        /// The part of them that the server had cached.
        pub cached_input_tokens: i64,
        /// Tokens that the model wrote.
        pub output_tokens: i64,
    }

    /// Params of `turn/started`.
    pub struct TurnStartedNotification {
        /// Where.
        pub thread_id: SessionId,
        /// The turn.
        pub turn: Turn,
    }

    /// Params of `turn/completed`: the last that is said of a turn.
    pub struct TurnCompletedNotification {
        /// Where.
        pub thread_id: SessionId,
        /// The turn.
        pub turn: Turn,
        /// What it used.
        pub usage: TurnUsage,
    }

    /// Params of `item/started`.
    pub struct ItemStartedNotification {
        /// The item.
        pub item: ThreadItem,
        /// Where.
        pub thread_id: SessionId,
        /// In which turn.
        pub turn_id: SubmissionId,
        /// When.
        pub started_at_ms: Millis,
    }

    /// Params of `item/completed`.
    pub struct ItemCompletedNotification {
        /// The item.
        pub item: ThreadItem,
        /// Where.
        pub thread_id: SessionId,
        /// In which turn.
        pub turn_id: SubmissionId,
        /// Not known to llmx.
        pub content_token_count: Null,
        /// When.
        pub completed_at_ms: Millis,
    }

    /// Params of `item/agentMessage/delta` and `item/commandExecution/outputDelta`.
    pub struct DeltaNotification {
        /// Where.
        pub thread_id: SessionId,
        /// In which turn.
        pub turn_id: SubmissionId,
        /// Of which item.
        pub item_id: crate::ids::ItemId,
        /// More text.
        pub delta: String,
    }

    /// Params of `item/reasoning/textDelta`.
    pub struct ReasoningTextDeltaNotification {
        /// Where.
        pub thread_id: SessionId,
        /// In which turn.
        pub turn_id: SubmissionId,
        /// Of which item.
        pub item_id: crate::ids::ItemId,
        /// More text.
        pub delta: String,
        /// Of which of the item's pieces.
        pub content_index: i64,
    }

    /// Params of `item/reasoning/summaryTextDelta`.
    pub struct ReasoningSummaryTextDeltaNotification {
        /// Where.
        pub thread_id: SessionId,
        /// In which turn.
        pub turn_id: SubmissionId,
        /// Of which item.
        pub item_id: crate::ids::ItemId,
        /// More text.
        pub delta: String,
        /// Of which part of the summary.
        pub summary_index: i64,
    }

    /// Params of `item/reasoning/summaryPartAdded`.
    pub struct ReasoningSummaryPartAddedNotification {
        /// Where.
        pub thread_id: SessionId,
        /// In which turn.
        pub turn_id: SubmissionId,
        /// Of which item.
        pub item_id: crate::ids::ItemId,
        /// The part that begins.
        pub summary_index: i64,
    }

    /// Params of `turn/diff/updated`.
    pub struct TurnDiffUpdatedNotification {
        /// Where.
        pub thread_id: SessionId,
        /// In which turn.
        pub turn_id: SubmissionId,
        /// What all patches of the turn have done so far, in git's form.
        pub diff: String,
    }

    /// A step of a plan.
    pub struct TurnPlanStep {
        /// What is to be done.
        pub step: String,
        /// How far it is.
        pub status: PlanStepStatus,
    }

    /// Params of `turn/plan/updated`: the whole plan as it stands.
    pub struct TurnPlanUpdatedNotification {
        /// Where.
        pub thread_id: SessionId,
        /// In which turn.
        pub turn_id: SubmissionId,
        /// Why it is as it is.
        pub explanation: Option<String>,
        /// The steps.
        pub plan: Vec<TurnPlanStep>,
    }

    /// Params of `error`. A turn that fails says it here and again in `turn/completed`.
    pub struct ErrorNotification {
        /// What went wrong.
        pub error: TurnError,
        /// Whether llmx tries again, so that the turn goes on.
        pub will_retry: bool,
        /// Where.
        pub thread_id: SessionId,
        /// In which turn.
        pub turn_id: SubmissionId,
        /// Items that the lost try had shown: take them back. A member of llmx's own.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub superseded_item_ids: Vec<crate::ids::ItemId>,
    }
}

/// How far a step of a plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PlanStepStatus {
    /// Not begun.
    Pending,
    /// Begun.
    InProgress,
    /// Done.
    Completed,
}

impl Turn {
    /// A turn that was just asked for.
    #[must_use]
    pub fn asked(id: SubmissionId) -> Self {
        Self {
            root_turn_id: id.clone(),
            id,
            items: Vec::new(),
            items_view: ItemsView::NotLoaded,
            status: TurnStatus::InProgress,
            error: None,
            started_at: None,
            completed_at: None,
            duration_ms: None,
        }
    }
}

impl TurnError {
    /// An error with a message, of which no more is known.
    #[must_use]
    pub fn of(message: impl Into<String>) -> Self {
        Self { message: message.into(), codex_error_info: Some(Value::from("other")), additional_details: None }
    }
}
