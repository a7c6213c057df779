//! Threads.

mod history;
mod list;
mod notifications;
mod open;
mod review;
mod tokens;

pub use self::{
    history::{HistoryParams, ThreadItemEntry, ThreadItemsListResponse, ThreadTurnsListResponse},
    list::{
        OneOrMany, PageParams, SortDirection, ThreadListParams, ThreadListResponse, ThreadLoadedListResponse,
        ThreadSortKey,
    },
    notifications::{
        ContextCompactedNotification, DeprecationNoticeNotification, ServerRequestResolvedNotification,
        ThreadNameUpdatedNotification, ThreadNotification, ThreadStartedNotification, ThreadStatusChangedNotification,
        WarningNotification,
    },
    open::{
        CollaborationMode, CollaborationSettings, ThreadForkParams, ThreadResumeParams, ThreadResumeResponse,
        ThreadSession, ThreadStartParams,
    },
    review::{ReviewStartParams, ReviewStartResponse, ReviewTarget},
    tokens::{ThreadTokenUsage, ThreadTokenUsageUpdatedNotification, TokenUsageBreakdown},
};

use super::absent_if_null;
use super::{Null, Seconds, turn::Turn};
use crate::{ids::SessionId, wire::policy::ReasoningEffort};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;

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
}

wire! {
    /// Params of methods that only name a thread.
    pub struct ThreadParams {
        /// Which.
        #[serde(alias = "thread_id")]
        #[schemars(extend("x-aliases" = ["thread_id"]))]
        pub thread_id: SessionId,
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

    /// Result of `thread/unsubscribe`.
    pub struct ThreadUnsubscribeResponse {
        /// Whether there was anything to do.
        pub status: UnsubscribeStatus,
    }
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
