//! What a task says carries the id of the user input that started it, and is said while it runs.

use crate::{script::any_script, trace::Seen, world};
use llmx_protocol::wire::{event::EventMsg, op::Op};
use proptest::prelude::*;

proptest! {
    #[test]
    fn events_carry_the_id_of_their_task(script in any_script()) {
        let trace = world::run(&script);
        let mut running = None;
        for event in trace.events() {
            if matches!(event.msg, EventMsg::TaskStarted { .. }) {
                running = Some(&event.id);
            }
            if is_of_a_task(&event.msg) {
                let never_started = matches!(event.msg, EventMsg::TurnAborted { .. }) && running.is_none();
                prop_assert!(never_started || running == Some(&event.id), "{event:?} while {running:?} runs");
            }
            if let EventMsg::ItemStarted(item) | EventMsg::ItemCompleted(item) = &event.msg {
                prop_assert_eq!((&item.turn_id, item.thread_id.as_str()), (&event.id, "thread"));
            }
            if event.msg.ends_a_task() && running == Some(&event.id) {
                running = None;
            }
        }
    }

    #[test]
    fn a_task_is_named_after_what_the_ui_asked(script in any_script()) {
        let trace = world::run(&script);
        for task in trace.tasks() {
            let starts_it = |seen: &Seen| match seen {
                Seen::Taken(Ok(s)) => {
                    s.id == *task.submission && matches!(s.op, Op::UserInput { .. } | Op::UserTurn(_) | Op::Compact)
                }
                _ => false,
            };
            prop_assert!(trace.seen[..task.at].iter().any(starts_it), "{:?} was never asked for", task.submission);
        }
    }
}

fn is_of_a_task(msg: &EventMsg) -> bool {
    !matches!(
        msg,
        EventMsg::Error { .. } | EventMsg::Warning { .. } | EventMsg::SessionConfigured(_) | EventMsg::ShutdownComplete
    )
}
