//! What holds of every session, whatever the model, the commands and the UI do: DESIGN §4, as checks on what a UI saw
//! and a model was sent. Each says in one sentence what is broken.

use super::{Seen, SeenRequest};
use llmx_protocol::wire::event::EventMsg;
use std::collections::{HashMap, HashSet};

/// What is broken.
pub type Checked = Result<(), String>;

/// Every event has the number after the one before it, from 1.
///
/// # Errors
/// The first that has not.
pub fn numbers_have_no_gap(seen: &[Seen]) -> Checked {
    for (expected, seen) in (1..).zip(seen) {
        if seen.event.seq != expected {
            return Err(format!("event {expected} has the number {}", seen.event.seq));
        }
    }
    Ok(())
}

/// At most one task runs; each ends with exactly one terminal event, and nothing carries its id before or after; what
/// aborts it is said right before that.
///
/// # Errors
/// The first event that should not be there.
pub fn tasks_end_once(seen: &[Seen]) -> Checked {
    let mut running = None;
    let mut aborted = None;
    let mut known = HashSet::new();
    for Seen { event, .. } in seen {
        let (id, seq) = (event.id.as_str(), event.seq);
        if let EventMsg::TaskStarted { .. } = event.msg {
            if let Some(other) = running.replace(id) {
                return Err(format!("{seq}: {id} starts while {other} runs"));
            }
            if !known.insert(id) {
                return Err(format!("{seq}: {id} starts again"));
            }
        } else if running == Some(id) {
            if aborted.take().is_some_and(|reason| event.msg != EventMsg::error(reason)) {
                return Err(format!("{seq}: something comes between an abort and its error"));
            }
            if let EventMsg::TurnAborted { reason } = event.msg {
                aborted = Some(reason.as_str());
            }
            running = running.filter(|_| !event.msg.ends_a_task());
        } else if known.contains(id) {
            return Err(format!("{seq}: task {id} is over"));
        } else if !speaks_for_the_session(&event.msg) {
            return Err(format!("{seq}: belongs to a task, and {id} is none"));
        }
    }
    running.map_or(Ok(()), |id| Err(format!("task {id} never ended")))
}

fn speaks_for_the_session(msg: &EventMsg) -> bool {
    matches!(
        msg,
        EventMsg::SessionConfigured(_) | EventMsg::Error { .. } | EventMsg::Warning { .. } | EventMsg::ShutdownComplete
    )
}

/// When a task's terminal event goes out, none of its commands lives and its connection is closed. For a world with
/// one session that runs commands.
///
/// # Errors
/// The first terminal event that came too early.
pub fn nothing_outlives_its_task(seen: &[Seen]) -> Checked {
    let mut tasks = HashSet::new();
    for Seen { event, live_commands, open_answers, .. } in seen {
        if matches!(event.msg, EventMsg::TaskStarted { .. }) {
            tasks.insert(&event.id);
        }
        let ends = tasks.contains(&event.id) && event.msg.ends_a_task();
        if ends && (*live_commands, *open_answers) != (0, 0) {
            return Err(format!("{}: {live_commands} commands live, {open_answers} answers are open", event.seq));
        }
    }
    Ok(())
}

/// A command or a patch begins once, alone, a command writes only while it runs, and each ends before its turn and its
/// task do.
///
/// # Errors
/// The first event out of order.
pub fn commands_begin_and_end(seen: &[Seen]) -> Checked {
    let mut running = None;
    for Seen { event, .. } in seen {
        let seq = event.seq;
        match &event.msg {
            EventMsg::ExecCommandBegin(begin) => {
                let call = begin.call_id.as_str();
                if let Some(other) = running.replace(call) {
                    return Err(format!("{seq}: {call} begins while {other} runs"));
                }
            }
            EventMsg::ExecCommandOutputDelta { call_id, .. } if running != Some(call_id.as_str()) => {
                return Err(format!("{seq}: {call_id} writes and does not run"));
            }
            EventMsg::PatchApplyBegin { call_id, .. } => {
                if let Some(other) = running.replace(call_id.as_str()) {
                    return Err(format!("{seq}: {call_id} begins while {other} runs"));
                }
            }
            EventMsg::PatchApplyEnd { call_id, .. } if running.take() != Some(call_id.as_str()) => {
                return Err(format!("{seq}: {call_id} ends and does not run"));
            }
            EventMsg::ExecCommandEnd(end) if running.take() != Some(end.call_id.as_str()) => {
                return Err(format!("{seq}: {} ends and does not run", end.call_id));
            }
            EventMsg::TurnComplete { .. } | EventMsg::TurnAborted { .. } | EventMsg::TaskComplete { .. } => {
                if let Some(call) = running {
                    return Err(format!("{seq}: {call} still runs"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A turn completes once, before the next request goes out; a task completes right after its last turn. For a world
/// with one session and the ids of the scripted model.
///
/// # Errors
/// The first turn that did not.
pub fn turns_complete_once(seen: &[Seen]) -> Checked {
    let mut last = 0;
    let mut just_completed = false;
    for Seen { event, requests, .. } in seen {
        let seq = event.seq;
        if let EventMsg::TurnComplete { response_id } = &event.msg {
            let number = response_id.as_ref().and_then(|id| id.as_str().strip_prefix("resp_")?.parse().ok());
            if number != Some(*requests) {
                return Err(format!("{seq}: {response_id:?} is bookmarked after {requests} requests"));
            }
            if *requests == last {
                return Err(format!("{seq}: turn {last} completed before"));
            }
            last = *requests;
        }
        if matches!(event.msg, EventMsg::TaskComplete { .. }) && !just_completed {
            return Err(format!("{seq}: the last turn did not complete"));
        }
        just_completed = matches!(event.msg, EventMsg::TurnComplete { .. });
    }
    Ok(())
}

/// In every request each call has exactly one output, after it. For sessions that send the whole conversation.
///
/// # Errors
/// The first call that has none, or two; the first output without its call.
pub fn calls_have_one_output(requests: &[SeenRequest]) -> Checked {
    for (number, request) in (1..).zip(requests) {
        let mut waiting: HashMap<&str, usize> = HashMap::new();
        for item in request.body["input"].as_array().into_iter().flatten() {
            let call = item["call_id"].as_str().unwrap_or_default();
            match item["type"].as_str() {
                Some("function_call") => *waiting.entry(call).or_default() += 1,
                Some("function_call_output") => match waiting.get_mut(call) {
                    Some(calls) if *calls > 0 => *calls -= 1,
                    _ => return Err(format!("request {number}: an output without its call {call}")),
                },
                _ => {}
            }
        }
        if let Some((call, _)) = waiting.iter().find(|(_, calls)| **calls > 0) {
            return Err(format!("request {number}: no output for {call}"));
        }
    }
    Ok(())
}
