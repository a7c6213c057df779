//! A finished turn says so once: when its tools are done, before anything further is asked of the model. A turn whose
//! model was left because the user said something does not finish.

use crate::{script::any_script, trace::Seen, world};
use llmx_protocol::{
    ids::TurnId,
    machine::turn::Purpose,
    wire::{event::EventMsg, op::Op, submission::Submission},
};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

/// What a task has done since its last `turn_complete`.
#[derive(Default)]
struct Since {
    asked: Option<TurnId>,
    completed: bool,
    /// The user said something, since the last request and before the response was complete.
    may_be_left: bool,
    turn_completes: usize,
}

proptest! {
    #[test]
    fn turn_complete_once_after_its_tools_before_the_next_request(script in any_script()) {
        let trace = world::run(&script);
        for task in trace.tasks() {
            let (mut turn, mut said_before) = (Since::default(), false);
            for seen in task.until_terminal() {
                match seen {
                    // A turn whose task died may say a last word while the next task runs.
                    Seen::Request(request) if request.task != task.task => {}
                    Seen::Request(request) if turn.asked == Some(request.turn) => {
                        prop_assert_eq!(turn.turn_completes, 0, "a further try of a turn that is complete");
                    }
                    Seen::Request(request) => {
                        let is_over = turn.asked.is_none() || turn.turn_completes == 1 || turn.may_be_left;
                        prop_assert!(is_over, "{:?} begins", request.turn);
                        // It may have begun when the user spoke, and not been sent.
                        let may_be_left = std::mem::take(&mut said_before);
                        turn = Since { asked: Some(request.turn), may_be_left, ..Since::default() };
                    }
                    Seen::Taken(Ok(Submission { op: Op::Steer { .. }, .. })) => {
                        turn.may_be_left |= !turn.completed;
                        said_before = true;
                    }
                    Seen::Completed { turn: of, .. } => turn.completed |= turn.asked == Some(*of),
                    _ => match seen.msg() {
                        Some(EventMsg::TurnComplete { .. }) => {
                            turn.turn_completes += 1;
                            prop_assert!(turn.completed && turn.turn_completes == 1, "{:?}", turn.asked);
                        }
                        Some(EventMsg::ExecCommandBegin(_) | EventMsg::ExecCommandEnd(_) | EventMsg::PlanUpdate(_)) => {
                            prop_assert_eq!(turn.turn_completes, 0, "{:?} after turn_complete", seen.msg());
                        }
                        _ => {}
                    },
                }
            }
            if task.events().any(|m| matches!(m, EventMsg::TaskComplete { .. })) {
                prop_assert_eq!(turn.turn_completes, 1, "{:?} completes without its last turn", task.task);
            }
        }
    }

    #[test]
    fn a_turn_is_named_as_its_response_was(script in any_script()) {
        let trace = world::run(&script);
        let mut named = HashMap::new();
        let mut said = Vec::new();
        let mut turn = TurnId(0);
        let mut summaries = HashSet::new();
        for seen in &trace.seen {
            match seen {
                Seen::Request(request) => {
                    turn = turn.max(request.turn);
                    summaries.extend((request.purpose == Purpose::Summary).then_some(turn));
                }
                // What follows the end of a response is not part of it.
                Seen::Completed { turn, response, .. } => {
                    named.entry(*turn).or_insert_with(|| response.id.clone());
                }
                _ => if let Some(EventMsg::TurnComplete { response_id }) = seen.msg() {
                    let Some(id) = response_id else { return Err(TestCaseError::fail("no bookmark")) };
                    if let Some(Some(name)) = named.get(&turn) {
                        // A server means the conversation as it was; what goes on is another one.
                        prop_assert_eq!(id == name, !summaries.contains(&turn));
                    }
                    prop_assert!(!id.as_str().is_empty() && !said.contains(id), "{id:?} again");
                    said.push(id.clone());
                }
            }
        }
    }
}
