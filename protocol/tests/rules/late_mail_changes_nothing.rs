//! Mail of a task, a turn or an attempt that is over is not heard: told such things after every step, the machines do
//! nothing, and everything goes on as if they had not been told.

use crate::{
    script::any_script,
    world::{self, World},
};
use llmx_protocol::{
    history::History,
    ids::{Attempt, TaskId, TurnId},
    machine::{
        approval::{Answer, CallKey, Confinement, Question, Request},
        session::{self, Point},
        task::{self, Bookmark, TaskEnd},
        turn::{self, CallEnd, Outcome, TurnEnd},
    },
    model::{event::ModelEvent, failure::Failure, item::ResponseItem},
    wire::{
        event::{AbortReason, ExecApprovalRequest, ExecOutputStream},
        usage::TokenUsage,
    },
};
use proptest::prelude::*;
use std::{sync::Arc, time::Duration};

proptest! {
    #[test]
    fn late_mail_changes_nothing(script in any_script()) {
        let undisturbed = outcome(&world::run(&script));
        let mut heard = Vec::new();
        let disturbed = outcome(&world::run_poked(&script, |world| heard.extend(poke(world))));
        prop_assert_eq!(heard, Vec::<String>::new());
        prop_assert_eq!(disturbed, undisturbed);
    }

    #[test]
    fn a_machine_that_is_over_does_nothing(script in any_script()) {
        let mut heard = Vec::new();
        let _ = world::run_poked(&script, |world| heard.extend(poke_the_dead(world)));
        prop_assert_eq!(heard, Vec::<String>::new());
    }
}

fn outcome(trace: &crate::trace::Trace) -> Vec<String> {
    trace.events().map(|e| format!("{e:?}")).collect()
}

/// Tells every machine what it should not hear; what they would do about it.
fn poke(world: &mut World) -> Vec<String> {
    let now = world.now();
    let mut heard = Vec::new();
    if let Some(session) = world.session() {
        let running = session.running_task().unwrap_or(TaskId(0));
        for task in [TaskId(running.0.wrapping_sub(1)), TaskId(running.0 + 1)] {
            for input in late_for_a_session(task) {
                heard.extend(session.apply(input, now).iter().map(|e| format!("{e:?}")));
            }
        }
    }
    for seat in &mut world.tasks {
        for turn in [TurnId(0), TurnId(u64::MAX)] {
            for input in late_for_a_task(turn) {
                heard.extend(seat.machine.apply(input, now).iter().map(|e| format!("{e:?}")));
            }
        }
    }
    for seat in &mut world.turns {
        for input in late_for_a_turn(seat.turn, seat.machine.attempt()) {
            heard.extend(seat.machine.apply(input, now).iter().map(|e| format!("{e:?}")));
        }
    }
    heard
}

/// Tells those that are over what would move any that is not.
fn poke_the_dead(world: &mut World) -> Vec<String> {
    let now = world.now() + Duration::from_secs(3600);
    let mut heard = Vec::new();
    for session in &mut world.over.sessions {
        for input in [session::Input::Begin, session::Input::Leave, session::Input::Tick, session::Input::Swept] {
            heard.extend(session.apply(input, now).iter().map(|e| format!("{e:?}")));
        }
    }
    for task in &mut world.over.tasks {
        for input in
            [task::Input::Begin, task::Input::Stop(AbortReason::Replaced), task::Input::Swept, task::Input::Tick]
        {
            heard.extend(task.apply(input, now).iter().map(|e| format!("{e:?}")));
        }
    }
    for turn in &mut world.over.turns {
        for input in [turn::Input::Begin, turn::Input::Stop, turn::Input::CallsLost, turn::Input::Tick] {
            heard.extend(turn.apply(input, now).iter().map(|e| format!("{e:?}")));
        }
    }
    heard
}

fn late_for_a_session(task: TaskId) -> Vec<session::Input> {
    let why = || "late".to_owned();
    let end = TaskEnd { history: History::default(), next_turn: TurnId(1), used: TokenUsage::default() };
    let bookmark = Bookmark { id: "late".into(), point: Point::default(), heard: Vec::new() };
    vec![
        session::Input::Ask { task, question: question() },
        session::Input::Bookmark { task, bookmark },
        session::Input::TaskEnded { task, end },
        session::Input::TaskCrashed { task, why: why() },
    ]
}

fn late_for_a_task(turn: TurnId) -> Vec<task::Input> {
    let end = TurnEnd {
        outcome: Outcome::Completed,
        said: vec![ResponseItem::message("assistant", "late")],
        response_id: Some("late".into()),
        outputs: Vec::new(),
        last_message: None,
        context_tokens: None,
        used: TokenUsage::default(),
        diff: Arc::default(),
    };
    vec![task::Input::TurnEnded { turn, end }, task::Input::TurnCrashed { turn, why: "late".into() }]
}

fn late_for_a_turn(turn: TurnId, attempt: Attempt) -> Vec<turn::Input> {
    let old = Attempt(attempt.0.wrapping_sub(1));
    let said = |attempt, event| turn::Input::Model { attempt, event };
    let delta = || ModelEvent::TextDelta { slot: 0, delta: "late".into() };
    let completed = || ModelEvent::Completed { response_id: None, usage: None, incomplete: None };
    let mut late = vec![
        said(old, delta()),
        said(old, completed()),
        said(attempt.next(), completed()),
        turn::Input::ModelEnded { attempt: old, how: Ok(()) },
        turn::Input::ModelEnded { attempt: old, how: Err(Failure::cut("late")) },
    ];
    let earlier = TurnId(turn.0.wrapping_sub(1));
    for call in [CallKey { turn, index: 1_000 }, CallKey { turn: earlier, index: 0 }] {
        late.push(turn::Input::Answered { call, answer: Answer::Approved });
        late.push(turn::Input::CallOutput { call, stream: ExecOutputStream::Stdout, chunk: b"late".to_vec() });
        late.push(turn::Input::CallEnded { call, end: CallEnd::Exited(0), duration: Duration::ZERO });
    }
    late
}

fn question() -> Question {
    Question {
        call: CallKey { turn: TurnId(0), index: 0 },
        request: Request::Command(ExecApprovalRequest {
            call_id: "late".into(),
            command: vec!["make".into()],
            cwd: "/".into(),
            reason: None,
            parsed_cmd: Vec::new(),
        }),
        confinement: Confinement::Unconfined,
        files: Vec::new(),
    }
}
