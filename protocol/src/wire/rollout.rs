//! A thread as it is kept: one JSON object a line, `{"timestamp", "type", "payload"}` (reference `config-and-storage.md`
//! §5). Lines of `session_meta`, `response_item`, `event_msg`, `turn_context` and `compacted` are the reference's; the other
//! types, and the members `id` and `seq` beside an event's payload, are llmx's own. Readers skip what they do not know.

use super::{
    event::EventMsg,
    op::ConfigureSession,
    policy::{AskForApproval, ReasoningEffort, ReasoningSummary, SandboxPolicy},
    usage::TokenUsage,
};
use crate::ids::{ResponseId, SessionId, SubmissionId};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use std::{borrow::Cow, path::PathBuf};

/// The version of llmx's own line types, in `session_meta`.
pub const SCHEMA_VERSION: u32 = 1;

/// A line as it is read.
#[derive(Debug, Deserialize)]
pub struct RolloutLine<'a> {
    /// When it was written, `YYYY-MM-DDThh:mm:ss.mmmZ`.
    #[serde(borrow, default)]
    pub timestamp: Cow<'a, str>,
    /// What the payload is.
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    /// JSON of the line's type.
    #[serde(borrow)]
    pub payload: &'a RawValue,
    /// Of an event: the submission that it belongs to.
    #[serde(default)]
    pub id: Option<SubmissionId>,
    /// Of an event: its number.
    #[serde(default)]
    pub seq: Option<u64>,
}

#[derive(Serialize)]
struct NewLine<'a, P> {
    timestamp: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    payload: P,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a SubmissionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

/// Writes a line of this type behind the others; `timestamp` is UTC, as [`RolloutLine::timestamp`].
pub fn rollout_line(kind: &'static str, payload: impl Serialize, timestamp: &str, out: &mut Vec<u8>) {
    append(&NewLine { timestamp, kind, payload, id: None, seq: None }, out);
}

/// Writes the line of an event that is published under this number.
pub fn event_line(id: &SubmissionId, seq: u64, msg: &EventMsg, timestamp: &str, out: &mut Vec<u8>) {
    append(&NewLine { timestamp, kind: "event_msg", payload: msg, id: Some(id), seq: Some(seq) }, out);
}

/// A value that cannot be JSON leaves no line behind: no type here is one.
fn append(line: &impl Serialize, out: &mut Vec<u8>) {
    let start = out.len();
    match serde_json::to_writer(&mut *out, line) {
        Ok(()) => out.push(b'\n'),
        Err(_) => out.truncate(start),
    }
}

/// `session_meta`, the first line: what thread this is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionMeta {
    /// The thread.
    pub id: SessionId,
    /// When it began, `YYYY-MM-DDThh:mm:ss.mmmZ`.
    pub timestamp: String,
    /// Where it began.
    pub cwd: PathBuf,
    /// The client program.
    pub originator: String,
    /// The engine's version.
    pub cli_version: String,
    /// The user's instructions at the beginning.
    pub instructions: Option<String>,
    /// Which front it was started by.
    #[serde(deserialize_with = "known_source")]
    pub source: SessionSource,
    /// The id of the provider, where it has one.
    pub model_provider: Option<String>,
    /// The work tree at the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<GitInfo>,
    /// [`SCHEMA_VERSION`]; absent where another engine wrote the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<u32>,
    /// Where it was forked from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<ForkedFrom>,
}

/// Which front a thread was started by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionSource {
    /// A terminal, or a program on a pipe.
    Cli,
    /// An editor or another client of the app-server.
    #[default]
    Vscode,
    /// A script.
    Exec,
    /// An MCP client.
    Mcp,
    /// The engine itself.
    Subagent(serde_json::Value),
    /// Nobody knows.
    Unknown,
}

/// Sources that this version does not know are `Unknown`.
fn known_source<'de, D: Deserializer<'de>>(from: D) -> Result<SessionSource, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(SessionSource::deserialize(value).unwrap_or(SessionSource::Unknown))
}

/// A work tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GitInfo {
    /// What was checked out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit_hash: Option<String>,
    /// The branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Where it comes from, without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository_url: Option<String>,
}

/// A place in another thread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkedFrom {
    /// The thread.
    pub id: SessionId,
    /// The bookmark; absent for its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_id: Option<ResponseId>,
}

/// `turn_context`: what the model is told that it works under; also `settings_changed`, from then on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnContext {
    /// The session's directory.
    pub cwd: PathBuf,
    /// Who is asked.
    #[serde(default)]
    pub approval_policy: AskForApproval,
    /// What commands may touch.
    #[serde(default)]
    pub sandbox_policy: SandboxPolicy,
    /// The model's name.
    pub model: String,
    /// How hard it thinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<ReasoningEffort>,
    /// How it sums up its thoughts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<ReasoningSummary>,
}

/// `compacted`: the conversation goes on from a summary.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Compacted<'a> {
    /// The summary.
    pub message: String,
    /// The whole conversation from now on, item by item. Where it is absent, another engine wrote the line: the
    /// user's messages, then the summary.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub replacement_history: Option<Vec<&'a RawValue>>,
}

/// `configured`: the settings from here on, every one of them, without secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Configured {
    /// The submission that asked for it.
    pub by: SubmissionId,
    /// What would ask for it again.
    pub op: Box<ConfigureSession>,
    /// The instructions of the user and the project, put together; absent where they are those of `session_meta`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_instructions: Option<String>,
}

/// `conversation`: what follows goes on from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum ConversationFrom {
    /// From the beginning.
    Start,
    /// From a bookmark of this file.
    Bookmark {
        /// Which.
        response_id: ResponseId,
    },
    /// From a response that only the model's server knows.
    Server {
        /// Which.
        response_id: ResponseId,
    },
}

/// `task_started`: a task began, with what was said before this line as its input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskLine {
    /// Counts the thread's tasks.
    pub task: u64,
    /// The submission that started it.
    pub id: SubmissionId,
}

/// `response_end`: the items before this line are one piece.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResponseEnd {
    /// The id under which the model's server keeps everything up to here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_as: Option<ResponseId>,
    /// What everything up to here takes of the model's window in tokens, where the server counted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<i64>,
}

/// `bookmark`: a place to go on from, `turn_complete.response_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookmarkLine {
    /// The task that passed it.
    pub task: u64,
    /// Its name.
    pub response_id: ResponseId,
}

/// `task_ended`: the task left the conversation as it is at this line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskEndLine {
    /// The next free turn number.
    pub next_turn: u64,
    /// Tokens used by the thread.
    pub used: TokenUsage,
}

/// `numbers`: events up to this number may be handed out without being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// The last of them.
    pub up_to: u64,
}
