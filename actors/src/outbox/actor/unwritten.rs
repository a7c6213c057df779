//! What a thread says while its journal cannot be written: that, in place of what it would have said.

use super::Outbox;
use crate::outbox::{Events, JournalFailed, scribe::Batch};
use actix::WeakRecipient;
use llmx_protocol::{ids::SubmissionId, machine::gate::Origin, wire::event::EventMsg};
use std::sync::Arc;

impl Outbox {
    pub(super) fn failure(&self) -> Option<String> {
        let why = self.scribe.as_ref()?.failed()?;
        Some(format!("the thread cannot be written: {why}"))
    }

    /// While nothing can be written: what goes out says so.
    pub(super) fn publish_failure(&mut self, origin: Origin, id: &SubmissionId, msgs: &[EventMsg], why: &str) {
        for msg in msgs {
            let msg = match (origin, msg) {
                (Origin::Task(_), msg) if msg.ends_a_task() => EventMsg::error(why),
                (Origin::Task(_), _) => continue,
                (Origin::Session, EventMsg::Error { .. } | EventMsg::Warning { .. } | EventMsg::ShutdownComplete) => {
                    msg.clone()
                }
                (Origin::Session, _) => EventMsg::error(why),
            };
            if !self.gate.admits(origin, &msg) {
                continue;
            }
            self.seq += 1;
            if let Some(scribe) = &mut self.scribe {
                scribe.owe(id, self.seq, &msg);
            }
            let events = Arc::new(Events::new(id.clone(), self.seq, vec![msg]));
            self.deliver(&events, None);
        }
    }

    /// As if what could not be written had not been said.
    pub(super) fn not_written(&mut self, lost: Vec<Batch>) {
        tracing::error!(thread = %self.parts.thread, why = self.failure(), "journal cannot be written");
        if let Some(first) = lost.first() {
            self.gate = first.gate.clone();
            self.seq = first.seq;
        }
        let why = self.failure().unwrap_or_default();
        for held in lost.into_iter().flat_map(|batch| batch.held) {
            let msgs: Vec<_> = held.events.iter().map(|(_, msg)| msg.clone()).collect();
            self.publish_failure(held.origin, held.events.id(), &msgs, &why);
        }
        if let Some(session) = self.session.as_ref().and_then(WeakRecipient::upgrade) {
            session.do_send(JournalFailed);
        }
    }
}
