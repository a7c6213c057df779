//! What a session wants done.

use super::{Record, WhichThread};
use crate::{
    ids::SubmissionId,
    machine::{
        approval::{Answer, CallKey},
        gate::Origin,
        task::{Steering, TaskStart},
    },
    wire::event::{AbortReason, EventMsg},
};

/// What a session wants done.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Remember, before what follows is published.
    Record(Record),
    /// Tell the UI.
    Publish {
        /// Who speaks.
        origin: Origin,
        /// The submission that it belongs to.
        id: SubmissionId,
        /// What.
        msg: EventMsg,
    },
    /// Start a task.
    StartTask(Box<TaskStart>),
    /// Tell the task to end.
    StopTask(AbortReason),
    /// Tell the task what the user says to it.
    SteerTask(Steering),
    /// Tell the task the answer to a question.
    Answer(CallKey, Answer),
    /// End every command; `Swept` answers.
    Sweep,
    /// Start a new executor in place of the dead one.
    ReplaceExecutor,
    /// Tell the task that what the executor ran is gone.
    CallsLost,
    /// Open a thread; `ThreadOpened` answers.
    OpenThread(WhichThread),
    /// Let go of everything: it is all in the journal.
    Rest,
    /// Add a line to the message history.
    AddToHistory(SubmissionId, String),
    /// Look for a line of the message history and tell the UI.
    LookUpHistory {
        /// Who asked.
        id: SubmissionId,
        /// Which line, from 0.
        offset: usize,
        /// The log that it was counted in.
        log_id: u64,
    },
    /// The session is over; nothing follows.
    Finish(SessionEnd),
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// As it was told to.
    Closed,
    /// It cannot go on, and why.
    Failed(String),
}
