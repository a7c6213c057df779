//! Everything anyone may send a [`Task`](super::Task) beside what it hands on to its turn, and what it tells the session.

use actix::Message;
use llmx_protocol::{
    ids::TaskId,
    machine::{
        approval::Question,
        task::{Bookmark, Steering, TaskEnd},
    },
    wire::event::AbortReason,
};

/// End now; [`TaskFinished`] answers.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct StopTask(pub AbortReason);

/// The user says something to the task.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SteerTask(pub Steering);

/// To the session: a person must be asked.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct QuestionAsked {
    /// Whose.
    pub task: TaskId,
    /// What.
    pub question: Question,
}

/// To the session: here is a place to go on from. The outbox remembers it already.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct BookmarkMade {
    /// Whose.
    pub task: TaskId,
    /// The place.
    pub bookmark: Bookmark,
}

/// To the session: the task is over; it says nothing more.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct TaskFinished {
    /// Which.
    pub task: TaskId,
    /// What it leaves.
    pub end: TaskEnd,
}
