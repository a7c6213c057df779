//! The turns of a thread, from the events that were kept of it.

use super::{Said, Surface};
use crate::{
    ids::{ItemId, SessionId, SubmissionId},
    wire::{
        event::{Event, EventMsg},
        item::{AgentContent, TurnItem, UserInput},
        rpc::{
            Millis, ServerNotification,
            item::ThreadItem,
            turn::{ItemsView, Turn, TurnStatus},
        },
    },
};

/// What stands for a time that no event says.
const UNKNOWN: Millis = 0;

/// The turns with all their items, oldest first. `time` knows when the event of a number was written; where it does not,
/// neither do the turns and items. Files of other engines name no turns: there, each message of the user begins one.
#[must_use]
pub fn turns(thread: &SessionId, events: &[Event], time: impl Fn(u64) -> Option<Millis>) -> Vec<Turn> {
    let mut history = History { surface: Surface::new(thread.clone()), turns: Vec::new() };
    let mut said = Vec::new();
    for event in events {
        let now = time(event.seq).unwrap_or(UNKNOWN);
        history.surface.apply(&event.id, &event.msg, now, &mut said);
        let told = said.drain(..).map(|said| history.take(said)).filter(|told| *told).count();
        if told == 0 && history.surface.running().is_none() {
            history.guess(&event.msg);
        }
    }
    history.turns
}

struct History {
    surface: Surface,
    turns: Vec<Turn>,
}

impl History {
    /// Whether it belongs to a turn.
    fn take(&mut self, said: Said) -> bool {
        match said {
            Said::Notify(ServerNotification::TurnStarted(started)) => {
                let started_at = known(started.turn.started_at);
                self.turns.push(Turn { started_at, items_view: ItemsView::Full, ..started.turn });
                true
            }
            Said::Notify(ServerNotification::ItemCompleted(completed)) => {
                if let Some(turn) = self.turns.last_mut() {
                    turn.items.push(with_known_times(completed.item));
                }
                true
            }
            Said::Notify(ServerNotification::TurnCompleted(completed)) => {
                if let Some(turn) = self.turns.last_mut().filter(|turn| turn.id == completed.turn.id) {
                    turn.status = completed.turn.status;
                    turn.error = completed.turn.error;
                    turn.completed_at = known(completed.turn.completed_at);
                    let is_known = turn.started_at.is_some() && turn.completed_at.is_some();
                    turn.duration_ms = completed.turn.duration_ms.filter(|_| is_known);
                }
                true
            }
            _ => false,
        }
    }

    /// Outside of turns that were named.
    fn guess(&mut self, msg: &EventMsg) {
        let number = self.turns.len() + 1;
        match msg {
            EventMsg::UserMessage { message, .. } => {
                let content = vec![UserInput::Text { text: message.clone() }];
                let item = TurnItem::UserMessage { id: item_id(number, 0), content };
                let id = SubmissionId::from(format!("turn_{number}"));
                self.turns.push(Turn {
                    items: vec![super::items::thread_item(&item, None, None)],
                    items_view: ItemsView::Full,
                    status: TurnStatus::Completed,
                    ..Turn::asked(id)
                });
            }
            EventMsg::AgentMessage { message, item_id: None } => {
                let Some(turn) = self.turns.last_mut() else {
                    return;
                };
                let content = vec![AgentContent::Text { text: message.clone() }];
                let item = TurnItem::AgentMessage { id: item_id(number - 1, turn.items.len()), content };
                turn.items.push(super::items::thread_item(&item, None, None));
            }
            EventMsg::TurnAborted { .. } => {
                if let Some(turn) = self.turns.last_mut() {
                    turn.status = TurnStatus::Interrupted;
                }
            }
            _ => {}
        }
    }
}

fn item_id(turn: usize, item: usize) -> ItemId {
    ItemId::from(format!("item_{turn}_{item}"))
}

fn known(time: Option<i64>) -> Option<i64> {
    time.filter(|time| *time != UNKNOWN)
}

fn with_known_times(mut item: ThreadItem) -> ThreadItem {
    match &mut item {
        ThreadItem::UserMessage { started_at_ms, completed_at_ms, .. }
        | ThreadItem::AgentMessage { started_at_ms, completed_at_ms, .. }
        | ThreadItem::Reasoning { started_at_ms, completed_at_ms, .. }
        | ThreadItem::CommandExecution { started_at_ms, completed_at_ms, .. }
        | ThreadItem::FileChange { started_at_ms, completed_at_ms, .. }
        | ThreadItem::ContextCompaction { started_at_ms, completed_at_ms, .. }
        | ThreadItem::WebSearch { started_at_ms, completed_at_ms, .. } => {
            (*started_at_ms, *completed_at_ms) = (known(*started_at_ms), known(*completed_at_ms));
        }
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(events: serde_json::Value, expected: &str) {
        let events: Vec<Event> = serde_json::from_value(events).unwrap();
        let shown: Vec<_> = turns(&"t".into(), &events, |_| None).iter().map(shown).collect();
        assert_eq!(shown.join(" | "), expected);
    }

    fn shown(turn: &Turn) -> String {
        let item = |item: &ThreadItem| match item {
            ThreadItem::UserMessage { content, .. } => format!("user:{}", content.len()),
            ThreadItem::AgentMessage { text, .. } => format!("agent:{text}"),
            ThreadItem::CommandExecution { exit_code, .. } => format!("command:{exit_code:?}"),
            _ => "other".into(),
        };
        let items: Vec<_> = turn.items.iter().map(item).collect();
        format!("{} {:?} {}", turn.id, turn.status, items.join(" "))
    }

    #[test]
    fn turns_that_were_named_have_their_items() {
        let item =
            |item: serde_json::Value| json!({"type": "item_completed", "thread_id": "t", "turn_id": "u", "item": item});
        let event = |msg: serde_json::Value| json!({"id": "u", "seq": 1, "msg": msg});
        let user = item(json!({"UserMessage": {"id": "i", "content": [{"type": "text", "text": "hi"}]}}));
        let agent = item(json!({"AgentMessage": {"id": "j", "content": [{"Text": {"text": "yes"}}]}}));
        check(
            json!([
                event(json!({"type": "task_started", "model_context_window": null})),
                event(user),
                event(json!({"type": "user_message", "message": "hi"})),
                event(agent),
                event(json!({"type": "agent_message", "message": "yes", "item_id": "j"})),
                event(json!({"type": "turn_complete", "response_id": "r"})),
                event(json!({"type": "task_complete", "last_agent_message": "yes"})),
                event(json!({"type": "task_started", "model_context_window": null})),
                event(json!({"type": "turn_aborted", "reason": "interrupted"})),
                event(json!({"type": "error", "message": "interrupted"})),
            ]),
            "u Completed user:1 agent:yes | u Interrupted ",
        );
    }

    #[test]
    fn turns_took_the_time_that_their_events_say() {
        let event = |seq: u64, msg: serde_json::Value| json!({"id": "u", "seq": seq, "msg": msg});
        let item = json!({"UserMessage": {"id": "i", "content": [{"type": "text", "text": "hi"}]}});
        let item = json!({"type": "item_completed", "thread_id": "t", "turn_id": "u", "item": item});
        let events: Vec<Event> = serde_json::from_value(json!([
            event(1, json!({"type": "task_started", "model_context_window": null})),
            event(2, item),
            event(3, json!({"type": "task_complete", "last_agent_message": null})),
        ]))
        .unwrap();
        let times = |time: &dyn Fn(u64) -> Option<Millis>| {
            let [turn] = turns(&"t".into(), &events, time).try_into().unwrap();
            let ThreadItem::UserMessage { completed_at_ms, .. } = &turn.items[0] else { panic!("{turn:?}") };
            (turn.started_at, turn.completed_at, turn.duration_ms, *completed_at_ms)
        };
        let seconds = |seq: u64| Some(Millis::try_from(seq).unwrap() * 1500);
        assert_eq!(times(&seconds), (Some(1), Some(4), Some(3000), Some(3000)));
        assert_eq!(times(&|seq| seconds(seq).filter(|_| seq > 1)), (None, Some(4), None, Some(3000)));
        assert_eq!(times(&|_| None), (None, None, None, None));
    }

    #[test]
    fn turns_of_other_engines_are_guessed() {
        let event = |msg: serde_json::Value| json!({"id": "", "seq": 1, "msg": msg});
        check(
            json!([
                event(json!({"type": "agent_message", "message": "lost"})),
                event(json!({"type": "user_message", "message": "hi"})),
                event(json!({"type": "agent_message", "message": "yes"})),
                event(json!({"type": "user_message", "message": "more"})),
                event(json!({"type": "turn_aborted", "reason": "interrupted"})),
            ]),
            "turn_1 Completed user:1 agent:yes | turn_2 Interrupted user:1",
        );
    }
}
