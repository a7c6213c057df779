//! Crashes: the actor dies over its next mail.

use super::{World, model::Stream};
use crate::{script::Who, trace::Seen};
use llmx_protocol::model::failure::Failure;

impl World {
    pub(super) fn crash(&mut self, who: Who) {
        match who {
            Who::ModelStream => self.crash_stream(),
            Who::Turn => {
                if let Some(turn) = self.turns.iter().rfind(|t| !t.doomed).map(|t| t.turn) {
                    self.note(Seen::Crash(who));
                    self.turn_is_gone(turn);
                }
            }
            Who::Task => {
                if let Some(task) = self.tasks.iter().rfind(|t| !t.doomed).map(|t| t.task) {
                    self.note(Seen::Crash(who));
                    self.task_is_gone(task);
                }
            }
            // It is started with the first task.
            Who::Executor if self.session.as_ref().is_none_or(|s| s.task.is_none()) => {}
            Who::Executor => {
                if let Some(i) = self.executors.iter().rposition(|e| !e.doomed) {
                    self.note(Seen::Crash(who));
                    self.executor_is_gone(i);
                }
            }
            Who::Session => self.session_died("panic".into()),
        }
    }

    pub(super) fn crash_stream(&mut self) {
        let speaks = |s: &Stream| !s.exited;
        if let Some(i) = self.streams.iter().rposition(speaks) {
            self.note(Seen::Crash(Who::ModelStream));
            self.stream_exits(i, Err(Failure::cut("the model stream crashed")));
        }
    }
}
