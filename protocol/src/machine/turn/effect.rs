//! What a turn wants done.

use super::StartCall;
use crate::{
    ids::{Attempt, ResponseId},
    machine::approval::{CallKey, Question},
    model::item::ResponseItem,
    patch::TurnDiff,
    wire::{event::EventMsg, usage::TokenUsage},
};
use std::sync::Arc;

/// What a turn wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ask the model.
    OpenModel {
        /// The number of this try.
        attempt: Attempt,
        /// Whether to send everything although the server should have kept some of it.
        in_full: bool,
    },
    /// Close the model's connection; `ModelEnded` answers.
    CloseModel,
    /// Tell the UI.
    Publish(EventMsg),
    /// Ask a person; `Answered` answers.
    Ask(Question),
    /// Run a command, look at a patch or apply it; `CallEnded` answers.
    StartCall(StartCall),
    /// End a call, and a command's whole tree; `CallEnded` answers.
    KillCall(CallKey),
    /// The turn is over; nothing follows.
    Finish(TurnEnd),
}

/// How a turn ended, and what it adds to the conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnEnd {
    /// How.
    pub outcome: Outcome,
    /// What the model said; of a broken answer, the text that the user saw.
    pub said: Vec<ResponseItem>,
    /// The id of the model's response, if it completed and the server gave one.
    pub response_id: Option<ResponseId>,
    /// One output for each call in `said`.
    pub outputs: Vec<ResponseItem>,
    /// The model's last message.
    pub last_message: Option<String>,
    /// Tokens that the session has used by now.
    pub used: TokenUsage,
    /// What the conversation with this answer takes of the model's window, in tokens, if the server says so.
    pub context_tokens: Option<i64>,
    /// What the task's patches have done by now.
    pub diff: Arc<TurnDiff>,
}

/// How a turn ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Completed,
    /// Because it was told to.
    Stopped,
    /// With this error.
    Failed(String),
    /// With this error: the conversation is larger than the model's window.
    Overflowed(String),
}
