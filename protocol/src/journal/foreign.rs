//! Files of other engines have events without ids, numbers and task boundaries; a UI gets all three.

use crate::{
    ids::SubmissionId,
    wire::{
        event::{Event, EventMsg},
        usage::TokenUsage,
    },
};

/// Events of another engine's file, made complete.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    tasks: u64,
    open: bool,
    seq: u64,
    last_message: Option<String>,
    used: TokenUsage,
}

impl Foreign {
    /// One more event. Each message of the user begins a task.
    pub(super) fn event(&mut self, msg: EventMsg, events: &mut Vec<Event>) {
        match &msg {
            EventMsg::UserMessage { .. } => self.begin(events),
            EventMsg::AgentMessage { message, .. } => self.last_message = Some(message.clone()),
            EventMsg::TokenCount { info: Some(info), .. } => self.used = info.total_token_usage,
            EventMsg::TaskStarted { .. } | EventMsg::TaskComplete { .. } => return,
            _ => {}
        }
        let aborted = match &msg {
            EventMsg::TurnAborted { reason } => Some(EventMsg::error(reason.as_str())),
            _ => None,
        };
        self.push(msg, events);
        if let Some(error) = aborted.filter(|_| self.open) {
            self.push(error, events);
            self.open = false;
        }
    }

    /// Closes the last task.
    pub(super) fn end(&mut self, events: &mut Vec<Event>) {
        if self.open {
            let last_agent_message = self.last_message.take();
            self.push(EventMsg::TaskComplete { last_agent_message }, events);
            self.open = false;
        }
    }

    /// How many tasks there were.
    pub(super) fn tasks(&self) -> u64 {
        self.tasks
    }

    /// Tokens used.
    pub(super) fn used(&self) -> TokenUsage {
        self.used
    }

    /// The ids that the tasks were given.
    pub(super) fn names(&self) -> impl Iterator<Item = SubmissionId> + use<> {
        (1..=self.tasks).map(name)
    }

    fn begin(&mut self, events: &mut Vec<Event>) {
        self.end(events);
        self.tasks += 1;
        self.open = true;
        self.push(EventMsg::TaskStarted { model_context_window: None }, events);
    }

    fn push(&mut self, msg: EventMsg, events: &mut Vec<Event>) {
        self.seq += 1;
        let id = if self.open { name(self.tasks) } else { SubmissionId::default() };
        events.push(Event { id, seq: self.seq, msg });
    }
}

fn name(task: u64) -> SubmissionId {
    SubmissionId::from(format!("before-{task}"))
}
