//! What the user says to a task that runs is shown before it asks again. Once it is shown it is in every request, once,
//! and in those of the next task too.

use crate::{
    script::{Who, any_script},
    trace::{Request, Seen, TaskRun, Trace, says, text_of},
    world,
};
use llmx_protocol::{
    machine::turn::Purpose,
    wire::{
        event::{Event, EventMsg},
        item::TurnItem,
        op::Op,
        submission::Submission,
    },
};
use proptest::prelude::*;
use std::collections::HashSet;

proptest! {
    #[test]
    fn a_steered_task_hears_the_user_before_it_asks_again(script in any_script()) {
        let trace = world::run(&script);
        let steers = trace.steers();
        for task in trace.tasks() {
            for (at, words) in shown(&task).into_iter().filter(|(_, words)| steers.contains(words)) {
                let later = task.seen[at..].iter().filter_map(Seen::request).filter(|r| r.task == task.task);
                for request in later.take_while(|r| r.purpose == Purpose::Work) {
                    prop_assert_eq!(times(request, words), 1, "{:?} {}", request.turn, words);
                }
            }
        }
    }

    #[test]
    fn a_turn_that_was_steered_is_the_last_to_do_without_it(script in any_script()) {
        let trace = world::run(&script);
        for task in trace.tasks() {
            let shown = shown(&task);
            for (at, words) in steers_of(&task) {
                let until = shown.iter().find(|(_, words_shown)| *words_shown == words).map_or(task.seen.len(), |(at, _)| *at);
                let requests = task.seen[at..until].iter().filter_map(Seen::request).filter(|r| r.task == task.task);
                let turns: HashSet<_> = requests.map(|request| request.turn).collect();
                // That of the turn that ran, and one that was about to begin.
                prop_assert!(turns.len() <= 2, "{words}: {turns:?}");
            }
        }
    }

    #[test]
    fn what_a_task_heard_is_known_to_the_next(script in any_script()) {
        let trace = world::run(&script);
        let tasks = trace.tasks();
        for (last, task) in tasks.iter().zip(tasks.iter().skip(1)) {
            let died = last.was_hit(&[Who::Task, Who::Session]) || last.terminal_at().is_none();
            let Some(first) = task.requests().next().filter(|r| r.purpose == Purpose::Work) else { continue };
            let was_summed_up = last.requests().any(|r| r.purpose == Purpose::Summary);
            if died || was_summed_up || !goes_on_from_the_end(&trace, task) {
                continue;
            }
            for (_, words) in shown(last) {
                prop_assert_eq!(times(first, words), 1, "{:?} does not know {}", task.task, words);
            }
        }
    }
}

/// What the session took up for the task, and where.
fn steers_of<'t>(task: &TaskRun<'t>) -> Vec<(usize, &'t str)> {
    let words = |seen: &'t Seen| match seen {
        Seen::Taken(Ok(Submission { op: Op::Steer { id, items }, .. })) if id == task.submission.as_str() => {
            text_of(items)
        }
        _ => None,
    };
    task.seen.iter().enumerate().filter_map(|(at, seen)| Some((at, words(seen)?))).collect()
}

/// The user's words that a task showed, and where.
fn shown<'t>(task: &TaskRun<'t>) -> Vec<(usize, &'t str)> {
    let words = |event: &'t Event| match &event.msg {
        EventMsg::ItemCompleted(completed) if event.id == *task.submission => match &completed.item {
            TurnItem::UserMessage { content, .. } => text_of(content),
            _ => None,
        },
        _ => None,
    };
    task.seen.iter().enumerate().filter_map(|(at, seen)| Some((at, seen.event().and_then(words)?))).collect()
}

fn times(request: &Request, words: &str) -> usize {
    request.whole.iter().filter(|item| says(item, words)).count()
}

fn goes_on_from_the_end(trace: &Trace, task: &TaskRun<'_>) -> bool {
    let mut starts = trace.seen.iter().filter_map(|seen| match seen {
        Seen::Taken(Ok(submission)) if submission.id == *task.submission => Some(&submission.op),
        _ => None,
    });
    let first = starts.next();
    let from_the_end = match first {
        Some(Op::UserInput { last_response_id, .. }) => last_response_id.is_none(),
        Some(Op::UserTurn(turn)) => turn.last_response_id.is_none(),
        _ => false,
    };
    from_the_end && starts.next().is_none()
}
