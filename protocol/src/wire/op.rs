//! What a UI may ask for: `spec/protocol-v1.md`, with the variants and fields of reference `protocol-v1.md` §3.

use super::{
    decision::ReviewDecision,
    item::UserInput,
    policy::{AskForApproval, ReasoningEffort, ReasoningSummary, SandboxPolicy},
};
use crate::ids::{CallId, ResponseId};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::path::PathBuf;

/// A request of the UI. More variants may come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Op {
    /// Makes the session, or configures it anew and aborts what runs. Must come first.
    ConfigureSession(Box<ConfigureSession>),
    /// Ends the running task; silent without one.
    Interrupt,
    /// Starts a task; ends the one that runs.
    UserInput {
        /// What the user said.
        items: Vec<UserInput>,
        /// The bookmark to go on from instead of the end of the conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_response_id: Option<ResponseId>,
    },
    /// [`Op::UserInput`] with settings of its own, which persist (the schema does not).
    UserTurn(Box<UserTurn>),
    /// Says something to the running task, which hears it before it asks the model again. What the model is saying
    /// meanwhile is cut short. An op of llmx's own.
    Steer {
        /// The submission id of the task; it must be the one that runs.
        id: String,
        /// What the user said.
        items: Vec<UserInput>,
    },
    /// Changes settings for later tasks; silent.
    OverrideTurnContext(Box<OverrideTurnContext>),
    /// Answers an `exec_approval_request`.
    ExecApproval {
        /// The submission id of the task that asks (the request's event id).
        id: String,
        /// Which of its requests for a command, where several are open. Without it the oldest is meant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call_id: Option<CallId>,
        /// The answer.
        decision: ReviewDecision,
    },
    /// Answers an `apply_patch_approval_request`.
    PatchApproval {
        /// As in [`Op::ExecApproval`].
        id: String,
        /// As in [`Op::ExecApproval`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call_id: Option<CallId>,
        /// The answer.
        decision: ReviewDecision,
    },
    /// Appends a line to the message history.
    AddToHistory {
        /// The line.
        text: String,
    },
    /// Asks for a line of the message history.
    GetHistoryEntryRequest {
        /// Which one, from 0.
        offset: usize,
        /// The log it was counted in.
        log_id: u64,
    },
    /// Asks for the tools of the MCP servers.
    ListMcpTools,
    /// Asks for the user's prompts.
    ListCustomPrompts,
    /// Sums up the conversation to make room.
    Compact,
    /// Takes the last task's changes back.
    Undo,
    /// Reviews the changes of the work tree.
    Review {
        /// What to look at.
        review_request: ReviewRequest,
    },
    /// Ends the session, then the engine answers `shutdown_complete`.
    Shutdown,
    /// Runs a command of the user's own.
    RunUserShellCommand {
        /// The command line.
        command: String,
    },
}

impl Op {
    /// Every `type` that [`Op`] knows, for error messages.
    pub const NAMES: [&'static str; 17] = [
        "configure_session",
        "interrupt",
        "user_input",
        "user_turn",
        "steer",
        "override_turn_context",
        "exec_approval",
        "patch_approval",
        "add_to_history",
        "get_history_entry_request",
        "list_mcp_tools",
        "list_custom_prompts",
        "compact",
        "undo",
        "review",
        "shutdown",
        "run_user_shell_command",
    ];

    /// The wire name of this variant.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ConfigureSession(_) => "configure_session",
            Self::Interrupt => "interrupt",
            Self::UserInput { .. } => "user_input",
            Self::UserTurn(_) => "user_turn",
            Self::Steer { .. } => "steer",
            Self::OverrideTurnContext(_) => "override_turn_context",
            Self::ExecApproval { .. } => "exec_approval",
            Self::PatchApproval { .. } => "patch_approval",
            Self::AddToHistory { .. } => "add_to_history",
            Self::GetHistoryEntryRequest { .. } => "get_history_entry_request",
            Self::ListMcpTools => "list_mcp_tools",
            Self::ListCustomPrompts => "list_custom_prompts",
            Self::Compact => "compact",
            Self::Undo => "undo",
            Self::Review { .. } => "review",
            Self::Shutdown => "shutdown",
            Self::RunUserShellCommand { .. } => "run_user_shell_command",
        }
    }
}

/// Settings of a session. Everything but `cwd` defaults from the configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigureSession {
    /// The session's directory; absolute.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "required_path")]
    pub cwd: Option<PathBuf>,
    /// The model's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The id of a configured provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_provider: Option<String>,
    /// A provider record of its own (reference `model-wire.md` §9), instead of an id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<Value>,
    /// Members of a provider's record that are otherwise in this session than `model_provider` has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_overrides: Option<Value>,
    /// Who is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_policy: Option<AskForApproval>,
    /// What commands may touch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox_policy: Option<SandboxPolicy>,
    /// How hard the model thinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_reasoning_effort: Option<ReasoningEffort>,
    /// How the model sums up its thoughts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_reasoning_summary: Option<ReasoningSummary>,
    /// Instructions of the user (`AGENTS.md` style).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_instructions: Option<String>,
    /// Instructions of the application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub developer_instructions: Option<String>,
    /// Replaces the built-in system text.
    #[serde(skip_serializing_if = "Option::is_none", alias = "instructions")]
    pub base_instructions: Option<String>,
    /// Replaces the built-in text that asks for a summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compact_prompt: Option<String>,
    /// A program to run when a task ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<Vec<String>>,
    /// A rollout file to go on from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_path: Option<PathBuf>,
    /// Send the whole conversation each time and let the server keep nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_response_storage: Option<bool>,
}

/// `cwd` is optional for serde so that the engine can name what is missing, but `null` is as wrong as absent.
fn required_path<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    PathBuf::deserialize(from).map(Some)
}

/// User input with settings of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserTurn {
    /// What the user said.
    pub items: Vec<UserInput>,
    /// As in [`Op::UserInput`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_response_id: Option<ResponseId>,
    /// The session's directory from now on.
    pub cwd: PathBuf,
    /// Who is asked.
    pub approval_policy: AskForApproval,
    /// What commands may touch.
    pub sandbox_policy: SandboxPolicy,
    /// The model's name.
    pub model: String,
    /// How hard the model thinks.
    #[serde(default)]
    pub effort: Option<ReasoningEffort>,
    /// How the model sums up its thoughts.
    #[serde(default)]
    pub summary: ReasoningSummary,
    /// The JSON Schema of the final message, for this task only.
    #[serde(default)]
    pub final_output_json_schema: Option<Value>,
}

/// Settings to change; absent ones stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OverrideTurnContext {
    /// The session's directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
    /// Who is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_policy: Option<AskForApproval>,
    /// What commands may touch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox_policy: Option<SandboxPolicy>,
    /// The model's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Absent keeps, `null` clears, a value sets.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub effort: Option<Option<ReasoningEffort>>,
    /// How the model sums up its thoughts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<ReasoningSummary>,
}

/// Tells `null` from absent, which serde's own `Option` does not.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// What to review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewRequest {
    /// The instructions.
    pub prompt: String,
    /// What a UI shows meanwhile.
    pub user_facing_hint: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effort_of_null_clears_and_an_absent_one_keeps() {
        let parse = |text| serde_json::from_str::<OverrideTurnContext>(text).unwrap().effort;
        assert_eq!(parse("{}"), None);
        assert_eq!(parse(r#"{"effort":null}"#), Some(None));
        assert_eq!(parse(r#"{"effort":"high"}"#), Some(Some(ReasoningEffort::High)));
    }

    #[test]
    fn allow_is_another_spelling_of_approved() {
        let op: Op = serde_json::from_str(r#"{"type":"exec_approval","id":"u1","decision":"allow"}"#).unwrap();
        assert_eq!(op, Op::ExecApproval { id: "u1".into(), call_id: None, decision: ReviewDecision::Approved });
    }
}
