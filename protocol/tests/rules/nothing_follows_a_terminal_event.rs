//! After `task_complete` or `error` nothing carries the task's id: not from the task, not from what it left behind,
//! not as the answer to some other line of that id.

use crate::{
    script::{Step, any_script},
    trace::Seen,
    world,
};
use proptest::prelude::*;

proptest! {
    // Last words that come too late are rare.
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn nothing_follows_a_terminal_event(script in any_script()) {
        let trace = world::run(&script);
        for task in trace.tasks() {
            let Some(at) = task.terminal_at() else { continue };
            let after = &trace.seen[task.at + at + 1..];
            let more = after.iter().filter_map(Seen::event).find(|e| e.id == *task.submission);
            prop_assert_eq!(more, None);
        }
    }

    #[test]
    fn where_nothing_crashes_the_gate_has_nothing_to_hold_back(mut script in any_script()) {
        // A task does not wait for ever for a turn that does not read its mail.
        script.steps.retain(|s| !matches!(s, Step::Stall(_)));
        script.afterwards.retain(|s| !matches!(s, Step::Stall(_)));
        let trace = world::run(&script);
        let crashed = trace.seen.iter().any(|s| matches!(s, Seen::Crash(_)));
        let held = trace.seen.iter().find(|s| matches!(s, Seen::HeldBack(..)));
        prop_assert!(crashed || held.is_none(), "{held:?}");
    }

    #[test]
    fn the_gate_holds_back_what_comes_after_the_end(script in any_script()) {
        let trace = world::run(&script);
        let tasks = trace.tasks();
        for (at, seen) in trace.seen.iter().enumerate() {
            if let Seen::HeldBack(of, msg) = seen {
                let over = tasks.iter().find(|t| t.task == *of).and_then(|t| Some(t.at + t.terminal_at()?));
                prop_assert!(over.is_some_and(|over| over < at), "{msg:?} of {of:?}");
            }
        }
    }
}
