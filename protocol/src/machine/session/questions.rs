//! Questions to a person: asked, or answered by what was approved before, and denied where nobody can answer.

use super::{Closing, Due, Effect, Session};
use crate::{
    machine::{
        approval::{Answer, CallKey, Question},
        gate::Origin,
    },
    wire::event::EventMsg,
};
use std::time::Instant;

impl Session {
    pub(super) fn ask(&mut self, question: Question, now: Instant, out: &mut Vec<Effect>) {
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

    pub(super) fn deny(&mut self, call: CallKey, why: &str, out: &mut Vec<Effect>) {
        if self.approvals.close(call)
            && let Some(running) = &self.running
        {
            let msg = EventMsg::warning(format!("approval denied: {why}"));
            out.push(Effect::Publish { origin: Origin::Task(running.task), id: running.submission.clone(), msg });
            out.push(Effect::Answer(call, Answer::Denied));
        }
    }
}
