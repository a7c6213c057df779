//! After a summary the model is told what the user said, the summary, and nothing else of the conversation. A summary that
//! comes to nothing changes nothing; one that is made is not shown, and its calls do not run.

use crate::{
    script::any_script,
    trace::{Request, Seen, TaskRun, Trace},
    world,
};
use llmx_protocol::{
    ids::TurnId,
    machine::turn::Purpose,
    model::item::{ItemBody, ResponseItem},
    wire::{
        event::{EventMsg, ItemEvent},
        item::TurnItem,
        op::Op,
    },
};
use proptest::prelude::*;
use std::collections::HashSet;

proptest! {
    #[test]
    fn what_was_summed_up_is_told_as_the_users_words_and_the_summary(script in any_script()) {
        let trace = world::run(&script);
        for task in trace.tasks() {
            for (summary, next) in in_a_row(&task) {
                if completed(&task, summary) {
                    let summed_up = words(&summary.whole[..summary.whole.len() - 1]);
                    let left = words(&next.whole);
                    prop_assert!(left.starts_with(&summed_up), "{left:?} after {summed_up:?}");
                    prop_assert!(next.whole.iter().all(is_the_users), "{:?}", next.whole);
                }
            }
        }
    }

    #[test]
    fn a_summary_that_comes_to_nothing_changes_nothing(script in any_script()) {
        let trace = world::run(&script);
        let tasks = trace.tasks();
        for (last, task) in tasks.iter().zip(tasks.iter().skip(1)) {
            let is_lost = |request: &&Request| request.purpose == Purpose::Summary && !completed(last, request);
            let lost = last.requests().last().filter(is_lost);
            if let (Some(lost), Some(first)) = (lost, task.requests().next())
                && goes_on_from_the_end(&trace, task)
            {
                let before = &lost.whole[..lost.whole.len() - 1];
                let same = before.iter().zip(&first.whole).all(|(a, b)| a.json() == b.json());
                prop_assert!(same && first.whole.len() >= before.len(), "{:?} forgets something", first.turn);
            }
        }
    }

    #[test]
    fn a_summary_is_not_shown_and_does_nothing(script in any_script()) {
        let trace = world::run(&script);
        let summaries: HashSet<TurnId> = trace.requests().filter(|r| is_summary(r)).map(|r| r.turn).collect();
        for task in trace.tasks() {
            let mut summing = false;
            for seen in task.until_terminal() {
                match seen {
                    Seen::Request(request) if request.task == task.task => summing = is_summary(request),
                    Seen::Starts { call, .. } => prop_assert!(!summaries.contains(&call.turn), "{call:?} starts"),
                    _ => if let (true, Some(msg)) = (summing, seen.msg()) {
                        let is_words = matches!(
                            msg,
                            EventMsg::AgentMessageDelta { .. }
                                | EventMsg::AgentMessage { item_id: Some(_), .. }
                                | EventMsg::AgentReasoning { .. }
                                | EventMsg::ItemStarted(_)
                        );
                        prop_assert!(!is_words || shows_the_users(msg), "{msg:?}");
                    }
                }
            }
        }
    }
}

/// What the user says meanwhile is shown.
fn shows_the_users(msg: &EventMsg) -> bool {
    matches!(msg, EventMsg::ItemStarted(ItemEvent { item: TurnItem::UserMessage { .. }, .. }))
}

fn is_summary(request: &Request) -> bool {
    request.purpose == Purpose::Summary
}

/// Each summary's last request with the request that came next in the same task.
fn in_a_row<'t>(task: &TaskRun<'t>) -> Vec<(&'t Request, &'t Request)> {
    let requests: Vec<_> = task.requests().filter(|request| request.task == task.task).collect();
    let pairs = requests.windows(2).map(|pair| (pair[0], pair[1]));
    pairs.filter(|(summary, next)| is_summary(summary) && next.turn != summary.turn).collect()
}

fn completed(task: &TaskRun<'_>, request: &Request) -> bool {
    let is_end = |seen: &Seen| matches!(seen, Seen::Completed { turn, .. } if *turn == request.turn);
    task.seen.iter().any(is_end)
}

/// What the user said, less the wish for a summary.
fn words(items: &[ResponseItem]) -> Vec<&str> {
    let is_wish =
        |item: &&ResponseItem| matches!(item.body(), ItemBody::Message { text, .. } if text.starts_with("wish"));
    items.iter().filter(is_wish).map(|item| &**item.json()).collect()
}

fn is_the_users(item: &ResponseItem) -> bool {
    matches!(item.body(), ItemBody::Message { role, .. } if role == "user")
}

fn goes_on_from_the_end(trace: &Trace, task: &TaskRun<'_>) -> bool {
    let mut inputs = trace.seen.iter().filter_map(|seen| match seen {
        Seen::Taken(Ok(submission)) if submission.id == *task.submission => Some(&submission.op),
        _ => None,
    });
    let is_at_the_end = matches!(inputs.next(), Some(Op::UserInput { last_response_id: None, .. } | Op::Compact));
    is_at_the_end && inputs.next().is_none()
}
