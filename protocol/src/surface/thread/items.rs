//! Items: each is said when it begins and when it is whole.

use super::{Said, Surface};
use crate::{
    ids::ItemId,
    surface::items,
    wire::{
        event::ItemEvent,
        item::TurnItem,
        rpc::{
            Millis, ServerNotification,
            item::ThreadItem,
            turn::{ItemCompletedNotification, ItemStartedNotification},
        },
    },
};

impl Surface {
    pub(super) fn item_started(&mut self, ItemEvent { item, .. }: &ItemEvent, now: Millis, out: &mut Vec<Said>) {
        if let Some(turn) = &mut self.turn {
            turn.began.insert(id_of(item).clone(), now);
            turn.summary_index = 0;
        }
        self.start_item(items::thread_item(item, Some(now), None), now, out);
    }

    pub(super) fn item_completed(&mut self, ItemEvent { item, .. }: &ItemEvent, now: Millis, out: &mut Vec<Said>) {
        let Some(turn) = &mut self.turn else {
            return;
        };
        let began = turn.began.remove(id_of(item));
        let item = items::thread_item(item, began, Some(now));
        if matches!(item, ThreadItem::AgentMessage { .. }) {
            turn.last_message = Some(item.clone());
        }
        self.complete_item(item, now, out);
    }

    pub(super) fn start_item(&self, item: ThreadItem, now: Millis, out: &mut Vec<Said>) {
        let Some(turn) = &self.turn else {
            return;
        };
        out.push(Said::Notify(ServerNotification::ItemStarted(Box::new(ItemStartedNotification {
            item,
            thread_id: self.thread.clone(),
            turn_id: turn.id.clone(),
            started_at_ms: now,
        }))));
    }

    pub(super) fn complete_item(&self, item: ThreadItem, now: Millis, out: &mut Vec<Said>) {
        let Some(turn) = &self.turn else {
            return;
        };
        out.push(Said::Notify(ServerNotification::ItemCompleted(Box::new(ItemCompletedNotification {
            item,
            thread_id: self.thread.clone(),
            turn_id: turn.id.clone(),
            content_token_count: (),
            completed_at_ms: now,
        }))));
    }
}

fn id_of(item: &TurnItem) -> &ItemId {
    match item {
        TurnItem::UserMessage { id, .. }
        | TurnItem::AgentMessage { id, .. }
        | TurnItem::Reasoning { id, .. }
        | TurnItem::WebSearch { id, .. } => id,
    }
}
