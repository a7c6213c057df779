//! Tasks follow one another: each begins after the last one's terminal event, and has one of its own.

use crate::{
    script::any_script,
    trace::{Seen, What},
    world,
};
use llmx_protocol::wire::event::EventMsg;
use proptest::prelude::*;
use std::collections::HashSet;

proptest! {
    #[test]
    fn at_most_one_task_and_one_terminal_event(script in any_script()) {
        let trace = world::run(&script);
        let names = trace.task_names();
        let distinct: HashSet<_> = names.iter().collect();
        prop_assert_eq!(distinct.len(), names.len(), "two tasks of one name");
        let mut open = None;
        for event in trace.events() {
            match &event.msg {
                EventMsg::TaskStarted { .. } => {
                    prop_assert_eq!(&open, &None, "{:?} starts", event.id);
                    open = Some(event.id.clone());
                }
                msg if msg.ends_a_task() && open.as_ref() == Some(&event.id) => open = None,
                EventMsg::TaskComplete { .. } => prop_assert!(false, "{event:?} ends no task"),
                _ => {}
            }
        }
        for task in trace.tasks() {
            let starts = task.events().filter(|m| matches!(m, EventMsg::TaskStarted { .. })).count();
            let ends = task.events().filter(|m| m.ends_a_task()).count();
            prop_assert!(starts <= 1 && ends <= 1, "{:?} starts {starts} times, ends {ends} times", task.submission);
        }
    }

    #[test]
    fn a_session_is_not_configured_while_a_task_runs(script in any_script()) {
        let mut running = None;
        for event in world::run(&script).events() {
            match &event.msg {
                EventMsg::TaskStarted { .. } => running = Some(event.id.clone()),
                EventMsg::SessionConfigured(_) => prop_assert_eq!(&running, &None),
                msg if msg.ends_a_task() && running.as_ref() == Some(&event.id) => running = None,
                _ => {}
            }
        }
    }

    #[test]
    fn a_task_starts_when_the_last_one_has_ended(script in any_script()) {
        let trace = world::run(&script);
        let tasks = trace.tasks();
        for (task, next) in tasks.iter().zip(tasks.iter().skip(1)) {
            prop_assert!(task.terminal_at().is_some(), "{:?} starts before {:?} has ended", next.task, task.task);
        }
    }

    #[test]
    fn one_command_runs_at_a_time(script in any_script()) {
        let mut living = HashSet::new();
        for seen in &world::run(&script).seen {
            match seen {
                Seen::Starts { what, .. } => prop_assert!(*what != What::Nothing, "a command without words"),
                Seen::ProcessLives { process, .. } => {
                    living.insert(*process);
                }
                Seen::ProcessDies { process } => {
                    living.remove(process);
                }
                // A dead actor's command may still be dying, and one that was given up on may live for ever.
                Seen::Crash(_) => return Ok(()),
                Seen::Event(e) if matches!(&e.msg, EventMsg::Warning { message } if message.contains("gave up")) => {
                    return Ok(());
                }
                _ => {}
            }
            prop_assert!(living.len() <= 1);
        }
    }
}
