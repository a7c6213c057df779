//! The keys of `config.toml` that are used, as they are written. The names are those of LLMX and Codex; defaults are
//! `settings`' business.

use super::{
    login::{CredentialsStore, ForcedLoginMethod, LoginTable},
    other_keys::OtherKeys,
    provider::ProviderRecord,
};
use crate::{
    executor::process::{Inherit, NamePattern, ShellEnvironmentPolicy},
    threads::SyncPolicy,
};
use llmx_protocol::wire::policy::{AskForApproval, ReasoningEffort, ReasoningSummary, SandboxPolicy, Verbosity};
use serde::Deserialize;
use std::{collections::BTreeMap, path::PathBuf};

/// Keys that LLMX or Codex know and nothing here uses so far: no reason to warn.
const NOT_USED_YET: &[&str] = &[
    "disable_paste_burst",
    "features",
    "file_opener",
    "instructions",
    "mcp_oauth_credentials_store",
    "mcp_servers",
    "model_max_output_tokens",
    "model_reasoning_summary_format",
    "model_supports_reasoning_summaries",
    "notice",
    "notify",
    "otel",
    "profile",
    "profiles",
    "projects",
    "review_model",
    "tools",
    "tui",
];

/// `[history]`; `max_bytes` is accepted and has no effect.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct HistoryTable {
    pub(super) persistence: Persistence,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Persistence {
    #[default]
    SaveAll,
    None,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ConfigFile {
    pub(super) model: Option<String>,
    pub(super) model_provider: Option<String>,
    pub(super) model_providers: BTreeMap<String, ProviderRecord>,
    pub(super) model_reasoning_effort: Option<ReasoningEffort>,
    pub(super) model_reasoning_summary: Option<ReasoningSummary>,
    pub(super) model_verbosity: Option<Verbosity>,
    pub(super) model_context_window: Option<i64>,
    pub(super) model_auto_compact_token_limit: Option<i64>,
    pub(super) compact_prompt: Option<String>,
    pub(super) experimental_compact_prompt_file: Option<PathBuf>,
    pub(super) approval_policy: Option<AskForApproval>,
    sandbox_mode: Option<SandboxMode>,
    sandbox_workspace_write: WorkspaceWriteTable,
    pub(super) allow_degraded_sandbox: bool,
    shell_environment_policy: EnvironmentPolicyTable,
    pub(super) user_instructions: Option<String>,
    pub(super) developer_instructions: Option<String>,
    pub(super) experimental_instructions_file: Option<PathBuf>,
    pub(super) project_doc_max_bytes: Option<usize>,
    pub(super) project_doc_fallback_filenames: Vec<String>,
    pub(super) hide_agent_reasoning: bool,
    pub(super) show_raw_agent_reasoning: bool,
    pub(super) disable_response_storage: bool,
    pub(super) kill_grace_ms: Option<u64>,
    pub(super) session_rests_after_ms: Option<u64>,
    pub(super) approval_timeout_ms: Option<u64>,
    pub(super) journal_fsync: Option<SyncPolicy>,
    pub(super) forced_login_method: Option<ForcedLoginMethod>,
    pub(super) forced_chatgpt_workspace_id: Option<String>,
    pub(super) cli_auth_credentials_store: CredentialsStore,
    pub(super) chatgpt_base_url: Option<String>,
    pub(super) login: LoginTable,
    pub(super) history: HistoryTable,
    #[serde(flatten)]
    others: OtherKeys,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SandboxMode {
    #[default]
    ReadOnly,
    WorkspaceWrite,
    DangerFullAccess,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WorkspaceWriteTable {
    writable_roots: Vec<PathBuf>,
    network_access: bool,
    exclude_tmpdir_env_var: bool,
    exclude_slash_tmp: bool,
    #[serde(flatten)]
    others: OtherKeys,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EnvironmentPolicyTable {
    inherit: Inherit,
    ignore_default_excludes: bool,
    exclude: Vec<NamePattern>,
    set: BTreeMap<String, String>,
    include_only: Vec<NamePattern>,
    /// Known to LLMX, without effect there too.
    #[serde(rename = "experimental_use_profile")]
    _use_profile: Option<bool>,
    #[serde(flatten)]
    others: OtherKeys,
}

impl ConfigFile {
    /// The dotted keys that nobody knows.
    pub(super) fn unknown_keys(&self) -> Vec<String> {
        let top = self.others.names().filter(|key| !NOT_USED_YET.contains(key)).map(str::to_owned);
        let providers = self.model_providers.iter().flat_map(|(id, record)| {
            let table = format!("model_providers.{id}");
            record.others.within(&table).collect::<Vec<_>>()
        });
        top.chain(providers)
            .chain(self.sandbox_workspace_write.others.within("sandbox_workspace_write"))
            .chain(self.shell_environment_policy.others.within("shell_environment_policy"))
            .chain(self.login.others.within("login"))
            .collect()
    }

    /// The keys that are known and have no effect so far.
    pub(super) fn unused_keys(&self) -> impl Iterator<Item = &str> {
        self.others.names().filter(|key| NOT_USED_YET.contains(key))
    }

    /// A writable root that is not absolute, and so would mean another directory in every session.
    pub(super) fn relative_writable_root(&self) -> Option<&PathBuf> {
        self.sandbox_workspace_write.writable_roots.iter().find(|root| !root.is_absolute())
    }

    /// A provider that only `-c` knows, and not whom to ask.
    pub(super) fn provider_without_server(&self, layers: &super::layers::Layers) -> Option<&String> {
        let is_new = |id: &String| !super::providers::is_built_in(id) && !layers.file_has_provider(id);
        self.model_providers.iter().find(|(id, record)| is_new(id) && !record.has_server()).map(|(id, _)| id)
    }

    pub(super) fn sandbox_policy(&self) -> SandboxPolicy {
        let table = &self.sandbox_workspace_write;
        match self.sandbox_mode.unwrap_or_default() {
            SandboxMode::ReadOnly => SandboxPolicy::ReadOnly,
            SandboxMode::DangerFullAccess => SandboxPolicy::DangerFullAccess,
            SandboxMode::WorkspaceWrite => SandboxPolicy::WorkspaceWrite {
                writable_roots: table.writable_roots.clone(),
                network_access: table.network_access,
                exclude_tmpdir_env_var: table.exclude_tmpdir_env_var,
                exclude_slash_tmp: table.exclude_slash_tmp,
            },
        }
    }

    pub(super) fn shell_environment_policy(&self) -> ShellEnvironmentPolicy {
        let table = &self.shell_environment_policy;
        ShellEnvironmentPolicy {
            inherit: table.inherit,
            ignore_default_excludes: table.ignore_default_excludes,
            exclude: table.exclude.clone(),
            set: table.set.clone(),
            include_only: table.include_only.clone(),
        }
    }
}
