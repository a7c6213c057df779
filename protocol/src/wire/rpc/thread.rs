//! Threads.

mod history;
mod list;
mod review;

pub use self::{
    history::{HistoryParams, ThreadItemEntry, ThreadItemsListResponse, ThreadTurnsListResponse},
    list::{
        OneOrMany, PageParams, SortDirection, ThreadListParams, ThreadListResponse, ThreadLoadedListResponse,
        ThreadSortKey,
    },
    review::{ReviewStartParams, ReviewStartResponse, ReviewTarget},
};

use super::absent_if_null;
use super::{
    Null, Seconds,
    policy::{SandboxMode, SandboxPolicy},
    turn::Turn,
};
use crate::{
    ids::{ResponseId, SessionId, SubmissionId},
    wire::policy::{AskForApproval, ReasoningEffort},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, path::PathBuf};

/// What a thread does now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ThreadStatus {
    /// It is stored and nobody works on it.
    NotLoaded,
    /// It waits for input.
    Idle,
    /// It broke.
    SystemError,
    /// A turn runs.
    Active {
        /// What that waits for.
        active_flags: Vec<ActiveFlag>,
    },
}

/// What a turn waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ActiveFlag {
    /// A person's decision.
    WaitingOnApproval,
}

wire! {
    /// Where a thread works, as the current wire wraps it.
    pub struct ThreadEnvironment {
        /// `local`.
        pub environment_id: String,
        /// The directory.
        pub cwd: PathBuf,
        /// The same.
        pub runtime_workspace_roots: Vec<PathBuf>,
    }

    /// What git says of a thread's directory.
    pub struct GitInfo {
        /// The commit.
        pub sha: Option<String>,
        /// The branch.
        pub branch: Option<String>,
        /// Where it comes from.
        pub origin_url: Option<String>,
    }

    /// A conversation.
    pub struct Thread {
        /// This thread.
        pub id: SessionId,
        /// Where it works.
        pub environments: Option<Vec<ThreadEnvironment>>,
        /// Not known to llmx.
        pub extra: Null,
        /// The same as `id`.
        pub session_id: SessionId,
        /// The thread that this one was forked from.
        pub forked_from_id: Option<SessionId>,
        /// Not known to llmx.
        pub attached_to_thread_id: Null,
        /// Not known to llmx.
        pub parent_thread_id: Null,
        /// The first words of its user.
        pub preview: String,
        /// Whether it is kept in memory only.
        pub ephemeral: bool,
        /// Not known to llmx.
        pub section: Null,
        /// Not known to llmx.
        pub section_entered_at: Null,
        /// Not known to llmx.
        pub project_id: Null,
        /// How its turns are read: `legacy`, all at once.
        pub history_mode: String,
        /// The id of its provider.
        pub model_provider: String,
        /// Its model.
        pub model: Option<String>,
        /// How hard that thinks.
        pub reasoning_effort: Option<ReasoningEffort>,
        /// When it was made.
        pub created_at: Seconds,
        /// When it was last changed.
        pub updated_at: Seconds,
        /// When it was last used.
        pub recency_at: Option<Seconds>,
        /// What it does now.
        pub status: ThreadStatus,
        /// Its file.
        pub path: Option<PathBuf>,
        /// Its directory.
        pub cwd: PathBuf,
        /// The version of llmx that made it.
        pub cli_version: String,
        /// The client that made it.
        pub originator: Option<String>,
        /// What kind of client that was.
        pub source: Value,
        /// Whether `turn/start` works.
        pub can_accept_direct_input: Option<bool>,
        /// Not known to llmx.
        pub thread_source: Null,
        /// Not known to llmx.
        pub agent_nickname: Null,
        /// Not known to llmx.
        pub agent_role: Null,
        /// What git says of its directory.
        pub git_info: Option<GitInfo>,
        /// What its user calls it.
        pub name: Option<String>,
        /// Not known to llmx.
        pub daybreak_enabled: Null,
        /// Its turns, where they were asked for.
        pub turns: Vec<Turn>,
    }

    /// Result of `thread/start`, `thread/resume` and `thread/fork`.
    pub struct ThreadSession {
        /// The thread.
        pub thread: Thread,
        /// Its model.
        pub model: String,
        /// The id of its provider.
        pub model_provider: String,
        /// Not known to llmx.
        pub service_tier: Null,
        /// Not known to llmx: none.
        pub disabled_plugin_ids: Vec<String>,
        /// Its directory.
        pub cwd: PathBuf,
        /// The same.
        pub runtime_workspace_roots: Vec<PathBuf>,
        /// Files with instructions that the model is given.
        pub instruction_sources: Vec<PathBuf>,
        /// Who is asked.
        pub approval_policy: AskForApproval,
        /// Who answers: `user`.
        pub approvals_reviewer: String,
        /// What commands may touch.
        pub sandbox: SandboxPolicy,
        /// Not known to llmx.
        pub active_permission_profile: Null,
        /// How hard the model thinks.
        pub reasoning_effort: Option<ReasoningEffort>,
        /// How agents work together: only when told to.
        pub multi_agent_mode: String,
    }

    /// Params of `thread/started`.
    pub struct ThreadStartedNotification {
        /// The thread.
        pub thread: Thread,
    }

    /// Params of `thread/status/changed`.
    pub struct ThreadStatusChangedNotification {
        /// Which.
        pub thread_id: SessionId,
        /// What it does now.
        pub status: ThreadStatus,
    }

    /// Tokens of requests.
    pub struct TokenUsageBreakdown {
        /// Everything.
        pub total_tokens: i64,
        /// What was sent.
        pub input_tokens: i64,
        /// The part of it that the server had cached.
        pub cached_input_tokens: i64,
        /// The part of it that the server put into its cache.
        pub cache_write_input_tokens: i64,
        /// What the model wrote.
        pub output_tokens: i64,
        /// The part of it that was thought.
        pub reasoning_output_tokens: i64,
    }

    /// Tokens of a thread.
    pub struct ThreadTokenUsage {
        /// Of all requests.
        pub total: TokenUsageBreakdown,
        /// Of the last one.
        pub last: TokenUsageBreakdown,
        /// The model's window.
        pub model_context_window: Option<i64>,
    }

    /// Params of `thread/tokenUsage/updated`.
    pub struct ThreadTokenUsageUpdatedNotification {
        /// Where.
        pub thread_id: SessionId,
        /// In which turn.
        pub turn_id: SubmissionId,
        /// The sums.
        pub token_usage: ThreadTokenUsage,
    }

    /// Params of `thread/compacted`.
    pub struct ContextCompactedNotification {
        /// Where.
        pub thread_id: SessionId,
        /// The turn that did it.
        pub turn_id: SubmissionId,
    }

    /// Params of `warning`.
    pub struct WarningNotification {
        /// Where, if anywhere.
        pub thread_id: Option<SessionId>,
        /// For a person.
        pub message: String,
    }

    /// Params of `deprecationNotice`.
    pub struct DeprecationNoticeNotification {
        /// What will go away.
        pub summary: String,
        /// What to do.
        pub details: Option<String>,
    }

    /// Params of `serverRequest/resolved`.
    pub struct ServerRequestResolvedNotification {
        /// Where.
        pub thread_id: SessionId,
        /// The request that needs no answer any more.
        pub request_id: i64,
    }

    /// Params of notifications that only name a thread.
    pub struct ThreadNotification {
        /// Which.
        pub thread_id: SessionId,
    }
}

optional_params! {
    /// Params of `thread/start`. What is absent comes from the user's configuration.
    pub struct ThreadStartParams {
        /// The model.
        pub model: Option<String>,
        /// The id of its provider.
        pub model_provider: Option<String>,
        /// The directory; absolute. Without it, the server's own.
        pub cwd: Option<PathBuf>,
        /// Who is asked.
        pub approval_policy: Option<AskForApproval>,
        /// What commands may touch.
        pub sandbox: Option<SandboxMode>,
        /// Keys of the configuration, dotted or nested.
        pub config: Option<BTreeMap<String, Value>>,
        /// Replaces the built-in system text.
        pub base_instructions: Option<String>,
        /// Instructions of the application.
        pub developer_instructions: Option<String>,
        /// Whether it is kept in memory only.
        pub ephemeral: Option<bool>,
    }
}

wire! {
    /// Params of methods that only name a thread.
    pub struct ThreadParams {
        /// Which.
        #[serde(alias = "thread_id")]
        #[schemars(extend("x-aliases" = ["thread_id"]))]
        pub thread_id: SessionId,
    }

    /// Params of `thread/resume`. What is given replaces the thread's own settings.
    pub struct ThreadResumeParams {
        /// Which.
        #[serde(alias = "thread_id")]
        #[schemars(extend("x-aliases" = ["thread_id"]))]
        pub thread_id: SessionId,
        /// Its file, instead of its id.
        #[serde(default)]
        pub path: Option<PathBuf>,
        /// Whether its turns are left out of the answer.
        #[serde(default, deserialize_with = "absent_if_null")]
        #[schemars(with = "Option<bool>")]
        pub exclude_turns: bool,
        /// Settings.
        #[serde(flatten)]
        pub settings: ThreadStartParams,
    }

    /// Params of `thread/fork`.
    pub struct ThreadForkParams {
        /// Which.
        #[serde(alias = "thread_id")]
        #[schemars(extend("x-aliases" = ["thread_id"]))]
        pub thread_id: SessionId,
        /// Its file, instead of its id.
        #[serde(default)]
        pub path: Option<PathBuf>,
        /// The bookmark up to which it is copied; all of it without. A member of llmx's own.
        #[serde(default)]
        pub last_response_id: Option<ResponseId>,
        /// Whether its turns are left out of the answer.
        #[serde(default, deserialize_with = "absent_if_null")]
        #[schemars(with = "Option<bool>")]
        pub exclude_turns: bool,
        /// Settings.
        #[serde(flatten)]
        pub settings: ThreadStartParams,
    }

    /// Result of `thread/resume`.
    pub struct ThreadResumeResponse {
        /// The thread and its settings.
        #[serde(flatten)]
        pub session: ThreadSession,
        /// How the model works with the user: in llmx's one way.
        pub collaboration_mode: CollaborationMode,
        /// Not known to llmx: the turns are in the thread.
        pub initial_turns_page: Null,
        /// Where to read turns backwards from.
        pub turns_backwards_cursor: Option<String>,
        /// Where to read items backwards from.
        pub items_backwards_cursor: Option<String>,
    }

    /// How the model works with the user.
    pub struct CollaborationMode {
        /// `default`.
        pub mode: String,
        /// Of that mode.
        pub settings: CollaborationSettings,
    }

    /// Result of `thread/read` and `thread/unarchive`.
    pub struct ThreadResponse {
        /// The thread.
        pub thread: Thread,
    }

    /// Params of `thread/read`.
    pub struct ThreadReadParams {
        /// Which.
        #[serde(alias = "thread_id")]
        #[schemars(extend("x-aliases" = ["thread_id"]))]
        pub thread_id: SessionId,
        /// Whether its turns are wanted.
        #[serde(default, deserialize_with = "absent_if_null")]
        #[schemars(with = "Option<bool>")]
        pub include_turns: bool,
    }

    /// Params of `thread/name/set`.
    pub struct ThreadSetNameParams {
        /// Which.
        #[serde(alias = "thread_id")]
        #[schemars(extend("x-aliases" = ["thread_id"]))]
        pub thread_id: SessionId,
        /// What its user calls it; empty takes the name away.
        pub name: String,
    }

    /// Params of `thread/name/updated`.
    pub struct ThreadNameUpdatedNotification {
        /// Which.
        pub thread_id: SessionId,
        /// What its user calls it.
        pub thread_name: Option<String>,
    }

    /// Result of `thread/unsubscribe`.
    pub struct ThreadUnsubscribeResponse {
        /// Whether there was anything to do.
        pub status: UnsubscribeStatus,
    }
}

/// What a mode works with; snake case inside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CollaborationSettings {
    /// The model.
    pub model: String,
    /// How hard it thinks.
    pub reasoning_effort: Option<ReasoningEffort>,
    /// Instructions of the application.
    pub developer_instructions: Option<String>,
}

/// Whether there was anything to unsubscribe from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum UnsubscribeStatus {
    /// Nobody works on the thread.
    NotLoaded,
    /// The client did not follow it.
    NotSubscribed,
    /// The client follows it no more.
    Unsubscribed,
}
