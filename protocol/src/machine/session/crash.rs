//! Actors that died: the session's own, its task's, its executor's. Commands end before anybody is told.

use super::{Due, Effect, Record, Session, SessionEnd};
use crate::{
    machine::{gate::Origin, task::aborted, turn::STOP_DEADLINE},
    wire::event::EventMsg,
};
use std::time::Instant;

impl Session {
    /// A session that died begins where its memory ends: its task is over, what waited for that is refused, its
    /// settings stand.
    pub(super) fn begin(&mut self, out: &mut Vec<Effect>) {
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

    pub(super) fn task_crashed(&mut self, why: String, now: Instant, out: &mut Vec<Effect>) {
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

    pub(super) fn swept(&mut self, out: &mut Vec<Effect>) {
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

    pub(super) fn executor_crashed(&mut self, why: &str, now: Instant, out: &mut Vec<Effect>) {
        if self.executor_restarts.spend(now) {
            self.calls_lost = true;
            out.push(Effect::ReplaceExecutor);
            self.sweep(now, out);
        } else {
            self.over = true;
            out.push(Effect::Finish(SessionEnd::Failed(format!("the executor crashes again and again: {why}"))));
        }
    }
}
