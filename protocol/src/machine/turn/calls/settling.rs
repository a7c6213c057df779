//! Calls end: each gets its output, unless its end is another question to a person.

use super::{
    Call, Calls, Denied, State,
    job::{Application, Job},
    running::{Ending, Running},
};
use crate::{
    machine::{
        approval::{self, CallKey, Question},
        turn::{CallEnd, Effect, Inspected},
    },
    tool::{apply_patch, output},
    wire::event::EventMsg,
};
use std::{mem, sync::Arc, time::Duration};

impl Calls {
    /// Takes in how a call ended, and says what follows from that; `None` if it does not run.
    pub(in crate::machine::turn) fn ended(
        &mut self,
        key: CallKey,
        end: CallEnd,
        duration: Duration,
    ) -> Option<Vec<Effect>> {
        let call = self.get(key)?;
        if !matches!(call.state, State::Running(_)) {
            return None;
        }
        let State::Running(running) = mem::replace(&mut call.state, State::Settled(String::new())) else {
            return None;
        };
        Some(match (&running.job, end) {
            (Job::Inspection(inspection), CallEnd::Inspected(Ok(found))) if running.ending.is_none() => {
                let timeout = inspection.timeout;
                self.inspected(key, found, timeout)
            }
            (_, end) if running.failed_at_the_sandbox(&end, &self.settings) => {
                self.ask_whether_again(key, Denied { was: *running, end, duration, approved: false })
            }
            (_, end) => self.settle(key, &running, &end, duration),
        })
    }

    fn inspected(&mut self, key: CallKey, found: Inspected, timeout: Duration) -> Vec<Effect> {
        if found.plan.is_empty() {
            if let Some(call) = self.get(key) {
                call.state = State::Settled(apply_patch::REJECTED_AS_EMPTY.to_owned());
            }
            return Vec::new();
        }
        let verdict = approval::decide_patch(&self.settings, !found.outside.is_empty());
        self.judged(key, verdict, "apply_patch", |confinement| {
            Job::Application(Application { found, timeout, confinement, asked: false })
        })
    }

    fn ask_whether_again(&mut self, key: CallKey, denied: Denied) -> Vec<Effect> {
        let settings = self.settings.clone();
        let Some(call) = self.get(key) else {
            return Vec::new();
        };
        let question: Option<Question> = denied.was.job.question_whether_again(key, &call.shown, &settings);
        call.state = State::Denied(Box::new(denied));
        question.map(Effect::Ask).into_iter().collect()
    }

    /// What was denied stays as it ended the first time.
    pub(super) fn leave_denied(&mut self, key: CallKey, ending: Option<Ending>) -> Vec<Effect> {
        let Some(call) = self.get(key) else {
            return Vec::new();
        };
        match mem::replace(&mut call.state, State::Settled(String::new())) {
            State::Denied(denied) => {
                let Denied { was, end, duration, .. } = *denied;
                self.settle(key, &Running { ending, ..was }, &end, duration)
            }
            other => {
                call.state = other;
                Vec::new()
            }
        }
    }

    fn settle(&mut self, key: CallKey, was: &Running, end: &CallEnd, duration: Duration) -> Vec<Effect> {
        let form = self.settings.answer_form();
        let text = was.text_for_model(end, duration, form);
        let Some(call) = self.get(key) else {
            return Vec::new();
        };
        let mut events: Vec<_> = was.end_event(&call.shown, end, duration, &text).into_iter().collect();
        call.state = State::Settled(text);
        if let (Job::Application(done), CallEnd::Exited(0)) = (&was.job, end) {
            Arc::make_mut(&mut self.diff).record(&done.found.base, done.found.plan.changes());
            events.push(EventMsg::TurnDiff { unified_diff: self.diff.unified_diff() });
        }
        events.into_iter().map(Effect::Publish).collect()
    }

    /// Marks a running call as out of time; whether it is to be killed for that.
    pub(in crate::machine::turn) fn time_out(&mut self, call: CallKey) -> bool {
        self.end_running(call, Ending::TimedOut)
    }

    /// Settles everything that does not run, and names what must be killed.
    pub(in crate::machine::turn) fn abort(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for index in 0..u32::try_from(self.list.len()).unwrap_or(u32::MAX) {
            let key = CallKey { turn: self.turn, index };
            match self.get(key) {
                Some(Call { state: State::Denied(_), .. }) => {
                    effects.extend(self.leave_denied(key, Some(Ending::Aborted)));
                }
                Some(Call { state: state @ (State::Asked(_) | State::Ready(_)), .. }) => {
                    *state = State::Settled(output::aborted_command(Duration::ZERO));
                }
                _ => {}
            }
        }
        if let Some((call, _)) = self.running() {
            self.end_running(call, Ending::Aborted);
            effects.push(Effect::KillCall(call));
        }
        effects
    }

    fn end_running(&mut self, call: CallKey, ending: Ending) -> bool {
        match self.get(call) {
            Some(Call { state: State::Running(running), .. }) if running.ending.is_none() => {
                running.ending = Some(ending);
                true
            }
            // An abort outranks a timeout that is under way: what the model is told should be what the user did.
            Some(Call { state: State::Running(running), .. }) => {
                running.ending = Some(ending);
                false
            }
            _ => false,
        }
    }
}
