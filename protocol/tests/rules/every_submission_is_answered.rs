//! Each line gets an answer under its own id, except those that are documented as silent: `interrupt`, an
//! `override_turn_context` that can be had, an approval that settles something, and a `steer` that is heard, which the
//! task shows.

use crate::{
    script::any_script,
    trace::{Because, Seen, Trace},
    world,
};
use llmx_protocol::{
    ids::SubmissionId,
    machine::session::SessionEnd,
    wire::{
        decision::ReviewDecision,
        event::EventMsg,
        op::Op,
        submission::{BadSubmission, Submission},
    },
};
use proptest::prelude::*;

proptest! {
    #[test]
    fn every_submission_is_answered(script in any_script()) {
        let trace = world::run(&script);
        // The host of a thread that is closed for good is told so; nobody goes through what was still waiting.
        if matches!(trace.close.end, Some(SessionEnd::Failed(_))) {
            return Ok(());
        }
        for (at, seen) in trace.seen.iter().enumerate() {
            if let Seen::Taken(line) = seen {
                let id = line.as_ref().map_or_else(|bad| &bad.id, |s| &s.id);
                if times_used(&trace, id) == 1 {
                    check(&trace, at, id, line)?;
                }
            }
        }
    }

    #[test]
    fn a_line_that_is_lost_with_its_session_is_reported(script in any_script()) {
        let trace = world::run(&script);
        for (at, seen) in trace.seen.iter().enumerate() {
            if matches!(seen, Seen::LostWithSession(_)) {
                let reported = matches!(trace.seen[at + 1].msg(), Some(EventMsg::Error { .. }));
                prop_assert!(reported);
            }
        }
    }
}

fn times_used(trace: &Trace, id: &SubmissionId) -> usize {
    let uses = |seen: &&Seen| match seen {
        Seen::Taken(line) => line.as_ref().map_or_else(|bad| &bad.id, |s| &s.id) == id,
        Seen::LostWithSession(lost) => lost == id,
        _ => false,
    };
    trace.seen.iter().filter(uses).count()
}

fn check(
    trace: &Trace,
    at: usize,
    id: &SubmissionId,
    line: &Result<Submission, BadSubmission>,
) -> Result<(), TestCaseError> {
    let answers: Vec<_> = trace.events().filter(|e| e.id == *id).map(|e| &e.msg).collect();
    let is_error = |msg: &&EventMsg| matches!(msg, EventMsg::Error { .. });
    let refused = answers.len() == 1 && is_error(&answers[0]);
    let Ok(Submission { op, .. }) = line else {
        prop_assert!(refused, "a bad line: {answers:?}");
        return Ok(());
    };
    let fine = match op {
        Op::Interrupt => answers.is_empty() || refused,
        Op::OverrideTurnContext(change) => {
            let possible = change.cwd.as_ref().is_none_or(|cwd| cwd.is_absolute());
            refused || answers.is_empty() && possible
        }
        Op::ExecApproval { decision, .. } | Op::PatchApproval { decision, .. } => {
            let settles = matches!(trace.seen.get(at + 1), Some(Seen::Answered { because: Because::Op(_), .. }));
            let aborts = *decision == ReviewDecision::Abort;
            if settles { answers.is_empty() } else { refused || aborts && answers.is_empty() }
        }
        Op::UserInput { .. } | Op::UserTurn(_) | Op::Compact => {
            // A task that died before it started has only its end.
            let heard_of = matches!(answers.first(), Some(EventMsg::TaskStarted { .. } | EventMsg::TurnAborted { .. }));
            refused || heard_of
        }
        Op::ConfigureSession(_) => {
            let configured = |msg: &&EventMsg| matches!(msg, EventMsg::SessionConfigured(_) | EventMsg::Warning { .. });
            refused || !answers.is_empty() && answers.iter().all(configured)
        }
        Op::Steer { id: task, items } => {
            let runs = trace.tasks().iter().any(|t| t.submission.as_str() == task && t.terminal_at().is_none());
            let shown = trace.shows(task, items);
            if shown { answers.is_empty() } else { refused || runs && answers.is_empty() }
        }
        Op::Shutdown => refused || answers == [&EventMsg::ShutdownComplete],
        _ => refused,
    };
    prop_assert!(fine, "{op:?}: {answers:?}");
    Ok(())
}
