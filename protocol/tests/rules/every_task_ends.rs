//! Nothing hangs. When the UI says no more and everything outside has had its time, a task has ended or waits for a
//! person, and a session that is to end has ended.

use crate::{
    script::{Answer, Call, Ending, Farewell, From, Name, Said, Say, Script, Step, any_script},
    trace::Seen,
    world,
};
use llmx_protocol::wire::{
    event::EventMsg,
    policy::{AskForApproval, SandboxPolicy},
};
use proptest::prelude::*;
use std::{collections::HashMap, time::Duration};

proptest! {
    #[test]
    fn every_task_ends(script in any_script()) {
        let trace = world::run(&script);
        let waits_for_a_person = trace.close.open_questions > 0;
        let tasks = trace.tasks();
        for (i, task) in tasks.iter().enumerate() {
            let is_last = i + 1 == tasks.len();
            prop_assert!(task.terminal_at().is_some() || is_last && waits_for_a_person, "{:?} hangs", task.task);
        }
        prop_assert!(trace.close.task_runs || !waits_for_a_person, "a question without a task");
        prop_assert!(script.setup.approval_timeout.is_none() || !waits_for_a_person, "a question outlives its time");
        prop_assert!(!trace.close.task_runs || waits_for_a_person, "the session waits for a task that is over");
    }

    #[test]
    fn a_question_is_given_up_when_its_time_has_passed_and_not_before(mut script in script_of_questions(), limited: bool) {
        script.setup.approval_timeout = limited.then_some(Duration::from_secs(30));
        let trace = world::run(&script);
        let mut asked_at = HashMap::new();
        for (at, seen) in trace.seen.iter().enumerate() {
            match seen {
                Seen::Asked { question, .. } => {
                    asked_at.insert(question.call, trace.times[at]);
                }
                Seen::Answered { call, .. } if trace.seen[..at].last().and_then(Seen::msg).is_some_and(nobody_answered) => {
                    let least = script.setup.approval_timeout.map_or(Duration::MAX, |limit| asked_at[call] + limit);
                    prop_assert!(trace.times[at] >= least, "{call:?} is given up at {:?}", trace.times[at]);
                }
                _ => {}
            }
        }
        prop_assert!(!limited || trace.close.open_questions == 0, "a question outlives its time");
    }

    #[test]
    fn a_question_without_a_deadline_waits(mut script in script_of_questions()) {
        script.setup.approval_timeout = None;
        script.steps.truncate(1);
        script.afterwards.clear();
        prop_assert_eq!(world::run(&script).close.open_questions, 1);
    }

    #[test]
    fn a_session_that_is_to_end_ends(mut script in any_script(), leaves: bool) {
        script.farewell = if leaves { Farewell::Leave } else { Farewell::NoMoreInput };
        let trace = world::run(&script);
        prop_assert!(trace.close.end.is_some(), "{:?}", trace.close);
    }

    #[test]
    fn shutdown_is_the_last_word(mut script in any_script()) {
        script.steps.push(Step::Say { say: Say::Shutdown, id: Name::Fresh });
        script.setup.configured = true;
        let trace = world::run(&script);
        let crashed = trace.seen.iter().any(|s| matches!(s, Seen::Crash(crate::script::Who::Session)));
        prop_assert!(crashed || trace.close.end.is_some(), "{:?}", trace.close);
        let last = trace.events().last().map(|e| &e.msg);
        let said = trace.events().any(|e| e.msg == EventMsg::ShutdownComplete);
        prop_assert!(!said || last == Some(&EventMsg::ShutdownComplete), "{last:?}");
    }

    #[test]
    fn without_crashes_no_more_input_lets_everything_finish(mut script in any_script()) {
        script.farewell = Farewell::NoMoreInput;
        script.steps.retain(|s| !matches!(s, Step::Crash { .. }));
        script.afterwards.retain(|s| !matches!(s, Step::Crash { .. }));
        let trace = world::run(&script);
        for task in trace.tasks() {
            prop_assert!(task.terminal_at().is_some(), "{:?}", task.task);
        }
    }
}

/// A task whose first call waits for a person, and a UI that says no more.
fn script_of_questions() -> impl Strategy<Value = Script> {
    any_script().prop_map(|mut script| {
        script.setup.configured = true;
        script.setup.approval = AskForApproval::Untrusted;
        script.setup.sandbox = SandboxPolicy::DangerFullAccess;
        script.farewell = Farewell::Stays;
        script.steps.retain(|step| !matches!(step, Step::Say { .. }));
        script.steps.insert(0, Step::Say { say: Say::UserInput { from: From::TheEnd }, id: Name::Fresh });
        let call = Said::Call { call: Call::OtherPlain, repeats_an_id: false };
        let ending = Ending::Completed { named: true, incomplete: false, again: 0 };
        script.answers.insert(0, Answer { items: vec![call], ending });
        script
    })
}

fn nobody_answered(msg: &EventMsg) -> bool {
    matches!(msg, EventMsg::Warning { message } if message == "approval denied: nobody answered in time")
}
