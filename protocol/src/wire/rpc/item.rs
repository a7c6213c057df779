//! Items: what a user sees of a turn.

use super::{Millis, Null};
use crate::{
    ids::{CallId, ItemId},
    wire::item as v1,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;

/// A piece of user input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum UserInput {
    /// Plain text.
    Text {
        /// The text.
        text: String,
        /// Stretches of the text that a UI draws in its own way; llmx gives none.
        #[serde(default, rename = "text_elements", alias = "textElements")]
        #[schemars(extend("x-aliases" = ["textElements"]))]
        text_elements: Vec<Value>,
    },
    /// An image by URL.
    Image {
        /// The URL.
        #[serde(alias = "imageUrl", alias = "image_url")]
        #[schemars(extend("x-aliases" = ["imageUrl", "image_url"]))]
        url: String,
    },
    /// An image on the engine's machine.
    LocalImage {
        /// Its path.
        path: PathBuf,
    },
    /// Something with instructions for the model.
    Skill {
        /// Its name.
        name: String,
        /// Where it is.
        path: PathBuf,
    },
    /// A file or an application that the user names.
    Mention {
        /// Its name.
        name: String,
        /// Where it is.
        path: String,
    },
}

impl From<UserInput> for v1::UserInput {
    /// The model reads what is named as a link: it has tools to look there.
    fn from(input: UserInput) -> Self {
        match input {
            UserInput::Text { text, .. } => Self::Text { text },
            UserInput::Image { url } => Self::Image { image_url: url },
            UserInput::LocalImage { path } => Self::LocalImage { path },
            UserInput::Skill { name, path } => Self::Text { text: format!("[${name}]({})", path.display()) },
            UserInput::Mention { name, path } => Self::Text { text: format!("[@{name}]({path})") },
        }
    }
}

impl From<v1::UserInput> for UserInput {
    fn from(input: v1::UserInput) -> Self {
        match input {
            v1::UserInput::Text { text } => Self::Text { text, text_elements: Vec::new() },
            v1::UserInput::Image { image_url } => Self::Image { url: image_url },
            v1::UserInput::LocalImage { path } => Self::LocalImage { path },
        }
    }
}

/// How far an item is that takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ItemStatus {
    /// Under way, or waiting for a person.
    InProgress,
    /// Done, and well.
    Completed,
    /// Done, and not well.
    Failed,
    /// A person said no.
    Declined,
}

/// Who wanted a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CommandSource {
    /// The model.
    Agent,
    /// The user.
    UserShell,
}

/// What a command does, for the eye.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum CommandAction {
    /// It reads a file.
    Read {
        /// The step as shell text.
        command: String,
        /// The file's name.
        name: String,
        /// Where it is.
        path: String,
    },
    /// It lists files.
    ListFiles {
        /// The step as shell text.
        command: String,
        /// Where.
        path: Option<String>,
    },
    /// It looks into files.
    Search {
        /// The step as shell text.
        command: String,
        /// For what.
        query: Option<String>,
        /// Where.
        path: Option<String>,
    },
    /// Something else.
    Unknown {
        /// The step as shell text.
        command: String,
    },
}

/// What becomes of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum PatchChangeKind {
    /// It comes.
    Add,
    /// It goes.
    Delete,
    /// It changes.
    Update {
        /// Its new path, where it moves.
        move_path: Option<PathBuf>,
    },
}

wire! {
    /// What a patch does to a file.
    pub struct FileUpdateChange {
        /// The file; absolute.
        pub path: PathBuf,
        /// What becomes of it.
        pub kind: PatchChangeKind,
        /// The hunks; of a file that comes or goes, its text.
        pub diff: String,
    }
}

/// An item of a turn. Times are there from the moment they are known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ThreadItem {
    /// What the user said.
    UserMessage {
        /// This item.
        id: ItemId,
        /// What a client called it.
        client_id: Null,
        /// The pieces, in order.
        content: Vec<UserInput>,
        /// When it began.
        started_at_ms: Option<Millis>,
        /// When it was whole.
        completed_at_ms: Option<Millis>,
    },
    /// What the model said.
    AgentMessage {
        /// Not known to llmx.
        moderation: Null,
        /// This item.
        id: ItemId,
        /// The text; empty when the item starts.
        text: String,
        /// Not known to llmx.
        phase: Null,
        /// Not known to llmx.
        memory_citation: Null,
        /// Not known to llmx.
        delivery: Null,
        /// Not known to llmx.
        questions: Null,
        /// When it began.
        started_at_ms: Option<Millis>,
        /// When it was whole.
        completed_at_ms: Option<Millis>,
    },
    /// What the model thought.
    Reasoning {
        /// This item.
        id: ItemId,
        /// The model's own summary, part by part.
        summary: Vec<String>,
        /// The thoughts themselves, where the model shows them.
        content: Vec<String>,
        /// The summary in one piece.
        text: String,
        /// When it began.
        started_at_ms: Option<Millis>,
        /// When it was whole.
        completed_at_ms: Option<Millis>,
    },
    /// A command.
    CommandExecution {
        /// This item: the call.
        id: CallId,
        /// Not known to llmx.
        plugin_id: Null,
        /// Not known to llmx.
        script_path: Null,
        /// The command as shell text.
        command: String,
        /// Where it runs.
        cwd: PathBuf,
        /// Kept by llmx to itself: it means nothing outside the sandbox.
        process_id: Null,
        /// Who wanted it.
        source: CommandSource,
        /// How far it is.
        status: ItemStatus,
        /// What it does, for the eye.
        command_actions: Vec<CommandAction>,
        /// What it wrote.
        aggregated_output: Option<String>,
        /// Its exit code.
        exit_code: Option<i32>,
        /// How long it ran.
        duration_ms: Option<Millis>,
        /// When it began, or was asked about.
        started_at_ms: Option<Millis>,
        /// When it was over.
        completed_at_ms: Option<Millis>,
    },
    /// Changes of files.
    FileChange {
        /// This item: the call.
        id: CallId,
        /// What becomes of which file.
        changes: Vec<FileUpdateChange>,
        /// How far it is.
        status: ItemStatus,
        /// When it began, or was asked about.
        started_at_ms: Option<Millis>,
        /// When it was over.
        completed_at_ms: Option<Millis>,
    },
    /// The conversation is summed up, to make room; it goes on from the summary.
    ContextCompaction {
        /// This item.
        id: ItemId,
        /// When it began.
        started_at_ms: Option<Millis>,
        /// When the summary took the conversation's place.
        completed_at_ms: Option<Millis>,
    },
    /// A search that the model's server made.
    WebSearch {
        /// This item.
        id: ItemId,
        /// What was searched for.
        query: String,
        /// Not known to llmx.
        action: Null,
        /// When it began.
        started_at_ms: Option<Millis>,
        /// When it was over.
        completed_at_ms: Option<Millis>,
    },
}
