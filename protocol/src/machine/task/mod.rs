//! One task: turns, until one leaves nothing to feed back. Its events begin with `task_started` and end with exactly
//! one of `task_complete` and `error`.
//!
//! Where the conversation has outgrown its limit a turn that sums it up comes first; see `summary`.

mod effect;
mod input;
mod steering;
mod summary;

use self::summary::Summing;
pub use self::{
    effect::{Effect, TaskEnd},
    input::Input,
    steering::{Bookmark, Steering},
};
use super::{
    deadline::Deadlines,
    retry::RetryPolicy,
    settings::Settings,
    turn::{Outcome, Purpose, STOP_DEADLINE, TurnEnd, TurnStart},
};
use crate::{
    history::History,
    ids::{ResponseId, SessionId, SubmissionId, TaskId, TurnId},
    patch::TurnDiff,
    wire::{
        event::{AbortReason, EventMsg},
        item::UserInput,
        usage::TokenUsage,
    },
};
use std::{sync::Arc, time::Instant};

/// What a task starts from.
#[derive(Clone, Debug)]
pub struct TaskStart {
    /// The task.
    pub task: TaskId,
    /// The submission that started it.
    pub submission: SubmissionId,
    /// Its session.
    pub session: SessionId,
    /// What it runs under.
    pub settings: Arc<Settings>,
    /// The conversation, with the new input at its end.
    pub history: History,
    /// What it is to do.
    pub work: Work,
    /// The number of its first turn.
    pub first_turn: TurnId,
    /// Tokens that the session used before.
    pub used: TokenUsage,
    /// Spreads retries; anything.
    pub seed: u64,
}

/// What a task is to do.
#[derive(Clone, Debug)]
pub enum Work {
    /// Answer this input, which is the last addition to the history.
    Answer(Vec<UserInput>),
    /// Sum the conversation up.
    Compact,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Turning,
    /// The turn died: its commands first, then the terminal event with this text.
    Sweeping(String),
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Stop,
    Sweep,
}

/// The rules of one task.
#[derive(Debug)]
pub struct Task {
    start: TaskStart,
    phase: Phase,
    turn: TurnId,
    history: History,
    used: TokenUsage,
    /// The turn that runs sums the conversation up.
    summing: Option<Summing>,
    /// Nothing was asked since the conversation was summed up.
    just_compacted: bool,
    /// What the patches have done so far.
    diff: Arc<TurnDiff>,
    stop: Option<AbortReason>,
    /// What the user said meanwhile, and the model was not told yet.
    unheard: Vec<Steering>,
    /// How many times it was steered.
    steered: usize,
    deadlines: Deadlines<Due>,
}

impl Task {
    /// A task that waits for [`Input::Begin`].
    #[must_use]
    pub fn new(start: TaskStart) -> Self {
        Self {
            phase: Phase::Idle,
            turn: start.first_turn,
            history: start.history.clone(),
            used: start.used,
            summing: None,
            just_compacted: false,
            diff: Arc::default(),
            stop: None,
            unheard: Vec::new(),
            steered: 0,
            deadlines: Deadlines::default(),
            start,
        }
    }

    /// Whether it is over: then nothing it is told matters.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
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
        match (&self.phase, input) {
            (Phase::Over, _) => {}
            (Phase::Idle, Input::Begin) => self.begin(&mut out),
            (Phase::Turning, Input::TurnEnded { turn, end }) if turn == self.turn => self.turn_ended(end, &mut out),
            (Phase::Turning, Input::TurnCrashed { turn, why }) if turn == self.turn => {
                self.sweep(format!("internal error: the turn crashed: {why}"), now, &mut out);
            }
            (Phase::Turning, Input::Stop(reason)) if self.stop.is_none() => {
                self.stop = Some(reason);
                // The turn has a deadline of its own; this one is for a turn that does not answer at all.
                self.deadlines.set(Due::Stop, now + 2 * STOP_DEADLINE);
                out.push(Effect::StopTurn);
            }
            (_, Input::Steer(steering)) => self.steer(steering, &mut out),
            (Phase::Sweeping(why), Input::Swept) => {
                let why = why.clone();
                self.fail(why, &mut out);
            }
            (Phase::Idle, Input::Stop(reason)) => self.stop = Some(reason),
            (_, Input::Stop(reason)) => self.stop = self.stop.or(Some(reason)),
            (_, Input::Tick) => self.tick(now, &mut out),
            _ => {}
        }
        out
    }

    fn begin(&mut self, out: &mut Vec<Effect>) {
        let window = self.start.settings.window();
        self.phase = Phase::Turning;
        out.push(Effect::Publish(EventMsg::TaskStarted { model_context_window: window }));
        if let Work::Answer(input) = &self.start.work {
            self.show_input(format!("item_{}_user", self.start.task), input, out);
        }
        match self.stop {
            Some(_) => self.end(out),
            None => self.ask(out),
        }
    }

    /// The next request, after a summary where one is due.
    fn ask(&mut self, out: &mut Vec<Effect>) {
        if self.is_to_be_summed_up() {
            self.sum_up(out);
        } else {
            self.start_turn(Purpose::Work, &self.history.clone(), out);
        }
    }

    fn start_turn(&mut self, purpose: Purpose, history: &History, out: &mut Vec<Effect>) {
        let settings = &self.start.settings;
        let start = TurnStart {
            turn: self.turn,
            session: self.start.session.clone(),
            submission: self.start.submission.clone(),
            settings: settings.clone(),
            purpose,
            retry: RetryPolicy {
                request_max: settings.provider.request_max_retries,
                stream_max: settings.provider.stream_max_retries,
                seed: self.start.seed.wrapping_add(self.turn.0),
            },
            used: self.used,
            diff: self.diff.clone(),
            history_is_whole: history.is_whole(),
        };
        out.push(Effect::StartTurn(Box::new(start), history.prompt(settings.stored_responses)));
    }

    fn turn_ended(&mut self, end: TurnEnd, out: &mut Vec<Effect>) {
        self.deadlines.clear(Due::Stop);
        self.used = end.used;
        self.diff = end.diff.clone();
        match self.summing.take() {
            Some(summing) => self.summed_up(summing, end, out),
            None => self.answered(end, out),
        }
    }

    fn answered(&mut self, end: TurnEnd, out: &mut Vec<Effect>) {
        let feeds_back = !end.outputs.is_empty();
        let stored_as = end.response_id.clone().filter(|_| self.start.settings.stored_responses);
        let feeds_back = feeds_back || !self.unheard.is_empty();
        self.history = self.history.with_counted(end.said, stored_as, end.context_tokens).with(end.outputs, None);
        match end.outcome {
            Outcome::Failed(message) => self.fail(message, out),
            Outcome::Overflowed(message) => self.overflowed(message, out),
            Outcome::Stopped if self.stop.is_none() => {
                // The UI is not told of this place, but what the user said must not be forgotten with a crash.
                self.hear_and_bookmark(self.own_bookmark(), out);
                self.next_turn(out);
            }
            Outcome::Stopped => self.end(out),
            Outcome::Completed => {
                self.just_compacted = self.just_compacted && self.over_limit().is_some();
                self.turn_completed(end.response_id, out);
                match (self.stop, feeds_back) {
                    (Some(_), _) => self.end(out),
                    (None, true) => self.next_turn(out),
                    (None, false) => {
                        let done = EventMsg::TaskComplete { last_agent_message: end.last_message };
                        self.finish(vec![done], out);
                    }
                }
            }
        }
    }

    fn next_turn(&mut self, out: &mut Vec<Effect>) {
        self.turn = self.turn.next();
        self.ask(out);
    }

    fn turn_completed(&mut self, response_id: Option<ResponseId>, out: &mut Vec<Effect>) {
        let id = response_id.unwrap_or_else(|| self.own_bookmark());
        self.hear_and_bookmark(id.clone(), out);
        out.push(Effect::Publish(EventMsg::TurnComplete { response_id: Some(id) }));
    }

    fn sweep(&mut self, why: String, now: Instant, out: &mut Vec<Effect>) {
        self.phase = Phase::Sweeping(why);
        self.deadlines.clear(Due::Stop);
        self.deadlines.set(Due::Sweep, now + STOP_DEADLINE);
        out.push(Effect::Sweep);
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Effect>) {
        while let Some(due) = self.deadlines.take_passed(now) {
            match (due, &self.phase) {
                (Due::Stop, _) => self.sweep("internal error: the turn did not stop".into(), now, out),
                (Due::Sweep, Phase::Sweeping(why)) => {
                    let why = format!("{why}; its commands may still run");
                    self.fail(why, out);
                }
                (Due::Sweep, _) => {}
            }
        }
    }

    /// The terminal events of a task that was told to stop.
    fn end(&mut self, out: &mut Vec<Effect>) {
        let reason = self.stop.unwrap_or(AbortReason::Interrupted);
        self.finish(aborted(reason), out);
    }

    /// The terminal event of a task that broke; if it was to stop anyway, it just stopped.
    fn fail(&mut self, message: String, out: &mut Vec<Effect>) {
        match self.stop {
            Some(_) => {
                out.push(Effect::Publish(EventMsg::warning(message)));
                self.end(out);
            }
            None => self.finish(vec![EventMsg::Error { message }], out),
        }
    }

    fn finish(&mut self, last_words: Vec<EventMsg>, out: &mut Vec<Effect>) {
        self.phase = Phase::Over;
        self.deadlines = Deadlines::default();
        if !self.unheard.is_empty() {
            self.hear_and_bookmark(self.own_bookmark(), out);
        }
        out.extend(last_words.into_iter().map(Effect::Publish));
        let (history, next_turn) = (self.history.clone(), self.turn.next());
        out.push(Effect::Finish(TaskEnd { history, next_turn, used: self.used }));
    }
}

/// How a task that was told to stop ends: newer UIs read the first, the user's document has the second.
#[must_use]
pub fn aborted(reason: AbortReason) -> Vec<EventMsg> {
    vec![EventMsg::TurnAborted { reason }, EventMsg::error(reason.as_str())]
}

#[cfg(test)]
mod tests;
