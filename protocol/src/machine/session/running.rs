//! The task that runs: how it is told to stop, what it reports, and what was said to it too late.

use super::{Effect, Record, Session};
use crate::{
    ids::{SubmissionId, TaskId},
    machine::task::{Bookmark, TaskEnd},
    wire::event::AbortReason,
};

#[derive(Debug)]
pub(super) struct Running {
    pub(super) task: TaskId,
    pub(super) submission: SubmissionId,
    pub(super) stopping: Option<AbortReason>,
    /// The submissions that steered it, and are not known to be part of its conversation.
    pub(super) unheard: Vec<SubmissionId>,
    /// The task died of this; its commands first, then its terminal event.
    pub(super) crashed: Option<String>,
}

impl Session {
    pub(super) fn works_on(&self, task: TaskId) -> bool {
        self.running.as_ref().is_some_and(|r| r.task == task && r.stopping.is_none() && r.crashed.is_none())
    }

    pub(super) fn stop_task(&mut self, reason: AbortReason, out: &mut Vec<Effect>) {
        let Some(running) = self.running.as_mut().filter(|r| r.stopping.is_none()) else {
            return;
        };
        running.stopping = Some(reason);
        self.approvals.close_task(running.task);
        if running.crashed.is_none() {
            out.push(Effect::StopTask(reason));
        }
    }

    pub(super) fn bookmarked(&mut self, task: TaskId, bookmark: Bookmark) {
        if let Some(running) = self.running.as_mut().filter(|running| running.task == task) {
            running.unheard.retain(|id| !bookmark.heard.contains(id));
        }
        self.memory.fold(Record::Bookmark(task, bookmark));
    }

    pub(super) fn task_ended(&mut self, end: TaskEnd, out: &mut Vec<Effect>) {
        let Some(running) = self.running.take() else {
            return;
        };
        self.approvals.close_task(running.task);
        self.refuse_unheard(&running, out);
        self.record(Record::TaskEnded { history: end.history, next_turn: end.next_turn, used: end.used }, out);
        self.serve_waiting(out);
    }

    pub(super) fn refuse_unheard(&self, running: &Running, out: &mut Vec<Effect>) {
        for id in &running.unheard {
            self.answer_error(id, format!("task `{}` was over before it heard this", running.submission), out);
        }
    }
}
