//! Threads are opened: a new one, one that is kept, or a copy of it.

use super::Thread;
use crate::{
    ids::{ResponseId, SessionId},
    wire::{
        policy::{AskForApproval, ReasoningEffort},
        rpc::{
            Null, absent_if_null,
            policy::{SandboxMode, SandboxPolicy},
        },
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, path::PathBuf};

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
