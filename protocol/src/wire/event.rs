//! What a UI is told: `spec/protocol-v1.md`, with the variants and fields of reference `protocol-v1.md` §5.
//!
//! Members that llmx adds: `seq` on every event; `item_id` on deltas and messages and `superseded` on `stream_error`,
//! so that a UI can take back what a dead attempt had shown; `turn_complete`, as the user's document says;
//! `context_compaction_begin` and `_end`.

use super::{
    file_change::FileChange,
    item::{TurnItem, UserInput},
    parsed_command::ParsedCommand,
    plan::Plan,
    policy::ReasoningEffort,
    usage::{RateLimitSnapshot, TokenUsageInfo},
};
use crate::ids::{CallId, ItemId, ResponseId, SessionId, SubmissionId};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// A line to the UI.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The submission that it belongs to: for what a task does, the `user_input` that started it; empty for what
    /// belongs to none.
    pub id: SubmissionId,
    /// Counts the session's events from 1 without a gap.
    #[serde(default)]
    pub seq: u64,
    /// What happened.
    pub msg: EventMsg,
}

/// What happened. More variants may come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventMsg {
    /// With a task's id: the task is over. With another submission's id: that submission was refused.
    Error {
        /// What went wrong.
        message: String,
    },
    /// Something the user should know; nothing ends.
    Warning {
        /// What.
        message: String,
    },
    /// The session is there, or was configured anew.
    SessionConfigured(SessionConfigured),
    /// A task began.
    TaskStarted {
        /// The model's window in tokens, where known.
        model_context_window: Option<i64>,
    },
    /// A task is over and went well.
    TaskComplete {
        /// The model's last words.
        last_agent_message: Option<String>,
    },
    /// A task is being ended early; `error` follows.
    TurnAborted {
        /// Why.
        reason: AbortReason,
    },
    /// A turn is over: its response, and every tool it asked for.
    TurnComplete {
        /// The bookmark: give it as `last_response_id` to go on from here.
        response_id: Option<ResponseId>,
    },
    /// Tokens used so far.
    TokenCount {
        /// The sums.
        info: Option<TokenUsageInfo>,
        /// What the server says of the account's limits.
        rate_limits: Option<RateLimitSnapshot>,
    },
    /// What the user said.
    UserMessage {
        /// The text.
        message: String,
        /// Images by URL or path.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        images: Vec<String>,
    },
    /// What the model said, whole.
    AgentMessage {
        /// The text.
        message: String,
        /// The item that it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item_id: Option<ItemId>,
    },
    /// What the model says, as it comes.
    AgentMessageDelta {
        /// More text.
        delta: String,
        /// The item that it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item_id: Option<ItemId>,
    },
    /// A summary of the model's thoughts.
    AgentReasoning {
        /// The text.
        text: String,
    },
    /// A summary of the model's thoughts, as it comes.
    AgentReasoningDelta {
        /// More text.
        delta: String,
        /// The item that it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item_id: Option<ItemId>,
    },
    /// The model's thoughts.
    AgentReasoningRawContent {
        /// The text.
        text: String,
    },
    /// The model's thoughts, as they come.
    AgentReasoningRawContentDelta {
        /// More text.
        delta: String,
        /// The item that it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item_id: Option<ItemId>,
    },
    /// The next reasoning delta begins a new section.
    AgentReasoningSectionBreak,
    /// A person must say whether the command may run.
    ExecApprovalRequest(ExecApprovalRequest),
    /// A command starts.
    ExecCommandBegin(ExecCommandBegin),
    /// A command says something.
    ExecCommandOutputDelta {
        /// Which.
        call_id: CallId,
        /// Where.
        stream: ExecOutputStream,
        /// The raw bytes, in base64.
        chunk: String,
    },
    /// A command is over, and nothing it started lives.
    ExecCommandEnd(Box<ExecCommandEnd>),
    /// A person must say whether the patch may be applied.
    ApplyPatchApprovalRequest(ApplyPatchApprovalRequest),
    /// A patch is about to be applied.
    PatchApplyBegin {
        /// Which.
        call_id: CallId,
        /// Whether nobody was asked.
        auto_approved: bool,
        /// What it does, by the absolute paths of the files.
        changes: BTreeMap<PathBuf, FileChange>,
    },
    /// A patch is applied, all of it, or nothing of it is.
    PatchApplyEnd {
        /// Which.
        call_id: CallId,
        /// What was done.
        stdout: String,
        /// Why nothing was.
        stderr: String,
        /// Which of the two.
        success: bool,
    },
    /// What all patches of the task have done so far.
    TurnDiff {
        /// In git's form; the paths are from the session's directory.
        unified_diff: String,
    },
    /// The model's plan changed.
    PlanUpdate(Plan),
    /// The model's connection was lost; it is tried again.
    StreamError {
        /// What happened and which try comes next.
        message: String,
        /// Items shown by the lost attempt that are void: take them back.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        superseded: Vec<ItemId>,
    },
    /// An item appears.
    ItemStarted(ItemEvent),
    /// An item is whole.
    ItemCompleted(ItemEvent),
    /// The engine did something on its own.
    BackgroundEvent {
        /// What.
        message: String,
    },
    /// Something the UI uses will go away.
    DeprecationNotice {
        /// What.
        summary: String,
        /// What to do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        details: Option<String>,
    },
    /// A line of the message history, if it is there.
    GetHistoryEntryResponse {
        /// Which, as asked.
        offset: usize,
        /// The log, as asked.
        log_id: u64,
        /// The line.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entry: Option<HistoryEntry>,
    },
    /// The conversation is being summed up, to make room.
    ContextCompactionBegin {
        /// This summary.
        item_id: ItemId,
    },
    /// It goes on from its summary. Not said of one that failed: then nothing has changed.
    ContextCompactionEnd {
        /// This summary.
        item_id: ItemId,
    },
    /// The session is over; no event follows.
    ShutdownComplete,
    /// A kind that this version does not know (on reading only).
    #[serde(other)]
    Unknown,
}

impl EventMsg {
    /// An `error` with this message.
    #[must_use]
    pub fn error(message: impl Into<String>) -> Self {
        Self::Error { message: message.into() }
    }

    /// A `warning` with this message.
    #[must_use]
    pub fn warning(message: impl Into<String>) -> Self {
        Self::Warning { message: message.into() }
    }

    /// Whether a task is over with this event, if it carries the task's id.
    #[must_use]
    pub fn ends_a_task(&self) -> bool {
        matches!(self, Self::Error { .. } | Self::TaskComplete { .. })
    }
}

/// Why a task ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AbortReason {
    /// The UI said so.
    Interrupted,
    /// New user input came.
    Replaced,
    /// The session was configured anew.
    Reconfigured,
}

impl AbortReason {
    /// The wire name, which is also the text of the `error` that follows.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::Replaced => "replaced",
            Self::Reconfigured => "reconfigured",
        }
    }
}

/// The session as it now is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionConfigured {
    /// The session (thread).
    pub session_id: SessionId,
    /// The model's name.
    pub model: String,
    /// How hard it thinks, where set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<ReasoningEffort>,
    /// The message history's log.
    pub history_log_id: u64,
    /// How many entries it has.
    pub history_entry_count: usize,
    /// What was said before, where the session goes on with a thread: what the reference's rollouts keep of events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_messages: Option<Vec<EventMsg>>,
    /// Where the session is kept, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout_path: Option<PathBuf>,
}

/// A line of the message history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The session in which it was said.
    pub conversation_id: SessionId,
    /// When, in Unix seconds.
    pub ts: u64,
    /// What.
    pub text: String,
}

/// A command that waits for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExecApprovalRequest {
    /// The call; unique among the open ones.
    pub call_id: CallId,
    /// The command's words.
    pub command: Vec<String>,
    /// Where it would run.
    pub cwd: PathBuf,
    /// Why it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The command for display.
    pub parsed_cmd: Vec<ParsedCommand>,
}

/// A patch that waits for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApplyPatchApprovalRequest {
    /// The call; unique among the open ones.
    pub call_id: CallId,
    /// What it would do, by the absolute paths of the files. A file that is reached through a link is shown where it is.
    pub changes: BTreeMap<PathBuf, FileChange>,
    /// Why it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A command that starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExecCommandBegin {
    /// The call.
    pub call_id: CallId,
    /// The command's words.
    pub command: Vec<String>,
    /// Where it runs.
    pub cwd: PathBuf,
    /// The command for display.
    pub parsed_cmd: Vec<ParsedCommand>,
    /// Whether the user typed it.
    #[serde(default)]
    pub is_user_shell_command: bool,
}

/// A command that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExecCommandEnd {
    /// The call.
    pub call_id: CallId,
    /// What it wrote; the middle of very long output is left out and counted.
    pub stdout: String,
    /// As `stdout`.
    pub stderr: String,
    /// Both, in the order of arrival; as `stdout`.
    pub aggregated_output: String,
    /// Its exit code; 128 + signal where one ended it, 124 after a timeout, -1 where it never ran.
    pub exit_code: i32,
    /// How long it ran, `{"secs", "nanos"}`.
    pub duration: Duration,
    /// The text that the model gets.
    pub formatted_output: String,
}

/// One of a command's two output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecOutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// An item of the conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemEvent {
    /// The session.
    pub thread_id: SessionId,
    /// The submission that started the task.
    pub turn_id: SubmissionId,
    /// The item.
    pub item: TurnItem,
}

/// The text and the images of user input, as `user_message` shows them.
#[must_use]
pub fn user_message(items: &[UserInput]) -> EventMsg {
    let mut message = String::new();
    let mut images = Vec::new();
    for item in items {
        match item {
            UserInput::Text { text } => {
                if !message.is_empty() {
                    message.push('\n');
                }
                message.push_str(text);
            }
            UserInput::Image { image_url } => images.push(image_url.clone()),
            UserInput::LocalImage { path } => images.push(path.display().to_string()),
        }
    }
    EventMsg::UserMessage { message, images }
}
