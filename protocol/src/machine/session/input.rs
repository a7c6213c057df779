//! What a session hears.

use super::{OpenedThread, Question};
use crate::{
    ids::{SubmissionId, TaskId},
    local_files::FromDisk,
    machine::task::{Bookmark, TaskEnd},
    wire::submission::{BadSubmission, Submission},
};

/// What can happen to a session.
#[derive(Debug)]
pub enum Input {
    /// It may begin.
    Begin,
    /// What the submission of this name, which comes next, needs of the machine's files.
    FilesRead(SubmissionId, FromDisk),
    /// The UI sent a line.
    Submit(Result<Submission, BadSubmission>),
    /// The UI will send no more: finish what was submitted, then end.
    NoMoreInput,
    /// Interrupt what runs, then end.
    Leave,
    /// A command of the task waits for a person.
    Ask {
        /// Whose.
        task: TaskId,
        /// What.
        question: Question,
    },
    /// The task passed a place to go on from, and had it remembered.
    Bookmark {
        /// Which task.
        task: TaskId,
        /// The place.
        bookmark: Bookmark,
    },
    /// A task said how it ended.
    TaskEnded {
        /// Which.
        task: TaskId,
        /// What it leaves.
        end: TaskEnd,
    },
    /// A task died without saying so.
    TaskCrashed {
        /// Which.
        task: TaskId,
        /// Of what.
        why: String,
    },
    /// The executor died.
    ExecutorCrashed {
        /// Of what.
        why: String,
    },
    /// The executor has ended everything.
    Swept,
    /// A thread is open, or cannot be.
    ThreadOpened(Result<Box<OpenedThread>, String>),
    /// What is said cannot be written down: what runs must end. The outbox says why.
    JournalFailed,
    /// A deadline may have passed.
    Tick,
}
