//! One turn: a request to the model, its answer, and then the tools that the answer asks for.
//!
//! ```text
//! Idle ─Begin─▶ Asking ─Completed─▶ Acting ─all calls settled─▶ Over(Completed)
//!                │   ▲                │
//!        failure │   │ Tick           │ Stop
//!                ▼   │                ▼
//!             BackingOff ─Stop─▶   Stopping ─model closed, calls ended, or deadline─▶ Over(Stopped)
//! ```

mod calls;
mod effect;
mod input;
mod request;
mod response;
mod work;

use self::{calls::Calls, response::Response};
pub use self::{
    effect::{Effect, Outcome, TurnEnd},
    input::Input,
    work::{CallEnd, Inspected, StartCall, Work},
};
use super::{
    approval::CallKey,
    deadline::Deadlines,
    retry::{Retries, RetryPolicy},
    settings::Settings,
};
use crate::{
    ids::{Attempt, SessionId, SubmissionId, TurnId},
    patch::TurnDiff,
    wire::{event::EventMsg, usage::TokenUsage},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a stop may wait for a connection to close and processes to die before the turn ends without them.
pub const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// What a turn starts from.
#[derive(Clone, Debug)]
pub struct TurnStart {
    /// The turn.
    pub turn: TurnId,
    /// Its session.
    pub session: SessionId,
    /// The submission that started its task.
    pub submission: SubmissionId,
    /// What it runs under.
    pub settings: Arc<Settings>,
    /// What its answer is for.
    pub purpose: Purpose,
    /// How often a lost request is tried again.
    pub retry: RetryPolicy,
    /// Tokens that the session used before.
    pub used: TokenUsage,
    /// What the task's patches have done so far.
    pub diff: Arc<TurnDiff>,
    /// Whether the conversation can be sent in full, should the server have forgotten its part of it.
    pub history_is_whole: bool,
}

/// What a turn's answer is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// The user.
    #[default]
    Work,
    /// The conversation: it is a summary, which the UI is not shown, and whose calls do not run.
    Summary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Asking,
    BackingOff,
    Acting,
    Stopping,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Retry,
    CallTimeout(CallKey),
    /// A command that was told to die should be dead.
    KillOverdue(CallKey),
    Stop,
}

/// The rules of one turn.
#[derive(Debug)]
pub struct Turn {
    start: TurnStart,
    phase: Phase,
    retries: Retries,
    attempt: Attempt,
    /// Whether a connection of this turn may still be open.
    model_open: bool,
    in_full: bool,
    response: Response,
    calls: Calls,
    deadlines: Deadlines<Due>,
}

impl Turn {
    /// A turn that waits for [`Input::Begin`].
    #[must_use]
    pub fn new(start: TurnStart) -> Self {
        Self {
            phase: Phase::Idle,
            retries: Retries::new(start.retry),
            attempt: Attempt(0),
            model_open: false,
            in_full: false,
            response: Response::default(),
            calls: Calls::new(start.turn, start.settings.clone(), start.diff.clone()),
            deadlines: Deadlines::default(),
            start,
        }
    }

    /// Whether it is over: then nothing it is told matters.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// The try whose stream is open or came last.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        self.attempt
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
        if self.is_over() {
            return out;
        }
        match input {
            Input::Begin if self.phase == Phase::Idle => self.ask_model(&mut out),
            Input::Model { attempt, event } if self.listens_to(attempt) => self.model_said(event, now, &mut out),
            Input::ModelEnded { attempt, how } if attempt == self.attempt && self.model_open => {
                self.model_ended(how, now, &mut out);
            }
            Input::Answered { call, answer } if self.phase == Phase::Acting => {
                out.extend(self.calls.answered(call, answer));
                self.advance(now, &mut out);
            }
            Input::CallOutput { call, stream, chunk } => publish(self.calls.wrote(call, stream, &chunk), &mut out),
            Input::CallEnded { call, end, duration } => self.call_ended(call, end, duration, now, &mut out),
            Input::ExecutorReplaced => self.calls.executor_replaced(),
            Input::CallsLost => {
                if let Some((call, since)) = self.calls.orphaned() {
                    self.call_ended(call, CallEnd::Lost, now.duration_since(since), now, &mut out);
                }
            }
            Input::Yield if matches!(self.phase, Phase::Asking | Phase::BackingOff) => self.stop(now, &mut out),
            Input::Stop => self.stop(now, &mut out),
            Input::Tick => self.tick(now, &mut out),
            _ => {}
        }
        out
    }

    /// The response is whole: now, and not before, its tools run.
    fn act(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.phase = Phase::Acting;
        publish(self.token_count(), out);
        if self.start.purpose == Purpose::Summary {
            return self.finish(Outcome::Completed, out);
        }
        for item in self.response.items() {
            if self.response.is_incomplete() {
                self.calls.refuse(item);
            } else {
                out.extend(self.calls.add(item));
            }
        }
        self.advance(now, out);
    }

    /// Starts what may start, one call at a time; ends the turn when every call has its output.
    fn advance(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if let Some(started) = self.calls.start_next(now) {
            self.deadlines.set(Due::CallTimeout(started.call.call), now + started.timeout);
            publish(started.begin, out);
            out.push(Effect::StartCall(started.call));
        }
        if self.phase == Phase::Acting && self.calls.all_settled() {
            self.finish(Outcome::Completed, out);
        }
    }

    fn call_ended(&mut self, call: CallKey, end: CallEnd, duration: Duration, now: Instant, out: &mut Vec<Effect>) {
        let Some(ended) = self.calls.ended(call, end, duration) else {
            return;
        };
        self.deadlines.clear(Due::CallTimeout(call));
        self.deadlines.clear(Due::KillOverdue(call));
        out.extend(ended);
        match self.phase {
            Phase::Stopping => self.finish_if_stopped(out),
            _ => self.advance(now, out),
        }
    }

    fn stop(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.phase == Phase::Stopping {
            return;
        }
        if self.phase == Phase::Asking {
            out.push(Effect::CloseModel);
        } else {
            self.model_open = false;
        }
        out.extend(self.calls.abort());
        self.phase = Phase::Stopping;
        self.deadlines = Deadlines::default();
        self.deadlines.set(Due::Stop, now + STOP_DEADLINE);
        self.finish_if_stopped(out);
    }

    fn finish_if_stopped(&mut self, out: &mut Vec<Effect>) {
        if !self.model_open && self.calls.all_settled() {
            self.finish(Outcome::Stopped, out);
        }
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Effect>) {
        while let Some(due) = self.deadlines.take_passed(now) {
            match due {
                Due::Retry => self.ask_model(out),
                Due::CallTimeout(call) => {
                    out.extend(self.calls.time_out(call).then_some(Effect::KillCall(call)));
                    self.deadlines.set(Due::KillOverdue(call), now + STOP_DEADLINE);
                }
                Due::KillOverdue(call) => {
                    publish([gave_up_waiting_for("a command")], out);
                    self.call_ended(call, CallEnd::Lost, STOP_DEADLINE, now, out);
                }
                Due::Stop => {
                    let left = if self.model_open { "the model's connection" } else { "a command" };
                    publish([gave_up_waiting_for(left)], out);
                    self.finish(Outcome::Stopped, out);
                    return;
                }
            }
        }
    }

    fn finish(&mut self, outcome: Outcome, out: &mut Vec<Effect>) {
        self.phase = Phase::Over;
        self.deadlines = Deadlines::default();
        out.push(Effect::Finish(TurnEnd {
            outcome,
            response_id: self.response.id(),
            last_message: self.response.last_message(),
            said: self.response.take_items(),
            outputs: self.calls.outputs(),
            used: self.start.used,
            context_tokens: self.response.usage().map(|usage| usage.total_tokens).filter(|tokens| *tokens > 0),
            diff: self.calls.diff(),
        }));
    }
}

fn publish(events: impl IntoIterator<Item = EventMsg>, out: &mut Vec<Effect>) {
    out.extend(events.into_iter().map(Effect::Publish));
}

fn gave_up_waiting_for(what: &str) -> EventMsg {
    EventMsg::warning(format!("gave up waiting for {what} to end after {} s", STOP_DEADLINE.as_secs()))
}

#[cfg(test)]
mod tests;
