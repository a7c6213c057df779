//! A property that is about nothing holds. The same scripts each time, and what they must come upon.

use crate::{
    script::{Who, any_script},
    trace::{Seen, Trace, What},
    world,
};
use llmx_protocol::{
    machine::{
        approval::{Answer, RETRY_REASON},
        session::SessionEnd,
        turn::Purpose,
    },
    wire::{
        event::{AbortReason, EventMsg},
        op::Op,
        submission::Submission,
    },
};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

#[test]
fn scripts_reach_what_the_rules_speak_of() {
    let mut runner = TestRunner::deterministic();
    let script = any_script();
    let traces: Vec<_> = (0..700).map(|_| world::run(&script.new_tree(&mut runner).unwrap().current())).collect();
    let check = |what: &str, least: usize, is_it: &dyn Fn(&Seen) -> bool| {
        let seen = traces.iter().flat_map(|t| &t.seen).filter(|s| is_it(s)).count();
        assert!(seen >= least, "{what}: {seen}, not {least}");
    };
    check("tasks", 500, &|s| matches!(s, Seen::TaskStarts(..)));
    check("requests", 700, &|s| s.request().is_some());
    check("further tries", 50, &|s| s.request().is_some_and(|r| r.attempt.0 > 1));
    check("later turns", 150, &|s| s.request().is_some_and(|r| r.turn.0 > 3));
    let for_a_summary = |s: &Seen| s.request().is_some_and(|r| r.purpose == Purpose::Summary);
    check("summaries", 100, &for_a_summary);
    check("further tries of summaries", 5, &|s| for_a_summary(s) && s.request().is_some_and(|r| r.attempt.0 > 1));
    check("questions", 80, &|s| matches!(s, Seen::Asked { .. }));
    check("approvals", 15, &|s| matches!(s, Seen::Answered { answer: Answer::Approved, .. }));
    check("denials", 15, &|s| matches!(s, Seen::Answered { answer: Answer::Denied, .. }));
    check("processes", 100, &|s| matches!(s, Seen::ProcessLives { .. }));
    let starts = |s: &Seen, w: What| matches!(s, Seen::Starts { what, .. } if *what == w);
    check("looks at patches", 60, &|s| starts(s, What::Inspect));
    check("patches", 20, &|s| starts(s, What::Apply));
    let of_a_patch = |m: &EventMsg| matches!(m, EventMsg::ApplyPatchApprovalRequest(_));
    check("questions of patches", 20, &|s| s.msg().is_some_and(of_a_patch));
    check("applied patches", 10, &|s| matches!(s.msg(), Some(EventMsg::TurnDiff { .. })));
    let again = |m: &EventMsg| matches!(m, EventMsg::ExecApprovalRequest(request) if request.reason.as_deref() == Some(RETRY_REASON));
    check("second tries that are asked for", 2, &|s| s.msg().is_some_and(again));
    let heard: usize = traces.iter().map(heard_steers).sum();
    assert!(heard >= 30, "steers that are heard: {heard}");
    check("lost lines", 5, &|s| matches!(s, Seen::LostWithSession(_)));
    for who in [Who::ModelStream, Who::Turn, Who::Task, Who::Executor, Who::Session] {
        check(&format!("crashes of {who:?}"), 3, &|s| matches!(s, Seen::Crash(w) if *w == who));
    }
    for reason in [AbortReason::Interrupted, AbortReason::Replaced, AbortReason::Reconfigured] {
        check(reason.as_str(), 10, &|s| s.msg() == Some(&EventMsg::TurnAborted { reason }));
    }
    let superseded = |m: &EventMsg| matches!(m, EventMsg::StreamError { superseded, .. } if !superseded.is_empty());
    check("items taken back", 5, &|s| s.msg().is_some_and(superseded));
    check("bookmarks", 200, &|s| matches!(s.msg(), Some(EventMsg::TurnComplete { .. })));
    let ended = |t: &&Trace| t.close.end == Some(SessionEnd::Closed);
    assert!(traces.iter().filter(ended).count() > 200, "sessions end");
    assert!(traces.iter().any(|t| t.close.open_questions > 0), "tasks wait for a person");
}

/// How many steers were shown by their tasks.
fn heard_steers(trace: &Trace) -> usize {
    let is_heard = |seen: &&Seen| match seen {
        Seen::Taken(Ok(Submission { op: Op::Steer { id, items }, .. })) => trace.shows(id, items),
        _ => false,
    };
    trace.seen.iter().filter(is_heard).count()
}
