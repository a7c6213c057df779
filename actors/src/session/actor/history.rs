//! What the user typed, in all sessions: added to and looked up, away from the arbiter.

use super::Session;
use crate::outbox::Publish;
use actix::{AsyncContext, Context, WrapFuture};
use llmx_protocol::{ids::SubmissionId, machine::gate::Origin, wire::event::EventMsg};

impl Session {
    pub(super) fn add_to_history(&self, id: SubmissionId, text: String, context: &mut Context<Self>) {
        let Some(history) = self.parts.history.clone() else {
            return;
        };
        let (session, outbox) = (self.parts.id.clone(), self.parts.family.outbox.clone());
        let credit = self.answering.clone();
        let adding = async move {
            let added = tokio::task::spawn_blocking(move || history.add(&session, &text)).await;
            if let Ok(Err(error)) = added {
                let msgs = vec![EventMsg::error(format!("the message history cannot be written: {error}"))];
                outbox.do_send(Publish { origin: Origin::Session, id, msgs, credit });
            }
        };
        context.spawn(adding.into_actor(self));
    }

    pub(super) fn look_up_history(&self, id: SubmissionId, offset: usize, log_id: u64, context: &mut Context<Self>) {
        let (history, outbox) = (self.parts.history.clone(), self.parts.family.outbox.clone());
        let credit = self.answering.clone();
        let looking = async move {
            let found = tokio::task::spawn_blocking(move || history?.entry(log_id, offset)).await;
            let msgs = vec![EventMsg::GetHistoryEntryResponse { offset, log_id, entry: found.ok().flatten() }];
            outbox.do_send(Publish { origin: Origin::Session, id, msgs, credit });
        };
        context.spawn(looking.into_actor(self));
    }
}
