//! One session: its settings, its one task at a time, its conversation and bookmarks, its open questions.
//!
//! Submissions are dealt with in the order they came. One that has to wait until the running task has ended (new
//! input, new settings) waits with everything behind it; so the outcome does not depend on how fast a task ends.

mod closing;
mod crash;
mod effect;
mod input;
mod memory;
mod ops;
mod questions;
mod replies;
mod running;
mod stored;
mod waiting;

pub use self::{
    effect::{Effect, SessionEnd},
    input::Input,
    memory::{Closing, Memory, Point, Record},
    stored::{OpenedThread, WhichThread},
};
use self::{running::Running, stored::Opening};
use super::{
    approval::{Approvals, CallKey, Question},
    deadline::Deadlines,
    gate::Origin,
    restart::RestartBudget,
    settings::{Defaults, Settings},
};
use crate::{
    ids::{CallId, SessionId, SubmissionId, TaskId},
    local_files::FromDisk,
    wire::{
        event::{AbortReason, EventMsg},
        submission::{BadSubmission, Submission},
    },
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Approval(CallKey),
    Sweep,
    Rest,
}

/// The rules of one session.
#[derive(Debug)]
pub struct Session {
    id: SessionId,
    defaults: Arc<Defaults>,
    memory: Memory,
    running: Option<Running>,
    waiting: VecDeque<Result<Submission, BadSubmission>>,
    /// For submissions that were not dealt with yet.
    from_disk: HashMap<SubmissionId, FromDisk>,
    approvals: Approvals,
    executor_restarts: RestartBudget,
    calls_lost: bool,
    deadlines: Deadlines<Due>,
    over: bool,
    seed: u64,
    opening: Option<Opening>,
    /// For the `session_configured` that comes next.
    initial_messages: Option<Vec<EventMsg>>,
    rests_after: Option<Duration>,
}

impl Session {
    /// A session that waits for [`Input::Begin`]: a new one with an empty memory, or one that died and is to go on.
    /// `seed` spreads retries; anything.
    #[must_use]
    pub fn new(id: SessionId, defaults: Arc<Defaults>, memory: Memory, seed: u64) -> Self {
        Self {
            id: memory.thread.clone().unwrap_or(id),
            defaults,
            memory,
            running: None,
            waiting: VecDeque::new(),
            from_disk: HashMap::new(),
            approvals: Approvals::default(),
            executor_restarts: RestartBudget::default(),
            calls_lost: false,
            deadlines: Deadlines::default(),
            over: false,
            seed,
            opening: None,
            initial_messages: None,
            rests_after: None,
        }
    }

    /// A session that rests in its journal when nobody has wanted anything of it for so long.
    #[must_use]
    pub fn resting_after(self, idle: Option<Duration>) -> Self {
        Self { rests_after: idle, ..self }
    }

    /// Whether it is over: then nothing it is told matters.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// How many submissions wait for the running task to end.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The open questions, oldest first.
    #[must_use]
    pub fn approvals(&self) -> &Approvals {
        &self.approvals
    }

    /// The calls that wait for a person, with the submission of their task.
    #[must_use]
    pub fn open_calls(&self) -> Vec<(SubmissionId, CallId)> {
        self.approvals.list().map(|(id, question)| (id.clone(), question.request.call_id().clone())).collect()
    }

    /// What the next task runs under, once the session is configured.
    #[must_use]
    pub fn settings_in_force(&self) -> Option<&Settings> {
        self.memory.settings.as_ref()
    }

    /// The task that runs.
    #[must_use]
    pub fn running_task(&self) -> Option<TaskId> {
        self.running.as_ref().map(|r| r.task)
    }

    /// When a `Tick` is due; ask again after every `apply`.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Takes what happened, says what to do, in that order.
    #[must_use]
    pub fn apply(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        let mut out = Vec::new();
        if self.over {
            return out;
        }
        match input {
            Input::Begin => self.begin(&mut out),
            Input::FilesRead(id, files) => {
                self.from_disk.entry(id).or_default().add(files);
                return out;
            }
            Input::Submit(submission) => self.take(submission, &mut out),
            Input::NoMoreInput => self.no_more_input(&mut out),
            Input::Leave => self.leave(&mut out),
            Input::Ask { task, question } if self.works_on(task) => self.ask(question, now, &mut out),
            Input::Bookmark { task, bookmark } => self.bookmarked(task, bookmark),
            Input::TaskEnded { task, end } if self.running_task() == Some(task) => self.task_ended(end, &mut out),
            Input::TaskCrashed { task, why } if self.running_task() == Some(task) => {
                self.task_crashed(why, now, &mut out);
            }
            Input::ExecutorCrashed { why } => self.executor_crashed(&why, now, &mut out),
            Input::Swept => self.swept(&mut out),
            Input::ThreadOpened(opened) => self.thread_opened(opened, &mut out),
            Input::JournalFailed => self.stop_task(AbortReason::Interrupted, &mut out),
            Input::Tick => self.tick(now, &mut out),
            _ => {}
        }
        self.remember_waiting(&mut out);
        self.close_if_done(&mut out);
        self.watch_idleness(now);
        out
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Effect>) {
        while let Some(due) = self.deadlines.take_passed(now) {
            match due {
                Due::Approval(call) => self.deny(call, "nobody answered in time", out),
                Due::Sweep => {
                    let msg = EventMsg::warning("gave up waiting for the session's commands to end");
                    out.push(Effect::Publish { origin: Origin::Session, id: SubmissionId::default(), msg });
                    self.swept(out);
                }
                Due::Rest => self.rest(out),
            }
        }
    }

    fn record(&mut self, record: Record, out: &mut Vec<Effect>) {
        self.memory.fold(record.clone());
        out.push(Effect::Record(record));
    }
}

/// A number that differs from task to task.
fn seed_of(seed: u64, task: TaskId) -> u64 {
    seed.wrapping_add(task.0.wrapping_mul(1_000_003))
}

#[cfg(test)]
mod tests;
