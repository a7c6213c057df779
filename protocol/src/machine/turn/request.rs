//! The request: sent, heard, and sent again where its answer is lost.

use super::{Due, Effect, Outcome, Phase, Response, Turn, publish};
use crate::{
    ids::Attempt,
    machine::retry::unbearable_wait,
    model::{
        event::ModelEvent,
        failure::{Failure, FailureKind},
    },
    wire::{event::EventMsg, usage::TokenUsageInfo},
};
use std::time::Instant;

impl Turn {
    pub(super) fn listens_to(&self, attempt: Attempt) -> bool {
        self.phase == Phase::Asking && attempt == self.attempt
    }

    pub(super) fn ask_model(&mut self, out: &mut Vec<Effect>) {
        self.attempt = self.attempt.next();
        self.response = Response::new(&self.start, self.attempt);
        self.phase = Phase::Asking;
        self.model_open = true;
        out.push(Effect::OpenModel { attempt: self.attempt, in_full: self.in_full });
    }

    pub(super) fn model_said(&mut self, event: ModelEvent, now: Instant, out: &mut Vec<Effect>) {
        let completed = matches!(event, ModelEvent::Completed { .. });
        publish(self.response.apply(event), out);
        if completed {
            self.act(now, out);
        }
    }

    pub(super) fn model_ended(&mut self, how: Result<(), Failure>, now: Instant, out: &mut Vec<Effect>) {
        self.model_open = false;
        match (self.phase, how) {
            (Phase::Asking, Err(failure)) => self.retry(&failure, now, out),
            (Phase::Asking, Ok(())) => self.retry(&Failure::cut("the stream ended early"), now, out),
            (Phase::Stopping, _) => self.finish_if_stopped(out),
            _ => {}
        }
    }

    pub(super) fn retry(&mut self, failure: &Failure, now: Instant, out: &mut Vec<Effect>) {
        if failure.kind == FailureKind::PreviousResponseNotFound && !self.in_full && self.start.history_is_whole {
            self.in_full = true;
            self.take_back_shown(format!("Sending the whole conversation: {}", failure.message), out);
            return self.ask_model(out);
        }
        let Some(retry) = self.retries.spend(failure, self.response.answered()) else {
            return self.finish(final_outcome(failure), out);
        };
        if failure.kind == FailureKind::Dropped && retry.after.is_zero() {
            return self.ask_model(out);
        }
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

    /// What the server said of usage and limits, if it said anything.
    pub(super) fn token_count(&mut self) -> Option<EventMsg> {
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
