//! One session: its settings, its one task at a time, its conversation and bookmarks, its open questions.
//!
//! Submissions are dealt with in the order they came. One that has to wait until the running task has ended (new
//! input, new settings) waits with everything behind it; so the outcome does not depend on how fast a task ends.

mod memory;
mod ops;
mod stored;

use self::stored::Opening;
pub use self::{
    memory::{Closing, Memory, Point, Record},
    stored::{OpenedThread, WhichThread},
};
use super::{
    approval::{self, Answer, Approvals, CallKey, Question},
    deadline::Deadlines,
    gate::Origin,
    restart::RestartBudget,
    settings::{Defaults, Enforcement, Settings},
    task::{Bookmark, Steering, TaskEnd, TaskStart, aborted},
    turn::STOP_DEADLINE,
};
use crate::{
    ids::{CallId, SessionId, SubmissionId, TaskId},
    local_files::FromDisk,
    wire::{
        event::{AbortReason, EventMsg, SessionConfigured},
        submission::{BadSubmission, Submission},
    },
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
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

#[derive(Debug)]
struct Running {
    task: TaskId,
    submission: SubmissionId,
    stopping: Option<AbortReason>,
    /// The submissions that steered it, and are not known to be part of its conversation.
    unheard: Vec<SubmissionId>,
    /// The task died of this; its commands first, then its terminal event.
    crashed: Option<String>,
}

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

    fn remember_waiting(&mut self, out: &mut Vec<Effect>) {
        let unheard = self.running.iter().flat_map(|running| &running.unheard);
        let waiting: Vec<_> = unheard.chain(self.waiting.iter().map(id_of)).cloned().collect();
        self.from_disk.retain(|id, _| waiting.contains(id));
        if waiting != self.memory.waiting {
            self.record(Record::Waiting(waiting), out);
        }
    }

    /// A session that died begins where its memory ends: its task is over, what waited for that is refused, its
    /// settings stand.
    fn begin(&mut self, out: &mut Vec<Effect>) {
        if let Some((task, submission)) = self.memory.running.clone() {
            let msg = EventMsg::error("internal error: the session crashed; its task was ended");
            out.push(Effect::Publish { origin: Origin::Task(task), id: submission, msg });
            self.record(Record::TaskLost, out);
        }
        for id in self.memory.waiting.clone() {
            self.answer_error(
                &id,
                format!(
                    "internal error: the session crashed before it had dealt with submission `{id}`; send it again"
                ),
                out,
            );
        }
        if self.memory.settings.is_some() {
            self.publish_configured(out);
        }
        self.publish_notices(out);
    }

    fn works_on(&self, task: TaskId) -> bool {
        self.running.as_ref().is_some_and(|r| r.task == task && r.stopping.is_none() && r.crashed.is_none())
    }

    /// Deals with a submission, or lets it wait its turn.
    fn take(&mut self, submission: Result<Submission, BadSubmission>, out: &mut Vec<Effect>) {
        if self.must_wait() {
            self.waiting.push_back(submission);
            self.wake(out);
        } else {
            self.submit(submission, out);
        }
    }

    fn must_wait(&self) -> bool {
        !self.waiting.is_empty() || self.memory.resting || self.is_blocked()
    }

    /// Whether whatever comes next has to wait for something.
    fn is_blocked(&self) -> bool {
        self.opening.is_some() || self.running.as_ref().is_some_and(|r| r.stopping.is_some() || r.crashed.is_some())
    }

    fn serve_waiting(&mut self, out: &mut Vec<Effect>) {
        while !self.is_blocked() {
            let Some(next) = self.waiting.pop_front() else {
                return;
            };
            self.submit(next, out);
        }
    }

    fn ask(&mut self, question: Question, now: Instant, out: &mut Vec<Effect>) {
        let Some(running) = &self.running else {
            return;
        };
        let call = question.call;
        if self.approvals.covers(&question) {
            return out.push(Effect::Answer(call, Answer::Approved));
        }
        let (task, id) = (running.task, running.submission.clone());
        let msg = question.request.event();
        out.push(Effect::Publish { origin: Origin::Task(task), id: id.clone(), msg });
        self.approvals.open(task, id, question);
        if self.memory.closing == Some(Closing::WhenIdle) {
            return self.deny(call, "nobody is there to answer", out);
        }
        if let Some(after) = self.defaults.approval_timeout {
            self.deadlines.set(Due::Approval(call), now + after);
        }
    }

    fn deny(&mut self, call: CallKey, why: &str, out: &mut Vec<Effect>) {
        if self.approvals.close(call)
            && let Some(running) = &self.running
        {
            let msg = EventMsg::warning(format!("approval denied: {why}"));
            out.push(Effect::Publish { origin: Origin::Task(running.task), id: running.submission.clone(), msg });
            out.push(Effect::Answer(call, Answer::Denied));
        }
    }

    fn stop_task(&mut self, reason: AbortReason, out: &mut Vec<Effect>) {
        let Some(running) = self.running.as_mut().filter(|r| r.stopping.is_none()) else {
            return;
        };
        running.stopping = Some(reason);
        self.approvals.close_task(running.task);
        if running.crashed.is_none() {
            out.push(Effect::StopTask(reason));
        }
    }

    fn bookmarked(&mut self, task: TaskId, bookmark: Bookmark) {
        if let Some(running) = self.running.as_mut().filter(|running| running.task == task) {
            running.unheard.retain(|id| !bookmark.heard.contains(id));
        }
        self.memory.fold(Record::Bookmark(task, bookmark));
    }

    fn task_ended(&mut self, end: TaskEnd, out: &mut Vec<Effect>) {
        let Some(running) = self.running.take() else {
            return;
        };
        self.approvals.close_task(running.task);
        self.refuse_unheard(&running, out);
        self.record(Record::TaskEnded { history: end.history, next_turn: end.next_turn, used: end.used }, out);
        self.serve_waiting(out);
    }

    fn refuse_unheard(&self, running: &Running, out: &mut Vec<Effect>) {
        for id in &running.unheard {
            self.answer_error(id, format!("task `{}` was over before it heard this", running.submission), out);
        }
    }

    fn task_crashed(&mut self, why: String, now: Instant, out: &mut Vec<Effect>) {
        if let Some(running) = self.running.as_mut().filter(|r| r.crashed.is_none()) {
            running.crashed = Some(why);
            self.approvals.close_task(running.task);
            self.sweep(now, out);
        }
    }

    fn sweep(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.deadlines.set(Due::Sweep, now + STOP_DEADLINE);
        out.push(Effect::Sweep);
    }

    fn swept(&mut self, out: &mut Vec<Effect>) {
        self.deadlines.clear(Due::Sweep);
        if std::mem::take(&mut self.calls_lost) {
            out.push(Effect::CallsLost);
        }
        let Some(running) = self.running.take_if(|r| r.crashed.is_some()) else {
            return;
        };
        let last_words = match running.stopping {
            Some(reason) => aborted(reason),
            None => {
                let why = running.crashed.as_deref().unwrap_or_default();
                vec![EventMsg::error(format!("internal error: the task crashed: {why}"))]
            }
        };
        for msg in last_words {
            out.push(Effect::Publish { origin: Origin::Task(running.task), id: running.submission.clone(), msg });
        }
        self.refuse_unheard(&running, out);
        self.record(Record::TaskLost, out);
        self.serve_waiting(out);
    }

    fn executor_crashed(&mut self, why: &str, now: Instant, out: &mut Vec<Effect>) {
        if self.executor_restarts.spend(now) {
            self.calls_lost = true;
            out.push(Effect::ReplaceExecutor);
            self.sweep(now, out);
        } else {
            self.over = true;
            out.push(Effect::Finish(SessionEnd::Failed(format!("the executor crashes again and again: {why}"))));
        }
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

    fn no_more_input(&mut self, out: &mut Vec<Effect>) {
        if self.memory.closing.is_some() {
            return;
        }
        self.record(Record::Closing(Closing::WhenIdle), out);
        let open: Vec<_> = self.approvals.list().map(|(_, q)| q.call).collect();
        for call in open {
            self.deny(call, "nobody is there to answer", out);
        }
    }

    fn leave(&mut self, out: &mut Vec<Effect>) {
        if !matches!(self.memory.closing, Some(Closing::Shutdown(_))) {
            self.record(Record::Closing(Closing::Now), out);
        }
        self.stop_task(AbortReason::Interrupted, out);
    }

    fn close_if_done(&mut self, out: &mut Vec<Effect>) {
        if self.over || self.running.is_some() || self.opening.is_some() {
            return;
        }
        match self.memory.closing.clone() {
            None => return,
            Some(Closing::WhenIdle) => {}
            Some(Closing::Now) => self.refuse_waiting(out),
            Some(Closing::Shutdown(id)) => {
                self.refuse_waiting(out);
                let id = self.outside_tasks(&id);
                out.push(Effect::Publish { origin: Origin::Session, id, msg: EventMsg::ShutdownComplete });
            }
        }
        self.over = true;
        out.push(Effect::Finish(SessionEnd::Closed));
    }

    fn refuse_waiting(&mut self, out: &mut Vec<Effect>) {
        for submission in std::mem::take(&mut self.waiting) {
            self.answer_error(id_of(&submission), "the session is closing", out);
        }
    }

    fn publish_configured(&self, out: &mut Vec<Effect>) {
        let Some(settings) = &self.memory.settings else {
            return;
        };
        let mut say = |msg| {
            let id = self.outside_tasks(&self.memory.configured_by);
            out.push(Effect::Publish { origin: Origin::Session, id, msg });
        };
        say(EventMsg::SessionConfigured(SessionConfigured {
            session_id: self.id.clone(),
            model: settings.model.clone(),
            reasoning_effort: settings.effort,
            history_log_id: 0,
            history_entry_count: 0,
            initial_messages: self.initial_messages.clone(),
            rollout_path: None,
        }));
        for text in self.defaults.notices.iter().cloned().chain(enforcement_notice(settings)) {
            say(EventMsg::warning(text));
        }
    }

    fn record(&mut self, record: Record, out: &mut Vec<Effect>) {
        self.memory.fold(record.clone());
        out.push(Effect::Record(record));
    }

    fn answer_error(&self, id: &SubmissionId, message: impl Into<String>, out: &mut Vec<Effect>) {
        let id = self.outside_tasks(id);
        out.push(Effect::Publish { origin: Origin::Session, id, msg: EventMsg::error(message) });
    }

    /// The id under which the session speaks of a submission. Under the id of a task it would read as that task's word,
    /// and an `error` as its end, so there it is the empty id.
    fn outside_tasks(&self, id: &SubmissionId) -> SubmissionId {
        if self.memory.names_a_task(id) { SubmissionId::default() } else { id.clone() }
    }
}

fn id_of(submission: &Result<Submission, BadSubmission>) -> &SubmissionId {
    submission.as_ref().map_or_else(|bad| &bad.id, |s| &s.id)
}

fn enforcement_notice(settings: &Settings) -> Option<String> {
    let mode = settings.sandbox_policy.mode();
    if let Some(why) = approval::unenforceable(&settings.enforcement, &settings.sandbox_policy) {
        return Some(format!("commands will be refused: sandbox policy {mode} cannot be enforced: {why}"));
    }
    match &settings.enforcement {
        Enforcement::Degraded { why, .. } if !settings.sandbox_policy.is_unrestricted() => {
            Some(format!("sandbox policy {mode} is enforced in part only (degraded): {why}"))
        }
        _ => None,
    }
}

/// A number that differs from task to task.
fn seed_of(seed: u64, task: TaskId) -> u64 {
    seed.wrapping_add(task.0.wrapping_mul(1_000_003))
}

#[cfg(test)]
mod tests;
