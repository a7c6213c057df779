//! What a session must not forget when its actor dies.

use crate::{
    history::History,
    ids::{ResponseId, SessionId, SubmissionId, TaskId, TurnId},
    machine::{settings::Settings, task::Bookmark},
    wire::usage::TokenUsage,
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// A place in the conversation.
#[derive(Clone, Debug, Default)]
pub struct Point {
    /// Everything up to here.
    pub history: History,
    /// The settings that the model was last told of.
    pub told: Option<Arc<Settings>>,
}

/// Something to remember.
#[derive(Clone, Debug)]
pub enum Record {
    /// The session has these settings, by this submission.
    Configured(SubmissionId, Box<Settings>),
    /// The settings of later tasks changed.
    Overridden(Box<Settings>),
    /// A task began, with the input as the conversation's end.
    TaskStarted(TaskId, SubmissionId, Point),
    /// The task passed a place to go on from. Of a task that does not run any more it is not worth remembering: the
    /// UI was not told either.
    Bookmark(TaskId, Bookmark),
    /// The task ended and left this.
    TaskEnded {
        /// The conversation.
        history: History,
        /// The next free turn number.
        next_turn: TurnId,
        /// Tokens used.
        used: TokenUsage,
    },
    /// The task died; what is remembered of it stands.
    TaskLost,
    /// These submissions, and no others, wait to be heard by the task, or for its end.
    Waiting(Vec<SubmissionId>),
    /// The session is to end. Whoever opens it again later, in a process of its own, leaves this out.
    Closing(Closing),
}

/// When a session that is to end does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closing {
    /// When nothing is left to do.
    WhenIdle,
    /// As soon as the running task has ended; then it says so under this id.
    Shutdown(SubmissionId),
    /// As soon as the running task has ended.
    Now,
}

/// A session's memory: the fold of its records.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The settings, once it was configured.
    pub settings: Option<Settings>,
    /// The submission that configured it last.
    pub configured_by: SubmissionId,
    /// The end of the conversation.
    pub head: Point,
    /// Places to go on from.
    pub bookmarks: HashMap<ResponseId, Point>,
    /// The task that runs.
    pub running: Option<(TaskId, SubmissionId)>,
    /// Submissions that wait to be heard by it, or for its end.
    pub waiting: Vec<SubmissionId>,
    /// Whether the session is to end.
    pub closing: Option<Closing>,
    /// The last task.
    pub last_task: TaskId,
    /// The next free turn number, less one.
    pub last_turn: TurnId,
    /// Tokens used.
    pub used: TokenUsage,
    /// What the UI should be told when a session begins with this memory.
    pub notices: Vec<String>,
    /// The thread, where that is not the one that the session began with.
    pub thread: Option<SessionId>,
    /// Whether all of it is in the journal and nothing here.
    pub resting: bool,
    task_names: HashSet<SubmissionId>,
}

/// Turns of a lost task are not counted one by one: the next task leaves room for them.
const TURNS_OF_A_LOST_TASK: u64 = 1_000_000;

impl Memory {
    /// Takes a record in.
    pub fn fold(&mut self, record: Record) {
        match record {
            Record::Configured(by, settings) => {
                self.configured_by = by;
                self.settings = Some(*settings);
            }
            Record::Overridden(settings) => self.settings = Some(*settings),
            Record::TaskStarted(task, submission, head) => {
                self.task_names.insert(submission.clone());
                self.running = Some((task, submission));
                self.last_task = task;
                self.head = head;
            }
            Record::Bookmark(task, Bookmark { id, point, heard }) => {
                if self.running.as_ref().is_some_and(|(running, _)| *running == task) {
                    self.head = point.clone();
                    self.bookmarks.insert(id, point);
                    self.waiting.retain(|id| !heard.contains(id));
                }
            }
            Record::TaskEnded { history, next_turn, used } => {
                self.running = None;
                self.head.history = history;
                self.last_turn = TurnId(next_turn.0.saturating_sub(1));
                self.used = used;
            }
            Record::TaskLost => {
                self.running = None;
                self.last_turn = TurnId(self.last_turn.0 + TURNS_OF_A_LOST_TASK);
            }
            Record::Waiting(ids) => self.waiting = ids,
            Record::Closing(when) => self.closing = Some(when),
        }
    }

    /// That of a session whose memory is in its thread's journal.
    #[must_use]
    pub fn resting(thread: SessionId, configured_by: SubmissionId) -> Self {
        Self { resting: true, thread: Some(thread), configured_by, ..Self::default() }
    }

    /// A task had this name.
    pub fn take_name(&mut self, id: SubmissionId) {
        self.task_names.insert(id);
    }

    /// Whether a task has, or had, this name.
    #[must_use]
    pub fn names_a_task(&self, id: &SubmissionId) -> bool {
        self.task_names.contains(id)
    }
}
