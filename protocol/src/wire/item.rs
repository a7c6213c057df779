//! What a user says, and the pieces that a UI shows.

use crate::ids::ItemId;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A piece of user input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum UserInput {
    /// Plain text.
    Text {
        /// The text.
        text: String,
    },
    /// An image by `data:` or `https:` URL.
    Image {
        /// The URL.
        image_url: String,
    },
    /// An image on the engine's machine.
    LocalImage {
        /// Its path.
        path: PathBuf,
    },
}

/// A piece of a conversation, as `item_started` and `item_completed` carry it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TurnItem {
    /// What the user said.
    UserMessage {
        /// This item.
        id: ItemId,
        /// The pieces, in order.
        content: Vec<UserInput>,
    },
    /// What the model said.
    AgentMessage {
        /// This item.
        id: ItemId,
        /// The pieces, in order; empty when the item starts.
        content: Vec<AgentContent>,
    },
    /// What the model thought.
    Reasoning {
        /// This item.
        id: ItemId,
        /// The model's own summary, part by part.
        summary_text: Vec<String>,
        /// The thoughts themselves, where the model shows them.
        raw_content: Vec<String>,
    },
    /// A search that the model's server made.
    WebSearch {
        /// This item.
        id: ItemId,
        /// What was searched for.
        query: String,
    },
}

/// A piece of an agent's message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentContent {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
}
