//! A session's settings, and how ops change them.

use crate::{
    local_files::{FromDisk, LocalFiles, ProjectDocOptions, TextFiles},
    model::{
        family,
        provider::{Provider, Providers},
    },
    tool::{apply_patch::PatchForm, output::AnswerForm},
    wire::{
        op::{ConfigureSession, OverrideTurnContext, UserTurn},
        policy::{AskForApproval, ReasoningEffort, ReasoningSummary, SandboxPolicy, Verbosity},
    },
};
use serde_json::Value;
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// What a session starts from: the user's configuration, as far as sessions see it.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The model's name.
    pub model: String,
    /// The id of the provider.
    pub model_provider: String,
    /// The providers that there are.
    pub providers: Arc<dyn Providers>,
    /// Who is asked.
    pub approval_policy: AskForApproval,
    /// What commands may touch.
    pub sandbox_policy: SandboxPolicy,
    /// How hard the model thinks.
    pub effort: Option<ReasoningEffort>,
    /// How it sums up its thoughts.
    pub summary: Option<ReasoningSummary>,
    /// How long its answers are.
    pub verbosity: Option<Verbosity>,
    /// The model's window in tokens.
    pub context_window: Option<i64>,
    /// From how many tokens on a conversation is summed up; 0: never.
    pub auto_compact_limit: Option<i64>,
    /// Replaces the built-in text that asks for a summary.
    pub compact_prompt: Option<String>,
    /// Instructions of the user.
    pub user_instructions: Option<String>,
    /// Instructions of the application.
    pub developer_instructions: Option<String>,
    /// Replaces the built-in system text.
    pub base_instructions: Option<String>,
    /// Let the server keep nothing.
    pub disable_response_storage: bool,
    /// What a UI is told of the model's thoughts.
    pub reasoning_shown: ReasoningShown,
    /// Between SIGTERM and SIGKILL.
    pub kill_grace: Duration,
    /// How long an approval may stay open; for ever without it.
    pub approval_timeout: Option<Duration>,
    /// Knows how well commands can be confined here; asked when a session is configured.
    pub confining: Arc<dyn Confining>,
    /// What a UI should be told of the configuration.
    pub notices: Vec<String>,
    /// Where to look for the project's instructions.
    pub project_doc: ProjectDocOptions,
    /// Files that replace built-in texts.
    pub text_files: TextFiles,
    /// The machine's files.
    pub files: Arc<dyn LocalFiles>,
}

/// What a UI is told of the model's thoughts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReasoningShown {
    /// Leave out the summaries.
    pub hide_summaries: bool,
    /// Show the thoughts themselves.
    pub show_raw: bool,
}

/// How well this machine can confine a command; found out once, by the executor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// As the policy says.
    Full,
    /// Less than that, and why: writable roots are not safe.
    Degraded {
        /// What is missing.
        why: String,
        /// Whether the user lets `workspace-write` run all the same.
        writes: bool,
    },
    /// Not at all, and why: restricted policies refuse to run anything.
    None(String),
}

/// Whoever knows how well commands can be confined. Finding out may take some milliseconds, once.
pub trait Confining: fmt::Debug + Send + Sync {
    /// The same answer every time.
    fn enforcement(&self) -> Enforcement;
}

impl Confining for Enforcement {
    fn enforcement(&self) -> Enforcement {
        self.clone()
    }
}

/// The settings that the next task runs under.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The session's directory; absolute.
    pub cwd: PathBuf,
    /// The model's name.
    pub model: String,
    /// Where the model is.
    pub provider: Arc<Provider>,
    /// Who is asked.
    pub approval_policy: AskForApproval,
    /// What commands may touch.
    pub sandbox_policy: SandboxPolicy,
    /// How hard the model thinks.
    pub effort: Option<ReasoningEffort>,
    /// How it sums up its thoughts.
    pub summary: Option<ReasoningSummary>,
    /// How long its answers are.
    pub verbosity: Option<Verbosity>,
    /// The model's window in tokens.
    pub context_window: Option<i64>,
    /// From how many tokens on a conversation is summed up; 0: never.
    pub auto_compact_limit: Option<i64>,
    /// Replaces the built-in text that asks for a summary.
    pub compact_prompt: Option<String>,
    /// Instructions of the user.
    pub user_instructions: Option<String>,
    /// Instructions of the application.
    pub developer_instructions: Option<String>,
    /// Replaces the built-in system text.
    pub base_instructions: Option<String>,
    /// Whether the server keeps responses, so that only what is new is sent.
    pub stored_responses: bool,
    /// The JSON Schema of the final message, for one task.
    pub output_schema: Option<Arc<Value>>,
    /// What a UI is told of the model's thoughts.
    pub reasoning_shown: ReasoningShown,
    /// Between SIGTERM and SIGKILL.
    pub kill_grace: Duration,
    /// How well commands can be confined here.
    pub enforcement: Enforcement,
}

impl Settings {
    /// The settings that `op` asks for, everything else from `defaults`; `from_disk` is what was read for it.
    ///
    /// # Errors
    /// Says in one sentence what cannot be had.
    pub fn configure(op: &ConfigureSession, defaults: &Defaults, from_disk: &FromDisk) -> Result<Self, String> {
        let cwd = op.cwd.clone().ok_or("op `configure_session`: missing field `cwd`")?;
        let cwd = absolute(&cwd)?;
        let provider = provider(op, defaults)?;
        let disable_storage = op.disable_response_storage.unwrap_or(defaults.disable_response_storage);
        Ok(Self {
            model: op.model.clone().unwrap_or_else(|| defaults.model.clone()),
            stored_responses: provider.stores_responses && !disable_storage,
            provider: Arc::new(provider),
            approval_policy: op.approval_policy.unwrap_or(defaults.approval_policy),
            sandbox_policy: op.sandbox_policy.clone().unwrap_or_else(|| defaults.sandbox_policy.clone()),
            effort: op.model_reasoning_effort.or(defaults.effort),
            summary: op.model_reasoning_summary.or(defaults.summary),
            verbosity: defaults.verbosity,
            context_window: defaults.context_window,
            auto_compact_limit: defaults.auto_compact_limit,
            compact_prompt: chosen(
                filled(op.compact_prompt.as_ref()),
                from_disk.compact_prompt.as_ref(),
                filled(defaults.compact_prompt.as_ref()),
            )?,
            user_instructions: from_disk.user_instructions.clone(),
            cwd,
            developer_instructions: op
                .developer_instructions
                .clone()
                .or_else(|| defaults.developer_instructions.clone()),
            base_instructions: chosen(
                op.base_instructions.as_ref(),
                from_disk.base_instructions.as_ref(),
                defaults.base_instructions.as_ref(),
            )?,
            output_schema: None,
            reasoning_shown: defaults.reasoning_shown,
            kill_grace: defaults.kill_grace,
            enforcement: defaults.confining.enforcement(),
        })
    }

    /// The model's window in tokens, as configured or as known of the model.
    #[must_use]
    pub fn window(&self) -> Option<i64> {
        self.context_window.or(family::of(&self.model).context_window)
    }

    /// From how many tokens on the conversation is summed up before the model is asked again: as configured, or nine
    /// tenths of the window. `None`: never.
    #[must_use]
    pub fn compacts_at(&self) -> Option<i64> {
        let nine_tenths = || self.window().map(|window| window / 10 * 9);
        self.auto_compact_limit.or_else(nine_tenths).filter(|limit| *limit > 0)
    }

    /// How the model is offered patches: in freeform only where both it and its server know that.
    #[must_use]
    pub fn patch_form(&self) -> PatchForm {
        let freeform = self.provider.takes_freeform_tools && family::writes_freeform_patches(&self.model);
        if freeform { PatchForm::Freeform } else { PatchForm::Function }
    }

    /// How the model is answered.
    #[must_use]
    pub fn answer_form(&self) -> AnswerForm {
        match self.patch_form() {
            PatchForm::Function => AnswerForm::Json,
            PatchForm::Freeform => AnswerForm::Lines,
        }
    }

    /// These settings with those of a `user_turn`.
    ///
    /// # Errors
    /// Names the directory that is not absolute.
    pub fn for_turn(&self, turn: &UserTurn) -> Result<Self, String> {
        Ok(Self {
            cwd: absolute(&turn.cwd)?,
            model: turn.model.clone(),
            approval_policy: turn.approval_policy,
            sandbox_policy: turn.sandbox_policy.clone(),
            effort: turn.effort,
            summary: Some(turn.summary),
            ..self.clone()
        })
    }

    /// These settings with some of them changed.
    ///
    /// # Errors
    /// Names the directory that is not absolute.
    pub fn overridden(&self, change: &OverrideTurnContext) -> Result<Self, String> {
        Ok(Self {
            cwd: change.cwd.as_deref().map_or_else(|| Ok(self.cwd.clone()), absolute)?,
            model: change.model.clone().unwrap_or_else(|| self.model.clone()),
            approval_policy: change.approval_policy.unwrap_or(self.approval_policy),
            sandbox_policy: change.sandbox_policy.clone().unwrap_or_else(|| self.sandbox_policy.clone()),
            effort: change.effort.unwrap_or(self.effort),
            summary: change.summary.or(self.summary),
            ..self.clone()
        })
    }
}

/// The UI's text, or that of a file, or the configured one.
fn chosen(
    said: Option<&String>,
    in_file: Option<&Result<String, String>>,
    configured: Option<&String>,
) -> Result<Option<String>, String> {
    match (said, in_file) {
        (None, Some(text)) => text.clone().map(Some),
        (said, _) => Ok(said.or(configured).cloned()),
    }
}

/// A blank text says nothing.
fn filled(text: Option<&String>) -> Option<&String> {
    text.filter(|text| !text.trim().is_empty())
}

fn absolute(cwd: &Path) -> Result<PathBuf, String> {
    if cwd.is_absolute() { Ok(cwd.to_owned()) } else { Err(format!("cwd is not absolute: {}", cwd.display())) }
}

fn provider(op: &ConfigureSession, defaults: &Defaults) -> Result<Provider, String> {
    match (&op.provider, &op.model_provider) {
        (Some(record), _) => {
            let provider = defaults.providers.by_record(record);
            provider.map_err(|e| format!("op `configure_session`: bad `provider`: {e}"))
        }
        (None, id) => {
            let id = id.as_ref().unwrap_or(&defaults.model_provider);
            defaults.providers.by_id(id, op.provider_overrides.as_ref())
        }
    }
}
