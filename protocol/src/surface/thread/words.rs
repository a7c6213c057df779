//! What the model says and thinks, piece by piece.

use super::{Said, Surface};
use crate::{
    ids::ItemId,
    wire::rpc::{
        ServerNotification,
        turn::{
            DeltaNotification, ReasoningSummaryPartAddedNotification, ReasoningSummaryTextDeltaNotification,
            ReasoningTextDeltaNotification,
        },
    },
};

impl Surface {
    pub(super) fn delta(&self, item_id: ItemId, delta: String) -> Option<DeltaNotification> {
        let turn = self.turn.as_ref()?;
        Some(DeltaNotification { thread_id: self.thread.clone(), turn_id: turn.id.clone(), item_id, delta })
    }

    pub(super) fn message_delta(&self, item: &ItemId, delta: &str, out: &mut Vec<Said>) {
        let params = self.delta(item.clone(), delta.to_owned());
        out.extend(params.map(|p| Said::Notify(ServerNotification::AgentMessageDelta(p))));
    }

    pub(super) fn summary_delta(&mut self, item: &ItemId, delta: &str, out: &mut Vec<Said>) {
        let Some(turn) = &mut self.turn else {
            return;
        };
        turn.reasoning = Some(item.clone());
        out.push(Said::Notify(ServerNotification::ReasoningSummaryTextDelta(ReasoningSummaryTextDeltaNotification {
            thread_id: self.thread.clone(),
            turn_id: turn.id.clone(),
            item_id: item.clone(),
            delta: delta.to_owned(),
            summary_index: turn.summary_index,
        })));
    }

    pub(super) fn summary_part(&mut self, out: &mut Vec<Said>) {
        let Some(turn) = &mut self.turn else {
            return;
        };
        let Some(item) = turn.reasoning.clone() else {
            return;
        };
        turn.summary_index += 1;
        out.push(Said::Notify(ServerNotification::ReasoningSummaryPartAdded(ReasoningSummaryPartAddedNotification {
            thread_id: self.thread.clone(),
            turn_id: turn.id.clone(),
            item_id: item,
            summary_index: turn.summary_index,
        })));
    }

    pub(super) fn thought(&self, item: &ItemId, delta: &str, out: &mut Vec<Said>) {
        let Some(turn) = &self.turn else {
            return;
        };
        out.push(Said::Notify(ServerNotification::ReasoningTextDelta(ReasoningTextDeltaNotification {
            thread_id: self.thread.clone(),
            turn_id: turn.id.clone(),
            item_id: item.clone(),
            delta: delta.to_owned(),
            content_index: 0,
        })));
    }
}
