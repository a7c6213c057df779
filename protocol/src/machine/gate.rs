//! What may still be said of a task: nothing before it starts, nothing after its terminal event. One that died before
//! it could start has its terminal events only: its submission must not go without an answer.
//!
//! The machines keep this order by themselves. The gate stands behind them, at the one place that every event passes,
//! for what no machine can see: an actor that dies between its last words and its report, mail that crosses a restart.

use crate::{ids::TaskId, wire::event::EventMsg};

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The session, of itself or in answer to a submission.
    Session,
    /// A task, or someone who speaks for it.
    Task(TaskId),
}

/// Lets a session's events pass, or not.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    open: Option<TaskId>,
    last: TaskId,
}

impl Gate {
    /// The gate after this task has ended.
    #[must_use]
    pub fn after(last: TaskId) -> Self {
        Self { open: None, last }
    }

    /// Whether `msg` may go out now.
    #[must_use]
    pub fn admits(&mut self, origin: Origin, msg: &EventMsg) -> bool {
        let Origin::Task(task) = origin else {
            return true;
        };
        if self.open.is_none() && task > self.last {
            return self.admits_first(task, msg);
        }
        if self.open != Some(task) || matches!(msg, EventMsg::TaskStarted { .. }) {
            return false;
        }
        if msg.ends_a_task() {
            self.open = None;
        }
        true
    }

    /// Of a task that was not heard of: its beginning, or that it has ended without one.
    fn admits_first(&mut self, task: TaskId, msg: &EventMsg) -> bool {
        match msg {
            EventMsg::TurnAborted { .. } => return true,
            EventMsg::TaskStarted { .. } => self.open = Some(task),
            EventMsg::Error { .. } => {}
            _ => return false,
        }
        self.last = task;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::event::AbortReason;

    fn check(script: &str, expected: &str) {
        let mut gate = Gate::default();
        let mut admitted = Vec::new();
        for word in script.split_whitespace() {
            let (verb, task) = word.split_once(':').unwrap_or((word, ""));
            let origin = task.parse().map_or(Origin::Session, |n| Origin::Task(TaskId(n)));
            let msg = match verb {
                "start" => EventMsg::TaskStarted { model_context_window: None },
                "say" => EventMsg::warning("x"),
                "done" => EventMsg::TaskComplete { last_agent_message: None },
                "fail" => EventMsg::error("x"),
                "abort" => EventMsg::TurnAborted { reason: AbortReason::Interrupted },
                other => panic!("unknown word {other}"),
            };
            if gate.admits(origin, &msg) {
                admitted.push(word);
            }
        }
        assert_eq!(admitted.join(" "), expected, "script: {script}");
    }

    #[test]
    fn nothing_follows_a_terminal_event() {
        check("start:1 say:1 done:1 say:1 fail:1", "start:1 say:1 done:1");
        check("start:1 fail:1 done:1 start:2 say:1 say:2", "start:1 fail:1 start:2 say:2");
        check("say:1 start:1 start:1 start:2 done:1 start:1", "start:1 done:1");
        check("fail say start:3 fail done:3", "fail say start:3 fail done:3");
    }

    #[test]
    fn a_task_that_never_started_has_its_terminal_events_once() {
        check("fail:1 fail:1 start:1 say:1", "fail:1");
        check("start:1 fail:2 done:1 fail:2 start:3", "start:1 done:1 fail:2 start:3");
        check("say:1 done:1 fail:1", "fail:1");
        check("abort:1 fail:1 abort:1 start:1", "abort:1 fail:1");
    }
}
