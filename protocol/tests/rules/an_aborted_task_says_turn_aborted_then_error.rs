//! A task that is ended early says so twice, in two words that belong together, and for the reason there was.

use crate::{
    script::{Farewell, Step, any_script},
    trace::Seen,
    world,
};
use llmx_protocol::{
    machine::turn::STOP_DEADLINE,
    wire::{
        decision::ReviewDecision,
        event::{AbortReason, EventMsg},
        op::Op,
    },
};
use proptest::prelude::*;
use std::collections::HashSet;

proptest! {
    // Few questions are on their way when an interrupt comes.
    #![proptest_config(ProptestConfig::with_cases(768))]

    #[test]
    fn an_aborted_task_says_turn_aborted_then_error(script in any_script()) {
        for task in world::run(&script).tasks() {
            let events: Vec<_> = task.events().collect();
            let Some(at) = events.iter().position(|m| matches!(m, EventMsg::TurnAborted { .. })) else {
                let text = events.last().and_then(|m| if let EventMsg::Error { message } = m { Some(message) } else { None });
                let reasons = ["interrupted", "replaced", "reconfigured"];
                prop_assert!(!text.is_some_and(|t| reasons.contains(&t.as_str())), "an abort of one word: {text:?}");
                continue;
            };
            let EventMsg::TurnAborted { reason } = events[at] else { unreachable!() };
            prop_assert_eq!(&events[at + 1..], [&EventMsg::error(reason.as_str())]);
        }
    }

    #[test]
    fn an_abort_has_its_reason(script in any_script()) {
        let trace = world::run(&script);
        for task in trace.tasks() {
            for event in task.events() {
                if let EventMsg::TurnAborted { reason } = event {
                    let until = task.at + task.terminal_at().unwrap_or(task.seen.len());
                    let given = reasons(&trace.seen[..until], script.farewell);
                    prop_assert!(given.contains(&reason.as_str()), "{} for {given:?}", reason.as_str());
                }
            }
        }
    }

    #[test]
    fn an_interrupt_ends_its_task_by_a_deadline(mut script in any_script()) {
        // Where mail is read and nobody crashes, whatever the model and the commands do.
        script.steps.retain(|s| !matches!(s, Step::Stall(_) | Step::Crash { .. }));
        script.afterwards.retain(|s| !matches!(s, Step::Stall(_) | Step::Crash { .. }));
        let trace = world::run(&script);
        for task in trace.tasks() {
            let interrupted = |s: &Seen| matches!(s, Seen::Taken(Ok(s)) if s.op == Op::Interrupt);
            let (Some(from), Some(to)) = (task.seen.iter().position(interrupted), task.terminal_at()) else { continue };
            if from < to {
                let took = trace.times[task.at + to] - trace.times[task.at + from];
                prop_assert!(took <= STOP_DEADLINE, "{took:?}");
            }
        }
    }

    #[test]
    fn after_an_interrupt_nobody_is_asked_and_at_most_the_next_turn_begins(script in any_script()) {
        for task in world::run(&script).tasks() {
            let interrupted = |s: &Seen| matches!(s, Seen::Taken(Ok(s)) if s.op == Op::Interrupt);
            let Some(at) = task.seen.iter().position(interrupted) else { continue };
            let asks = |s: &&Seen| {
                matches!(
                    s.msg(),
                    Some(EventMsg::ExecApprovalRequest(_) | EventMsg::ApplyPatchApprovalRequest(_))
                )
            };
            let question = task.seen[at..].iter().find(asks).and_then(Seen::event);
            prop_assert!(question.is_none_or(|e| e.id != *task.submission), "{question:?}");
            let turn = |s: &Seen| if let Seen::Request(r) = s { Some(r.turn) } else { None };
            let before: HashSet<_> = task.seen[..at].iter().filter_map(turn).collect();
            let after: HashSet<_> = task.seen[at..].iter().filter_map(turn).filter(|t| !before.contains(t)).collect();
            prop_assert!(after.len() <= 1, "{after:?}");
        }
    }
}

/// A line may wait for one task and then end the next.
fn reasons(seen: &[Seen], farewell: Farewell) -> HashSet<&'static str> {
    let taken = seen.iter().filter_map(|s| if let Seen::Taken(Ok(s)) = s { Some(&s.op) } else { None });
    let given = taken.filter_map(|op| match op {
        Op::Interrupt | Op::Shutdown => Some(AbortReason::Interrupted),
        Op::ExecApproval { decision, .. } | Op::PatchApproval { decision, .. } => {
            (*decision == ReviewDecision::Abort).then_some(AbortReason::Interrupted)
        }
        Op::UserInput { .. } | Op::UserTurn(_) => Some(AbortReason::Replaced),
        Op::ConfigureSession(_) => Some(AbortReason::Reconfigured),
        _ => None,
    });
    let left = (farewell == Farewell::Leave).then_some(AbortReason::Interrupted);
    given.chain(left).map(AbortReason::as_str).collect()
}
