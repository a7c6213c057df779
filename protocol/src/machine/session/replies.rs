//! What a session says in its own name: what it was configured to be, and why a submission is refused.

use super::{Effect, Session};
use crate::{
    ids::SubmissionId,
    machine::{
        approval,
        gate::Origin,
        settings::{Enforcement, Settings},
    },
    wire::event::{EventMsg, SessionConfigured},
};

impl Session {
    pub(super) fn publish_configured(&self, out: &mut Vec<Effect>) {
        let Some(settings) = &self.memory.settings else {
            return;
        };
        let mut say = |msg| {
            let id = self.outside_tasks(&self.memory.configured_by);
            out.push(Effect::Publish { origin: Origin::Session, id, msg });
        };
        say(EventMsg::SessionConfigured(SessionConfigured {
            session_id: self.id.clone(),
            model: settings.model.clone(),
            reasoning_effort: settings.effort,
            history_log_id: 0,
            history_entry_count: 0,
            initial_messages: self.initial_messages.clone(),
            rollout_path: None,
        }));
        for text in self.defaults.notices.iter().cloned().chain(enforcement_notice(settings)) {
            say(EventMsg::warning(text));
        }
    }

    pub(super) fn answer_error(&self, id: &SubmissionId, message: impl Into<String>, out: &mut Vec<Effect>) {
        let id = self.outside_tasks(id);
        out.push(Effect::Publish { origin: Origin::Session, id, msg: EventMsg::error(message) });
    }

    /// The id under which the session speaks of a submission. Under the id of a task it would read as that task's word,
    /// and an `error` as its end, so there it is the empty id.
    pub(super) fn outside_tasks(&self, id: &SubmissionId) -> SubmissionId {
        if self.memory.names_a_task(id) { SubmissionId::default() } else { id.clone() }
    }

    pub(super) fn publish_notices(&mut self, out: &mut Vec<Effect>) {
        for text in std::mem::take(&mut self.memory.notices) {
            let (origin, id) = (Origin::Session, SubmissionId::default());
            out.push(Effect::Publish { origin, id, msg: EventMsg::warning(text) });
        }
    }
}

fn enforcement_notice(settings: &Settings) -> Option<String> {
    let mode = settings.sandbox_policy.mode();
    if let Some(why) = approval::unenforceable(&settings.enforcement, &settings.sandbox_policy) {
        return Some(format!("commands will be refused: sandbox policy {mode} cannot be enforced: {why}"));
    }
    match &settings.enforcement {
        Enforcement::Degraded { why, .. } if !settings.sandbox_policy.is_unrestricted() => {
            Some(format!("sandbox policy {mode} is enforced in part only (degraded): {why}"))
        }
        _ => None,
    }
}
