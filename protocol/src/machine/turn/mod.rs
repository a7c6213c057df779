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
mod response;

use self::{calls::Calls, response::Response};
use super::{
    approval::{Answer, CallKey, Confinement, Question},
    deadline::Deadlines,
    retry::{Retries, RetryPolicy, unbearable_wait},
    settings::Settings,
};
use crate::{
    ids::{Attempt, ResponseId, SessionId, SubmissionId, TurnId},
    model::{
        event::ModelEvent,
        failure::{Failure, FailureKind},
        item::ResponseItem,
    },
    patch::{Patch, Plan, TurnDiff},
    wire::{
        event::{EventMsg, ExecOutputStream},
        policy::SandboxPolicy,
        usage::{TokenUsage, TokenUsageInfo},
    },
};
use std::{
    path::PathBuf,
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

/// What can happen to a turn.
#[derive(Clone, Debug)]
pub enum Input {
    /// It may begin.
    Begin,
    /// The model said something.
    Model {
        /// In which try.
        attempt: Attempt,
        /// What.
        event: ModelEvent,
    },
    /// The model's stream is over, by itself or because it was told to close.
    ModelEnded {
        /// Which try.
        attempt: Attempt,
        /// `Err`: it broke.
        how: Result<(), Failure>,
    },
    /// A person (or the session, for a person) answered.
    Answered {
        /// Which call.
        call: CallKey,
        /// What.
        answer: Answer,
    },
    /// A call wrote something.
    CallOutput {
        /// Which call.
        call: CallKey,
        /// Where.
        stream: ExecOutputStream,
        /// What.
        chunk: Vec<u8>,
    },
    /// A call is over and nothing of it lives.
    CallEnded {
        /// Which call.
        call: CallKey,
        /// How.
        end: CallEnd,
        /// How long it ran.
        duration: Duration,
    },
    /// The executor died; commands that start from now on are another's.
    ExecutorReplaced,
    /// What a replaced executor ran is gone.
    CallsLost,
    /// The user has something to say: leave the model, but let the tools that run come to their end.
    Yield,
    /// End now.
    Stop,
    /// A deadline may have passed.
    Tick,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// The files of a patch were looked at; `Err`: it cannot be applied to them, in words for the model.
    Inspected(Result<Inspected, String>),
    /// With this code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It never ran, and why.
    NotStarted(String),
    /// The executor died; its processes with it.
    Lost,
}

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

/// A call to run.
#[derive(Clone, Debug, PartialEq)]
pub struct StartCall {
    /// The call.
    pub call: CallKey,
    /// What is to be done.
    pub work: Work,
    /// How it is confined.
    pub confinement: Confinement,
    /// What it may touch, if it is confined; what is looked at for, if it is not.
    pub sandbox_policy: SandboxPolicy,
    /// The session's directory, a writable root under `workspace-write`. Not that of `work`: the model chooses that.
    pub session_cwd: PathBuf,
}

/// What a call is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Run a command.
    Command {
        /// Its words; not empty.
        command: Vec<String>,
        /// Where; absolute.
        cwd: PathBuf,
    },
    /// Look at the files of a patch and plan it; ends with [`CallEnd::Inspected`].
    Inspect {
        /// The patch.
        patch: Arc<Patch>,
        /// Where its paths start; absolute.
        cwd: PathBuf,
    },
    /// Apply a patch, all of it or nothing. What it says is for the model, exit code 0 says that it is done.
    Apply {
        /// What is to be done.
        plan: Arc<Plan>,
    },
}

/// What a look at the files of a patch found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// What it would do to them.
    pub plan: Arc<Plan>,
    /// The paths that it would write although the session's policy does not let commands write them.
    pub outside: Vec<PathBuf>,
    /// The session's directory without links, as the plan's paths are.
    pub base: PathBuf,
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

    fn listens_to(&self, attempt: Attempt) -> bool {
        self.phase == Phase::Asking && attempt == self.attempt
    }

    fn ask_model(&mut self, out: &mut Vec<Effect>) {
        self.attempt = self.attempt.next();
        self.response = Response::new(&self.start, self.attempt);
        self.phase = Phase::Asking;
        self.model_open = true;
        out.push(Effect::OpenModel { attempt: self.attempt, in_full: self.in_full });
    }

    fn model_said(&mut self, event: ModelEvent, now: Instant, out: &mut Vec<Effect>) {
        let completed = matches!(event, ModelEvent::Completed { .. });
        publish(self.response.apply(event), out);
        if completed {
            self.act(now, out);
        }
    }

    fn model_ended(&mut self, how: Result<(), Failure>, now: Instant, out: &mut Vec<Effect>) {
        self.model_open = false;
        match (self.phase, how) {
            (Phase::Asking, Err(failure)) => self.retry(&failure, now, out),
            (Phase::Asking, Ok(())) => self.retry(&Failure::cut("the stream ended early"), now, out),
            (Phase::Stopping, _) => self.finish_if_stopped(out),
            _ => {}
        }
    }

    fn retry(&mut self, failure: &Failure, now: Instant, out: &mut Vec<Effect>) {
        if failure.kind == FailureKind::PreviousResponseNotFound && !self.in_full && self.start.history_is_whole {
            self.in_full = true;
            self.take_back_shown(format!("Sending the whole conversation: {}", failure.message), out);
            return self.ask_model(out);
        }
        let Some(retry) = self.retries.spend(failure, self.response.answered()) else {
            return self.finish(final_outcome(failure), out);
        };
        let (n, max, wait) = (retry.n, retry.max, retry.after.as_secs_f64());
        let message = format!("Reconnecting... {n}/{max} in {wait:.1} s: {}", failure.message);
        let superseded = self.response.take_shown();
        publish([EventMsg::StreamError { message, superseded }], out);
        self.response = Response::default();
        self.phase = Phase::BackingOff;
        self.deadlines.set(Due::Retry, now + retry.after);
    }

    /// Silent where the UI saw nothing of the lost try: it need not know that there was one.
    fn take_back_shown(&mut self, message: String, out: &mut Vec<Effect>) {
        let superseded = self.response.take_shown();
        if !superseded.is_empty() {
            publish([EventMsg::StreamError { message, superseded }], out);
        }
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

    /// What the server said of usage and limits, if it said anything.
    fn token_count(&mut self) -> Option<EventMsg> {
        let info = self.response.usage().map(|last| {
            self.start.used += last;
            TokenUsageInfo {
                total_token_usage: self.start.used,
                last_token_usage: last,
                model_context_window: self.start.settings.window(),
            }
        });
        let rate_limits = self.response.limits();
        (info.is_some() || rate_limits.is_some()).then_some(EventMsg::TokenCount { info, rate_limits })
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

fn final_outcome(failure: &Failure) -> Outcome {
    match failure.kind {
        FailureKind::ContextOverflow => Outcome::Overflowed(failure.to_string()),
        _ => Outcome::Failed(match unbearable_wait(failure) {
            Some(wait) => format!("{failure}: the server asks to be left alone for {} s", wait.as_secs()),
            None => failure.to_string(),
        }),
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
