//! A UI can take back what an attempt showed that was tried again, and nothing else; the conversation forgets it too.

use crate::{
    script::script_of_lost_models,
    trace::{Seen, TaskRun, shown_item},
    world,
};
use llmx_protocol::{ids::ItemId, model::item::ItemBody, wire::event::EventMsg};
use proptest::prelude::*;
use std::collections::HashSet;

proptest! {
    // A stop seldom falls into the pause before a further try.
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn superseded_marks_exactly_what_a_dead_attempt_showed(script in script_of_lost_models()) {
        for task in world::run(&script).tasks() {
            let mut shown: HashSet<&ItemId> = HashSet::new();
            let mut taken_back: HashSet<&ItemId> = HashSet::new();
            let mut asked = None;
            for seen in task.seen {
                if let Seen::Request(request) = seen {
                    let again = asked == Some(request.turn);
                    prop_assert!(!again || shown.is_empty(), "{shown:?} are void and were not taken back");
                    shown.clear();
                    asked = Some(request.turn);
                } else if let Some(EventMsg::StreamError { superseded, .. }) = seen.msg() {
                    prop_assert_eq!(&superseded.iter().collect::<HashSet<_>>(), &shown);
                    taken_back.extend(shown.drain());
                } else if let Some(item) = seen.msg().and_then(shown_item) {
                    prop_assert!(!taken_back.contains(item), "{item:?} comes back");
                    shown.insert(item);
                }
            }
        }
    }

    #[test]
    fn what_was_taken_back_is_forgotten(script in script_of_lost_models()) {
        let trace = world::run(&script);
        let void: HashSet<String> = trace.tasks().iter().flat_map(void_texts).collect();
        for request in trace.requests() {
            for item in &request.whole {
                if let ItemBody::Message { role, text } = item.body() {
                    prop_assert!(role != "assistant" || !void.contains(text), "{text:?} was taken back");
                }
            }
        }
    }
}

/// The messages that were whole and then taken back. Each answer of this model has words of its own.
fn void_texts(task: &TaskRun<'_>) -> Vec<String> {
    let mut void = Vec::new();
    for seen in task.seen {
        if let Some(EventMsg::StreamError { superseded, .. }) = seen.msg() {
            let text = |msg: &EventMsg| match msg {
                EventMsg::AgentMessage { message, item_id: Some(id) } if superseded.contains(id) => {
                    Some(message.clone())
                }
                _ => None,
            };
            void.extend(task.events().filter_map(text));
        }
    }
    void
}
