//! Input goes on from where the conversation ended, or from the bookmark that it names: the model is shown exactly what
//! it had been shown and had said by then, whatever happened since. What a summary leads to is a rule of its own.

use crate::{
    script::any_script,
    trace::{Request, Response, Seen, TaskRun, Trace, call_or_output, says},
    world,
};
use llmx_protocol::{
    ids::ResponseId,
    machine::turn::Purpose,
    model::item::{ItemBody, ResponseItem},
    wire::{event::EventMsg, op::Op},
};
use proptest::prelude::*;
use std::collections::HashMap;

/// What led to a bookmark.
struct Place<'t> {
    request: &'t Request,
    response: &'t Response,
}

proptest! {
    #[test]
    fn a_bookmark_leads_back_to_its_conversation(script in any_script()) {
        let trace = world::run(&script);
        let places = places(&trace);
        for task in trace.tasks() {
            let (Some(first), Some(from)) = (task.requests().next(), goes_on_from(&trace, &task)) else { continue };
            match places.get(&from) {
                Some(place) if place.request.purpose == Purpose::Summary => {}
                Some(place) => goes_on(first, place, &trace.steers())?,
                None => prop_assert_eq!(first.whole.len(), 2, "of an unknown past only the server has anything"),
            }
        }
    }

    #[test]
    fn a_bookmark_that_the_ui_was_told_of_is_known(script in any_script()) {
        for event in world::run(&script).events() {
            if let EventMsg::Error { message } = &event.msg {
                prop_assert!(!message.contains("is not known") || message.contains("resp_unknown"), "{message}");
            }
        }
    }

    #[test]
    fn without_a_bookmark_the_conversation_goes_on_from_its_end(script in any_script()) {
        let trace = world::run(&script);
        let tasks = trace.tasks();
        for (last, task) in tasks.iter().zip(tasks.iter().skip(1)) {
            let (Some(first), None) = (task.requests().next(), goes_on_from(&trace, task)) else { continue };
            let before = last_request(last).filter(|request| request.purpose == Purpose::Work);
            if is_named_once(&trace, task) && let Some(before) = before {
                prop_assert!(starts_with(&first.whole, &before.whole), "{:?} forgets {:?}", task.task, before.turn);
            }
        }
    }

    #[test]
    fn a_turn_goes_on_from_the_turn_before(script in any_script()) {
        let trace = world::run(&script);
        let (places, steers) = (places(&trace), trace.steers());
        for task in trace.tasks() {
            let mut here = None;
            for seen in task.seen {
                if let Some(EventMsg::TurnComplete { response_id: Some(id) }) = seen.msg() {
                    here = places.get(id).filter(|place| place.request.purpose == Purpose::Work);
                } else if let (Some(place), Some(next)) = (&here, seen.request()) {
                    let rest = follows(next, place)?;
                    let others = rest.iter().filter(|item| !is_a_steer(item, &steers)).count();
                    let wish_for_a_summary = usize::from(next.purpose == Purpose::Summary);
                    prop_assert_eq!(others, wish_for_a_summary, "{:?} is told more than outputs", next.turn);
                    here = None;
                }
            }
        }
    }
}

/// What a dead task still asks after its end leads nowhere.
fn last_request<'t>(task: &TaskRun<'t>) -> Option<&'t Request> {
    task.until_terminal().iter().filter_map(Seen::request).rfind(|r| r.task == task.task)
}

fn places(trace: &Trace) -> HashMap<ResponseId, Place<'_>> {
    let (mut places, mut asked, mut heard) = (HashMap::new(), None, HashMap::new());
    for seen in &trace.seen {
        match seen {
            Seen::Request(request) => asked = Some(&**request),
            Seen::Completed { turn, response, .. } => {
                heard.entry(*turn).or_insert(response);
            }
            _ => {
                if let (Some(EventMsg::TurnComplete { response_id: Some(id) }), Some(request)) = (seen.msg(), asked)
                    && let Some(response) = heard.get(&request.turn)
                {
                    places.insert(id.clone(), Place { request, response });
                }
            }
        }
    }
    places
}

fn is_a_steer(item: &ResponseItem, steers: &[&str]) -> bool {
    steers.iter().any(|words| says(item, words))
}

/// The place, then what is new: what the turn of the bookmark was steered by, perhaps a changed environment, and the
/// input.
fn goes_on(first: &Request, place: &Place<'_>, steers: &[&str]) -> Result<(), TestCaseError> {
    let new: Vec<_> = follows(first, place)?.iter().filter(|item| !is_a_steer(item, steers)).collect();
    let are_the_users = new.iter().all(|i| matches!(i.body(), ItemBody::Message { role, .. } if role == "user"));
    prop_assert!((1..=2).contains(&new.len()) && are_the_users, "{new:?}");
    Ok(())
}

/// What the request has beyond the place: its request, its response, and one output for each call.
fn follows<'r>(request: &'r Request, place: &Place<'_>) -> Result<&'r [ResponseItem], TestCaseError> {
    let said = [&place.request.whole[..], &place.response.items[..]].concat();
    prop_assert!(starts_with(&request.whole, &said), "{:?} does not follow {:?}", request.turn, place.request.turn);
    let rest = &request.whole[said.len()..];
    let calls: Vec<_> = place.response.items.iter().filter_map(call_or_output).map(|(id, _)| (id, true)).collect();
    let outputs: Vec<_> = rest.iter().take(calls.len()).filter_map(call_or_output).collect();
    prop_assert_eq!(&outputs, &calls);
    Ok(&rest[calls.len()..])
}

fn starts_with(whole: &[ResponseItem], beginning: &[ResponseItem]) -> bool {
    whole.len() >= beginning.len() && whole.iter().zip(beginning).all(|(a, b)| a.json() == b.json())
}

fn is_named_once(trace: &Trace, task: &TaskRun<'_>) -> bool {
    inputs(trace, task).count() == 1
}

/// A `compact` goes on from the end, as input without a bookmark does.
fn inputs<'t>(trace: &'t Trace, task: &TaskRun<'t>) -> impl Iterator<Item = Option<&'t ResponseId>> {
    let name = task.submission;
    trace.seen.iter().filter_map(move |seen| match seen {
        Seen::Taken(Ok(s)) if s.id == *name => match &s.op {
            Op::UserInput { last_response_id, .. } => Some(last_response_id.as_ref()),
            Op::UserTurn(turn) => Some(turn.last_response_id.as_ref()),
            Op::Compact => Some(None),
            _ => None,
        },
        _ => None,
    })
}

/// Where the task goes on from, if it is certain which input started it.
fn goes_on_from(trace: &Trace, task: &TaskRun<'_>) -> Option<ResponseId> {
    if is_named_once(trace, task) { inputs(trace, task).next().flatten().cloned() } else { None }
}
