//! What a task wants done.

use super::Bookmark;
use crate::{
    history::{History, Prompt},
    ids::TurnId,
    machine::turn::TurnStart,
    wire::{event::EventMsg, usage::TokenUsage},
};

/// What a task wants done.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Tell the UI.
    Publish(EventMsg),
    /// Start a turn with this prompt.
    StartTurn(Box<TurnStart>, Prompt),
    /// Tell the turn to end.
    StopTurn,
    /// Tell the turn that the user has something to say.
    YieldTurn,
    /// End every command of the session; `Swept` answers.
    Sweep,
    /// Remember a place to go on from, before what follows is published, and tell the session of it.
    Bookmark(Bookmark),
    /// The task is over; nothing follows.
    Finish(TaskEnd),
}

/// What a task leaves.
#[derive(Clone, Debug)]
pub struct TaskEnd {
    /// The conversation at its end.
    pub history: History,
    /// The next free turn number.
    pub next_turn: TurnId,
    /// Tokens that the session has used by now.
    pub used: TokenUsage,
}
