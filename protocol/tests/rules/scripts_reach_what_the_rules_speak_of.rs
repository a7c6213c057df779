//! A property that is about nothing holds. The same scripts each time, and what they must come upon.

use crate::{
    script::{Who, any_script},
    trace::{Seen, Trace},
    world,
};
use llmx_protocol::{
    machine::{approval::Answer, session::SessionEnd, turn::Purpose},
    wire::event::{AbortReason, EventMsg},
};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

#[test]
fn scripts_reach_what_the_rules_speak_of() {
    let mut runner = TestRunner::deterministic();
    let script = any_script();
    let traces: Vec<_> = (0..500).map(|_| world::run(&script.new_tree(&mut runner).unwrap().current())).collect();
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
