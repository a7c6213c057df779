//! The one vocabulary that every dialect of the model wire decodes to.

use super::ResponseItem;
use crate::{
    ids::ResponseId,
    wire::usage::{RateLimitSnapshot, TokenUsage},
};

/// One step of a streamed response.
///
/// `slot` numbers the items of the response from 0 in the order in which they were first heard of. An item is
/// `ItemStarted` once, may have deltas, and is `ItemDone` at most once; items may interleave. `ItemDone` is the truth,
/// deltas are for display. Nothing follows `Completed`. A decoder never makes a `Notice` or `RateLimits`.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelEvent {
    /// Something that the user should know of the way to the model; the model said nothing with it.
    Notice(String),
    /// What the headers of the answer said of the caller's limits.
    RateLimits(RateLimitSnapshot),
    /// The server has accepted the request.
    Created {
        /// Its name for the response, if it gives one.
        response_id: Option<ResponseId>,
    },
    /// An item began.
    ItemStarted {
        /// The item.
        slot: u32,
        /// What it will be.
        kind: ItemKind,
    },
    /// A message grew.
    TextDelta {
        /// The item.
        slot: u32,
        /// What was added; never empty.
        delta: String,
    },
    /// The summary of a stretch of reasoning grew.
    ReasoningSummaryDelta {
        /// The item.
        slot: u32,
        /// What was added; never empty.
        delta: String,
    },
    /// The next part of a reasoning summary begins; the first part is announced too.
    ReasoningSectionBreak {
        /// The item.
        slot: u32,
    },
    /// The unabridged text of a stretch of reasoning grew.
    ReasoningTextDelta {
        /// The item.
        slot: u32,
        /// What was added; never empty.
        delta: String,
    },
    /// An item is complete. It may be a blank message ([`ResponseItem::is_blank`]), which is to be dropped.
    ItemDone {
        /// The item.
        slot: u32,
        /// The item as it goes into the conversation.
        item: ResponseItem,
    },
    /// The response is complete.
    Completed {
        /// The server's name for the response, if it gives one.
        response_id: Option<ResponseId>,
        /// What it cost, if the server says so.
        usage: Option<TokenUsage>,
        /// Why it was cut short (`max_output_tokens`, `content_filter`, …). Some servers cut without saying so.
        incomplete: Option<String>,
    },
}

/// What an item is, known from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// A message.
    Message,
    /// A stretch of reasoning.
    Reasoning,
    /// A call of a function tool.
    FunctionCall,
    /// A call of a freeform tool.
    CustomToolCall,
    /// A call of the built-in shell tool.
    LocalShellCall,
    /// A web search, run by the server.
    WebSearchCall,
    /// Anything else.
    Other,
}

impl ItemKind {
    /// The kind named by an item's `type`.
    #[must_use]
    pub fn from_type(name: &str) -> Self {
        match name {
            "message" => Self::Message,
            "reasoning" => Self::Reasoning,
            "function_call" => Self::FunctionCall,
            "custom_tool_call" => Self::CustomToolCall,
            "local_shell_call" => Self::LocalShellCall,
            "web_search_call" => Self::WebSearchCall,
            _ => Self::Other,
        }
    }
}
