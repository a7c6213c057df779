//! The configuration in use: every key with its type, every default filled in.

use super::{
    ConfigError, Environment, LoginSettings, ProviderInfo,
    file::{ConfigFile, Persistence},
    layers::Layers,
    login,
    provider::ProviderRecord,
    providers,
};
use crate::{executor::process::ShellEnvironmentPolicy, threads::SyncPolicy};
use llmx_protocol::{
    local_files::{DEFAULT_PROJECT_DOC_BYTES, ProjectDocOptions},
    wire::policy::{AskForApproval, ReasoningEffort, ReasoningSummary, SandboxPolicy, Verbosity},
};
use serde::Deserialize;
use serde_json::Value;
use std::{borrow::Cow, collections::BTreeMap, path::PathBuf};

const DEFAULT_MODEL: &str = "gpt-5";
const DEFAULT_PROVIDER: &str = "openai";
const DEFAULT_KILL_GRACE_MS: u64 = 100;
const DEFAULT_SESSION_RESTS_AFTER_MS: u64 = 120_000;

/// What a configuration is made from.
#[derive(Clone, Debug, Default)]
pub struct ConfigSources {
    /// The directory of `config.toml`; neither needs to exist. `None` reads no file.
    pub home: Option<PathBuf>,
    /// The `key=value` arguments of `-c`, in the order given; a later one wins.
    pub overrides: Vec<String>,
    /// The variables that built-in providers look at.
    pub environment: Environment,
}

/// A configuration, and what a person should be told about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// One sentence for each key that nobody knows.
    pub warnings: Vec<String>,
}

/// What sessions start with. `configure_session` may replace each of these for its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The model's name, as its provider spells it.
    pub model: String,
    /// The id of the provider in use, one of `providers`.
    pub model_provider: String,
    /// All known providers by id.
    pub providers: BTreeMap<String, ProviderInfo>,
    /// How hard the model should think; `None` leaves it to the model.
    pub model_reasoning_effort: Option<ReasoningEffort>,
    /// How the model should sum up its thoughts.
    pub model_reasoning_summary: ReasoningSummary,
    /// How long answers should be; `None` leaves it to the model.
    pub model_verbosity: Option<Verbosity>,
    /// The model's context window in tokens, where the model table is wrong or silent.
    pub model_context_window: Option<i64>,
    /// From how many tokens on a conversation is summed up; `None`: nine tenths of the window; 0: never.
    pub model_auto_compact_token_limit: Option<i64>,
    /// Replaces the built-in text that asks for a summary.
    pub compact_prompt: Option<String>,
    /// A file whose text is the `compact_prompt`, relative to the session's directory.
    pub experimental_compact_prompt_file: Option<PathBuf>,
    /// When a person is asked before a command runs.
    pub approval_policy: AskForApproval,
    /// What a command may touch: `sandbox_mode` with, for `workspace-write`, the `sandbox_workspace_write` table.
    pub sandbox_policy: SandboxPolicy,
    /// Whether `workspace-write` runs where the sandbox cannot be built in full: `.git` and the metadata of files
    /// are open to commands then.
    pub allow_degraded_sandbox: bool,
    /// What a command sees of the engine's environment.
    pub shell_environment_policy: ShellEnvironmentPolicy,
    /// What the user tells every session, as an `AGENTS.md` would.
    pub user_instructions: Option<String>,
    /// Where the instructions for a project are looked for.
    pub project_doc: ProjectDocOptions,
    /// What the application tells every session.
    pub developer_instructions: Option<String>,
    /// A file whose text replaces the built-in system prompt, relative to the session's directory.
    pub experimental_instructions_file: Option<PathBuf>,
    /// Whether reasoning is kept from the UI.
    pub hide_agent_reasoning: bool,
    /// Whether the UI gets the reasoning itself too, not only its summary.
    pub show_raw_agent_reasoning: bool,
    /// Whether servers must not keep responses: every request then carries the whole history.
    pub disable_response_storage: bool,
    /// How many milliseconds a command has between SIGTERM and SIGKILL.
    pub kill_grace_ms: u64,
    /// After how many milliseconds in which nobody wants anything of it a session rests in its journal; 0: never.
    pub session_rests_after_ms: u64,
    /// Whether what the user types is remembered over sessions.
    pub keep_history: bool,
    /// When journals of threads are made to survive a power cut.
    pub journal_fsync: SyncPolicy,
    /// After how many milliseconds an unanswered approval counts as denied; `None` waits for ever.
    pub approval_timeout_ms: Option<u64>,
    /// How people log in, and with whom.
    pub login: LoginSettings,
}

impl Config {
    /// The provider of an id.
    ///
    /// # Errors
    /// [`ConfigError::UnknownProvider`].
    pub fn provider(&self, id: &str) -> Result<&ProviderInfo, ConfigError> {
        self.providers.get(id).ok_or_else(|| ConfigError::UnknownProvider(id.to_owned()))
    }

    /// The provider of an id, with these members of a record in place of its own.
    ///
    /// # Errors
    /// Says that there is no such provider, or what is wrong with the members.
    pub fn provider_with(&self, id: &str, overrides: Option<&Value>) -> Result<Cow<'_, ProviderInfo>, String> {
        let info = self.provider(id).map_err(|error| error.to_string())?;
        let Some(overrides) = overrides else {
            return Ok(Cow::Borrowed(info));
        };
        let record = ProviderRecord::deserialize(overrides).map_err(|error| error.to_string())?;
        Ok(Cow::Owned(providers::changed(id, info, record)))
    }
}

/// Reads and checks a configuration.
///
/// # Errors
/// The first thing wrong with it, as a sentence for the person who wrote it.
pub fn load(sources: &ConfigSources) -> Result<Loaded, ConfigError> {
    let layers = Layers::read(sources.home.as_deref(), &sources.overrides)?;
    let file = layers.typed()?;
    if let Some(root) = file.relative_writable_root() {
        let problem = format!("expected absolute paths, found `{}`", root.display());
        return Err(layers.error("sandbox_workspace_write.writable_roots", &problem));
    }
    if let Some(id) = file.provider_without_server(&layers) {
        let problem = format!("no provider `{id}` is known, so that this must be all of one: `base_url` is missing");
        return Err(layers.error(&format!("model_providers.{id}"), &problem));
    }
    let warnings = warnings(&file, &layers);
    let config = settle(file, sources);
    config.provider(&config.model_provider)?;
    Ok(Loaded { config, warnings })
}

fn warnings(file: &ConfigFile, layers: &Layers) -> Vec<String> {
    for key in file.unused_keys() {
        tracing::debug!(key, "known configuration key without effect");
    }
    let warning = |key: String| format!("{}: unknown key `{key}` is ignored", layers.origin(&key));
    file.unknown_keys().into_iter().map(warning).collect()
}

fn settle(file: ConfigFile, sources: &ConfigSources) -> Config {
    Config {
        login: login::settle(&file, &sources.environment),
        sandbox_policy: file.sandbox_policy(),
        allow_degraded_sandbox: file.allow_degraded_sandbox,
        shell_environment_policy: file.shell_environment_policy(),
        model: file.model.unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
        model_provider: file.model_provider.unwrap_or_else(|| DEFAULT_PROVIDER.to_owned()),
        providers: providers::resolve(file.model_providers, &sources.environment),
        model_reasoning_effort: file.model_reasoning_effort,
        model_reasoning_summary: file.model_reasoning_summary.unwrap_or_default(),
        model_verbosity: file.model_verbosity,
        model_context_window: file.model_context_window,
        model_auto_compact_token_limit: file.model_auto_compact_token_limit,
        compact_prompt: file.compact_prompt,
        experimental_compact_prompt_file: file.experimental_compact_prompt_file,
        approval_policy: file.approval_policy.unwrap_or_default(),
        user_instructions: file.user_instructions,
        project_doc: ProjectDocOptions {
            home: sources.home.clone(),
            max_bytes: file.project_doc_max_bytes.unwrap_or(DEFAULT_PROJECT_DOC_BYTES),
            fallback_names: file.project_doc_fallback_filenames,
        },
        developer_instructions: file.developer_instructions,
        experimental_instructions_file: file.experimental_instructions_file,
        hide_agent_reasoning: file.hide_agent_reasoning,
        show_raw_agent_reasoning: file.show_raw_agent_reasoning,
        disable_response_storage: file.disable_response_storage,
        kill_grace_ms: file.kill_grace_ms.unwrap_or(DEFAULT_KILL_GRACE_MS),
        session_rests_after_ms: file.session_rests_after_ms.unwrap_or(DEFAULT_SESSION_RESTS_AFTER_MS),
        keep_history: file.history.persistence != Persistence::None,
        journal_fsync: file.journal_fsync.unwrap_or_default(),
        approval_timeout_ms: file.approval_timeout_ms,
    }
}
