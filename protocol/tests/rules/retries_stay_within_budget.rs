//! A turn asks the model again as often as it may, when it may, and with the same words.

use crate::{
    script::script_of_lost_models,
    trace::{Request, Seen, Trace},
    world,
};
use llmx_protocol::{
    ids::{Attempt, TurnId},
    model::failure::{Failure, FailureKind},
    wire::event::EventMsg,
};
use proptest::prelude::*;
use std::{collections::HashMap, time::Duration};

#[derive(Debug, Default)]
struct Spent {
    requests: u32,
    streams: u32,
    in_full: u32,
}

proptest! {
    #[test]
    fn retries_stay_within_budget(script in script_of_lost_models()) {
        let trace = world::run(&script);
        let tries = tries(&trace);
        let mut spent: HashMap<TurnId, Spent> = HashMap::new();
        for (request, lost) in &tries {
            let Some((failure, answered)) = lost else { continue };
            let again = tries.iter().any(|(r, _)| (r.turn, r.attempt) == (request.turn, request.attempt.next()));
            if again {
                let spent = spent.entry(request.turn).or_default();
                match failure.kind {
                    FailureKind::PreviousResponseNotFound => spent.in_full += 1,
                    _ if *answered => spent.streams += 1,
                    _ => spent.requests += 1,
                }
                prop_assert!(failure.is_retryable() || spent.in_full == 1, "{failure:?} is tried again");
                prop_assert!(spent.requests <= request.request_retries, "{spent:?}");
                prop_assert!(spent.streams <= request.stream_retries, "{spent:?}");
                prop_assert!(spent.in_full <= 1, "{spent:?}");
            }
        }
    }

    #[test]
    fn a_turn_does_not_give_up_early(script in script_of_lost_models()) {
        let trace = world::run(&script);
        for task in trace.tasks() {
            let Some(EventMsg::Error { message }) = task.events().last() else { continue };
            let Some(last) = task.requests().last() else { continue };
            let tries: Vec<_> = tries(&trace).into_iter().filter(|(r, _)| r.turn == last.turn).collect();
            let Some((_, Some((failure, answered)))) = tries.last() else { continue };
            let too_long = failure.retry_after.is_some_and(|asked| asked > Duration::from_secs(3600));
            if *message == failure.to_string() && failure.is_retryable() && !too_long {
                let alike = |(_, lost): &&(_, Option<(Failure, bool)>)| {
                    lost.as_ref().is_some_and(|(f, a)| a == answered && f.is_retryable())
                };
                let allowed = if *answered { last.stream_retries } else { last.request_retries };
                let lost = tries.iter().filter(alike).count();
                prop_assert_eq!(lost, allowed as usize + 1, "{:?}", failure);
            }
        }
    }

    #[test]
    fn a_further_try_waits_and_has_the_same_words(script in script_of_lost_models()) {
        let trace = world::run(&script);
        let tries = tries(&trace);
        for ((first, lost), (second, _)) in tries.iter().zip(tries.iter().skip(1)) {
            let Some((failure, _)) = lost else { continue };
            if first.turn != second.turn {
                continue;
            }
            prop_assert_eq!(first.attempt.next(), second.attempt);
            prop_assert_eq!(&first.whole, &second.whole);
            let at_least = match failure {
                Failure { kind: FailureKind::PreviousResponseNotFound, .. } => Duration::ZERO,
                Failure { retry_after: Some(asked), .. } => *asked,
                _ => Duration::from_millis(180),
            };
            prop_assert!(second.at - first.at >= at_least, "{:?} after {failure:?}", second.at - first.at);
        }
    }
}

/// The requests, and how those that were lost were lost.
fn tries(trace: &Trace) -> Vec<(&Request, Option<(Failure, bool)>)> {
    let lost_by = |turn: TurnId, attempt: Attempt| {
        trace.seen.iter().find_map(|seen| match seen {
            Seen::Failed { turn: t, attempt: a, failure, answered } if (*t, *a) == (turn, attempt) => {
                Some((failure.clone(), *answered))
            }
            _ => None,
        })
    };
    trace.requests().map(|request| (request, lost_by(request.turn, request.attempt))).collect()
}
