//! What waits for a person does not run before it is approved, nor at all when it is not; what runs is begun and ended
//! once, with its output in between.

use crate::{
    script::{Who, any_script},
    trace::{Because, Seen, Trace, What},
    world,
};
use llmx_protocol::{
    ids::CallId,
    machine::approval::{Answer, CallKey, Confinement, Kind, Question, Request},
    wire::{decision::ReviewDecision, event::EventMsg, op::Op},
};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

proptest! {
    #[test]
    fn nothing_runs_before_its_approval(script in any_script()) {
        let mut waits: HashSet<CallKey> = HashSet::new();
        let mut denied: HashSet<CallKey> = HashSet::new();
        for seen in &world::run(&script).seen {
            match seen {
                Seen::Asked { question, .. } => {
                    waits.insert(question.call);
                }
                Seen::Answered { call, answer: Answer::Approved, .. } => {
                    prop_assert!(waits.remove(call), "{call:?} is approved and did not wait");
                }
                Seen::Answered { call, answer: Answer::Denied, .. } => {
                    prop_assert!(waits.remove(call), "{call:?} is denied and did not wait");
                    denied.insert(*call);
                }
                Seen::Starts { call, .. } => {
                    prop_assert!(!waits.contains(call) && !denied.contains(call), "{call:?} was not approved");
                }
                _ => {}
            }
        }
    }

    #[test]
    fn an_approval_is_a_persons(script in any_script()) {
        let trace = world::run(&script);
        for (at, seen) in trace.seen.iter().enumerate() {
            if let Seen::Answered { call, answer: Answer::Approved, because } = seen {
                let because_of_a_person = match because {
                    Because::Op(op) => approves(op) && means(op, asked(&trace, *call)?),
                    Because::Question(question) => covered(&trace.seen[..at], question),
                    Because::Other => false,
                };
                // One approval may settle further calls of the same words.
                let further = covered(&trace.seen[..at], asked(&trace, *call)?);
                prop_assert!(because_of_a_person || further, "{call:?} is approved because of {because:?}");
            }
        }
    }

    #[test]
    fn a_question_is_asked_before_its_command_begins(script in any_script()) {
        let trace = world::run(&script);
        for task in trace.tasks() {
            let mut asked: HashSet<&CallId> = HashSet::new();
            for seen in task.seen {
                match seen {
                    Seen::Asked { task: of, question } => {
                        asked.extend((*of == task.task).then_some(question.request.call_id()));
                    }
                    _ => if let Some(call) = seen.msg().and_then(call_asked_about) {
                        prop_assert!(asked.contains(call), "nobody asked {call:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_leaves_the_sandbox_but_by_a_persons_word(script in any_script()) {
        let mut confined: HashSet<CallKey> = HashSet::new();
        let mut approved: HashSet<CallKey> = HashSet::new();
        for seen in &world::run(&script).seen {
            match seen {
                Seen::Starts { call, what: What::Command | What::Apply, confinement: Confinement::Sandboxed, .. } => {
                    prop_assert!(confined.insert(*call), "{call:?} is tried in the sandbox again");
                    approved.remove(call);
                }
                Seen::Starts { call, what: What::Command | What::Apply, confinement: Confinement::Unconfined, .. } => {
                    prop_assert!(!confined.contains(call) || approved.remove(call), "{call:?} leaves the sandbox");
                }
                Seen::Answered { call, answer: Answer::Approved, .. } => {
                    approved.insert(*call);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn a_patch_begins_once_and_ends_once(script in any_script()) {
        for task in world::run(&script).tasks() {
            let mut applying = None;
            for msg in task.events() {
                match msg {
                    EventMsg::PatchApplyBegin { call_id, .. } => {
                        prop_assert_eq!(applying.replace(call_id), None, "{:?} begins", call_id);
                    }
                    EventMsg::PatchApplyEnd { call_id, .. } => prop_assert_eq!(applying.take(), Some(call_id)),
                    EventMsg::ExecCommandBegin(begin) => prop_assert_eq!(applying, None, "{:?} begins", begin.call_id),
                    EventMsg::TurnComplete { .. } | EventMsg::TaskComplete { .. } => prop_assert_eq!(applying, None),
                    _ => {}
                }
            }
            let excused = task.was_hit(&[Who::Turn, Who::Task, Who::Session])
                || task.events().any(|m| matches!(m, EventMsg::Warning { message } if says_so(message)));
            prop_assert!(excused || task.terminal_at().is_none() || applying.is_none(), "{applying:?} has no end");
        }
    }

    #[test]
    fn begin_then_output_then_end(script in any_script()) {
        for task in world::run(&script).tasks() {
            let mut running = None;
            for msg in task.events() {
                match msg {
                    EventMsg::ExecCommandBegin(begin) => {
                        prop_assert_eq!(running, None, "{:?} begins", begin.call_id);
                        running = Some(&begin.call_id);
                    }
                    EventMsg::ExecCommandOutputDelta { call_id, .. } => prop_assert_eq!(running, Some(call_id)),
                    EventMsg::ExecCommandEnd(end) => prop_assert_eq!(running.take(), Some(&end.call_id)),
                    EventMsg::TurnComplete { .. } | EventMsg::TaskComplete { .. } => prop_assert_eq!(running, None),
                    _ => {}
                }
            }
            let excused = task.was_hit(&[Who::Turn, Who::Task, Who::Session])
                || task.events().any(|m| matches!(m, EventMsg::Warning { message } if says_so(message)));
            prop_assert!(excused || task.terminal_at().is_none() || running.is_none(), "{running:?} has no end");
        }
    }

    #[test]
    fn each_begin_is_of_a_command_that_starts(script in any_script()) {
        for task in world::run(&script).tasks() {
            let mut begun = 0;
            let mut started = HashSet::new();
            for seen in task.until_terminal() {
                let begins = matches!(
                    seen.msg(),
                    Some(EventMsg::ExecCommandBegin(_) | EventMsg::PatchApplyBegin { .. })
                );
                begun += usize::from(begins);
                let starts = match seen {
                    Seen::Starts { task: of, what: What::Command | What::Apply, call, .. } => {
                        // The second try of one that was denied is of the same begin.
                        *of == task.task && started.insert(call)
                    }
                    _ => false,
                };
                if starts {
                    prop_assert!(begun > 0, "a call starts that the UI was not told of");
                    begun -= 1;
                }
            }
            prop_assert!(begun == 0 || task.was_hit(&[Who::Turn, Who::Task, Who::Session]));
        }
    }

    #[test]
    fn open_questions_can_be_told_apart(script in any_script()) {
        let mut open: HashMap<CallKey, CallId> = HashMap::new();
        for seen in &world::run(&script).seen {
            match seen {
                Seen::TaskStarts(..) => open.clear(),
                Seen::Asked { question, .. } => {
                    let id = question.request.call_id().clone();
                    prop_assert!(!id.as_str().is_empty());
                    prop_assert!(open.values().all(|other| *other != id), "two questions of {id:?}");
                    open.insert(question.call, id);
                }
                Seen::Answered { call, .. } => {
                    open.remove(call);
                }
                _ => {}
            }
            // A turn's questions end with it.
            if matches!(seen.msg(), Some(EventMsg::TurnComplete { .. } | EventMsg::TurnAborted { .. })) {
                open.clear();
            }
        }
    }
}

fn asked(trace: &Trace, call: CallKey) -> Result<&Question, TestCaseError> {
    let question = trace.seen.iter().find_map(|seen| match seen {
        Seen::Asked { question, .. } if question.call == call => Some(question),
        _ => None,
    });
    question.ok_or_else(|| TestCaseError::fail(format!("{call:?} was never asked")))
}

/// Whether a command, or the turn that knows of it, was given up on.
fn says_so(message: &str) -> bool {
    message.contains("gave up") || message.contains("did not stop")
}

fn call_asked_about(msg: &EventMsg) -> Option<&CallId> {
    match msg {
        EventMsg::ExecApprovalRequest(request) => Some(&request.call_id),
        EventMsg::ApplyPatchApprovalRequest(request) => Some(&request.call_id),
        _ => None,
    }
}

fn approves(op: &Op) -> bool {
    use ReviewDecision::{Approved, ApprovedForSession};
    match op {
        Op::ExecApproval { decision, .. } | Op::PatchApproval { decision, .. } => {
            matches!(decision, Approved | ApprovedForSession)
        }
        _ => false,
    }
}

fn means(op: &Op, question: &Question) -> bool {
    match op {
        Op::ExecApproval { .. } if question.request.kind() != Kind::Command => false,
        Op::PatchApproval { .. } if question.request.kind() != Kind::Patch => false,
        Op::ExecApproval { id, call_id, .. } | Op::PatchApproval { id, call_id, .. } => match call_id {
            Some(call) => call == question.request.call_id(),
            None => !id.is_empty(),
        },
        _ => false,
    }
}

/// Whether the same words in the same place, or the same files, with the same rights were approved for the session.
fn covered(before: &[Seen], question: &Question) -> bool {
    let words = |question: &Question| match &question.request {
        Request::Command(request) if question.files.is_empty() => Some((request.command.clone(), request.cwd.clone())),
        _ => None,
    };
    let same = |other: &Question| {
        (words(other), &other.files, other.confinement) == (words(question), &question.files, question.confinement)
    };
    let questions =
        before.iter().filter_map(|s| if let Seen::Asked { question, .. } = s { Some(question) } else { None });
    let of_these_words: HashSet<_> = questions.filter(|q| same(q)).map(|q| q.call).collect();
    let for_the_session = |op: &Op| match op {
        Op::ExecApproval { decision, .. } | Op::PatchApproval { decision, .. } => {
            *decision == ReviewDecision::ApprovedForSession
        }
        _ => false,
    };
    before.iter().any(|seen| match seen {
        Seen::Answered { call, because: Because::Op(op), .. } => of_these_words.contains(call) && for_the_session(op),
        _ => false,
    })
}
