//! When a task that was ended early says that it is over, the model is not speaking to it any more. Where that cannot be
//! had, it is said. (An answer that is whole has nothing more to say; its connection is not waited for.)

use crate::{
    no_process_outlives_its_task::says_so,
    script::calm_script,
    trace::{Seen, Trace},
    world,
};
use llmx_protocol::{
    ids::{Attempt, TaskId, TurnId},
    wire::event::EventMsg,
};
use proptest::prelude::*;
use std::collections::HashSet;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn no_connection_outlives_an_aborted_task(script in calm_script()) {
        let trace = world::run(&script);
        for task in trace.tasks() {
            let Some(at) = task.terminal_at() else { continue };
            if !was_aborted(&task.seen[..at]) || says_so(&task.seen[..=at]) {
                continue;
            }
            let open = open_at(&trace, task.at + at, task.task);
            prop_assert!(open.is_empty(), "{open:?} of {:?} are open", task.task);
        }
    }
}

fn was_aborted(seen: &[Seen]) -> bool {
    seen.iter().any(|s| matches!(s, Seen::Event(event) if matches!(event.msg, EventMsg::TurnAborted { .. })))
}

/// The connections of a task over which the model may yet speak.
fn open_at(trace: &Trace, end: usize, of: TaskId) -> HashSet<(TurnId, Attempt)> {
    let mut open = HashSet::new();
    for seen in &trace.seen[..end] {
        match seen {
            Seen::Request(request) if request.task == of => {
                open.insert((request.turn, request.attempt));
            }
            Seen::ConnectionCloses { turn, attempt } | Seen::Completed { turn, attempt, .. } => {
                open.remove(&(*turn, *attempt));
            }
            _ => {}
        }
    }
    open
}
