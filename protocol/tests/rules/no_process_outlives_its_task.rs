//! When a task says that it is over, nothing that it started lives. Where that cannot be had, it is said.

use crate::{
    script::{any_script, calm_script, script_of_crashing_executors},
    trace::{Seen, TaskRun},
    world,
};
use llmx_protocol::wire::event::EventMsg;
use proptest::prelude::*;
use std::collections::HashSet;

proptest! {
    // Two commands and a crash between them are not common.
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn no_process_outlives_its_task(script in any_script()) {
        let trace = world::run(&script);
        for task in trace.tasks() {
            let Some(at) = task.terminal_at() else { continue };
            let living = living(&trace.seen[..task.at + at], &task);
            prop_assert!(living.is_empty() || says_so(&task.seen[..=at]), "{living:?} of {:?} live", task.task);
        }
    }

    #[test]
    fn nothing_is_started_for_a_task_that_is_over(script in any_script()) {
        let trace = world::run(&script);
        for task in trace.tasks() {
            let Some(at) = task.terminal_at() else { continue };
            let late = trace.seen[task.at + at..].iter().find(|s| is_of(s, &task));
            prop_assert!(late.is_none(), "{late:?}");
        }
    }

    #[test]
    fn a_process_is_of_a_call_that_was_started(script in any_script()) {
        let mut started = HashSet::new();
        for seen in &world::run(&script).seen {
            match seen {
                Seen::Starts { task, call, .. } => prop_assert!(started.insert((*task, *call)), "{call:?} again"),
                Seen::ProcessLives { task, call, .. } => prop_assert!(started.remove(&(*task, *call)), "{call:?}"),
                _ => {}
            }
        }
    }

    #[test]
    fn nobody_is_given_up_on_who_does_as_he_is_told(script in calm_script()) {
        let trace = world::run(&script);
        let gave_up = trace.seen.iter().find(|s| says_so(std::slice::from_ref(s)));
        prop_assert!(gave_up.is_none(), "{gave_up:?}");
    }

    #[test]
    fn a_dead_executor_leaves_nothing_behind(script in script_of_crashing_executors()) {
        let trace = world::run(&script);
        let gave_up = trace.seen.iter().find(|s| says_so(std::slice::from_ref(s)));
        prop_assert!(gave_up.is_none(), "{gave_up:?}");
        for task in trace.tasks() {
            let Some(at) = task.terminal_at() else { continue };
            let living = living(&trace.seen[..task.at + at], &task);
            prop_assert!(living.is_empty(), "{living:?} of {:?} live", task.task);
        }
    }

    #[test]
    fn in_the_end_nothing_lives(script in any_script()) {
        let trace = world::run(&script);
        let task_waits = trace.close.task_runs;
        prop_assert!(task_waits || trace.close.processes == 0, "{} processes", trace.close.processes);
    }
}

fn living(seen: &[Seen], task: &TaskRun<'_>) -> HashSet<usize> {
    let mut living = HashSet::new();
    for seen in seen {
        match seen {
            Seen::ProcessLives { process, .. } if is_of(seen, task) => {
                living.insert(*process);
            }
            Seen::ProcessDies { process } => {
                living.remove(process);
            }
            _ => {}
        }
    }
    living
}

fn is_of(seen: &Seen, task: &TaskRun<'_>) -> bool {
    matches!(seen, Seen::ProcessLives { task: of, .. } if *of == task.task)
}

pub(crate) fn says_so(seen: &[Seen]) -> bool {
    let says = |text: &str| text.contains("gave up waiting") || text.contains("may still run");
    seen.iter().any(|seen| match seen {
        Seen::Event(event) => match &event.msg {
            EventMsg::Warning { message } | EventMsg::Error { message } => says(message),
            _ => false,
        },
        // The supervisor says it in its log.
        Seen::Rebuilt { in_time } => !in_time,
        _ => false,
    })
}
