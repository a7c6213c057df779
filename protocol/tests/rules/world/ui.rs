//! The UI: what it says, given what it was told.

use super::{World, sessions::SessionMail};
use crate::{
    script::{Farewell, From, Name, Say, Which},
    trace::Seen,
};
use llmx_protocol::{
    ids::{CallId, ResponseId, SubmissionId},
    machine::session,
    wire::{
        decision::ReviewDecision,
        event::{Event, EventMsg},
        item::UserInput,
        op::{ConfigureSession, Op, OverrideTurnContext, UserTurn},
        policy::ReasoningSummary,
        submission::{BadSubmission, Submission},
    },
};

#[derive(Default)]
pub(super) struct Ui {
    names: Vec<SubmissionId>,
    /// How often it said something: no words are said twice.
    said: usize,
}

impl World {
    pub(super) fn configure(&mut self) {
        self.submit(Name::Fresh, Op::ConfigureSession(Box::new(configure_session("/work"))));
    }

    pub(super) fn say(&mut self, say: &Say, name: Name) {
        if matches!(say, Say::BadLine) {
            let id = self.name(name);
            let bad = BadSubmission { id, message: "unknown op `fly`".into() };
            return self.send(session::Input::Submit(Err(bad)));
        }
        self.ui.said += 1;
        let op = self.op(say);
        self.submit(name, op);
    }

    pub(super) fn say_farewell(&mut self, farewell: Farewell) {
        match farewell {
            Farewell::Stays => {}
            Farewell::NoMoreInput => self.send(session::Input::NoMoreInput),
            Farewell::Leave => self.send(session::Input::Leave),
        }
    }

    /// What is said while the session is being rebuilt waits for it; what is said after its end is not heard.
    fn send(&mut self, input: session::Input) {
        match &mut self.session {
            Some(session) => session.mail.push_back(SessionMail::Input(input)),
            None if self.rebuild_by.is_some() => self.insisted.push(input),
            None => {}
        }
    }

    fn submit(&mut self, name: Name, op: Op) {
        let id = self.name(name);
        self.send(session::Input::Submit(Ok(Submission { id, op })));
    }

    fn name(&mut self, name: Name) -> SubmissionId {
        let names = &mut self.ui.names;
        match name {
            Name::Used(k) if !names.is_empty() => names[usize::from(k) % names.len()].clone(),
            _ => {
                names.push(SubmissionId::from(format!("s{}", names.len())));
                names[names.len() - 1].clone()
            }
        }
    }

    fn op(&self, say: &Say) -> Op {
        match say {
            Say::Configure { approval, sandbox, absolute } => Op::ConfigureSession(Box::new(ConfigureSession {
                approval_policy: Some(*approval),
                sandbox_policy: Some(sandbox.clone()),
                ..configure_session(if *absolute { "/work" } else { "work" })
            })),
            Say::UserInput { from } => {
                Op::UserInput { items: self.words(), last_response_id: self.last_response_id(*from) }
            }
            Say::UserTurn { from, approval, sandbox } => Op::UserTurn(Box::new(UserTurn {
                items: self.words(),
                last_response_id: self.last_response_id(*from),
                cwd: "/work".into(),
                approval_policy: *approval,
                sandbox_policy: sandbox.clone(),
                model: "another-model".into(),
                effort: None,
                summary: ReasoningSummary::Auto,
                final_output_json_schema: None,
            })),
            Say::EmptyInput => Op::UserInput { items: Vec::new(), last_response_id: None },
            Say::Interrupt => Op::Interrupt,
            Say::Decide { which, decision, crossed } => self.decide(*which, *decision, *crossed),
            Say::Override { approval, absolute } => Op::OverrideTurnContext(Box::new(OverrideTurnContext {
                cwd: Some(if *absolute { "/elsewhere" } else { "elsewhere" }.into()),
                approval_policy: *approval,
                ..OverrideTurnContext::default()
            })),
            Say::Compact => Op::Compact,
            Say::Steer { task } => Op::Steer { id: self.task(*task), items: self.words() },
            Say::Shutdown => Op::Shutdown,
            Say::NotBuilt | Say::BadLine => Op::Undo,
        }
    }

    fn words(&self) -> Vec<UserInput> {
        vec![UserInput::Text { text: format!("wish {}", self.ui.said) }]
    }

    fn task(&self, which: Option<u8>) -> String {
        let begins =
            |event: &Event| matches!(event.msg, EventMsg::TaskStarted { .. }).then(|| event.id.as_str().to_owned());
        let tasks = self.seen.iter().filter_map(Seen::event).filter_map(begins).collect();
        which.and_then(|k| nth_last(tasks, k)).unwrap_or_else(|| "no_such_task".into())
    }

    fn last_response_id(&self, from: From) -> Option<ResponseId> {
        match from {
            From::TheEnd => None,
            From::Unknown => Some("resp_unknown".into()),
            From::Bookmark(k) => nth_last(self.bookmarks(), k),
        }
    }

    fn bookmarks(&self) -> Vec<ResponseId> {
        let bookmark = |seen: &Seen| match seen.msg() {
            Some(EventMsg::TurnComplete { response_id }) => response_id.clone(),
            _ => None,
        };
        self.seen.iter().filter_map(bookmark).collect()
    }

    /// The task, the call, and whether it is a patch.
    fn questions(&self) -> Vec<(String, CallId, bool)> {
        let question = |event: &Event| match &event.msg {
            EventMsg::ExecApprovalRequest(request) => {
                Some((event.id.as_str().to_owned(), request.call_id.clone(), false))
            }
            EventMsg::ApplyPatchApprovalRequest(request) => {
                Some((event.id.as_str().to_owned(), request.call_id.clone(), true))
            }
            _ => None,
        };
        self.seen.iter().filter_map(Seen::event).filter_map(question).collect()
    }

    fn decide(&self, which: Which, decision: ReviewDecision, crossed: bool) -> Op {
        let asked = |k| nth_last(self.questions(), k).unwrap_or_else(|| ("s1".into(), CallId::from("call_1_0"), false));
        let (id, call_id, patch) = match which {
            Which::OldestOfTask => (asked(0).0, None, asked(0).2),
            Which::Call(k) => (asked(k).0, Some(asked(k).1), asked(k).2),
            Which::CallAsId(k) => (asked(k).1.as_str().to_owned(), None, asked(k).2),
            Which::WrongCall => (asked(0).0, Some(CallId::from("no_such_call")), asked(0).2),
            Which::WrongTask => ("no_such_task".into(), Some(asked(0).1), asked(0).2),
        };
        if patch != crossed {
            Op::PatchApproval { id, call_id, decision }
        } else {
            Op::ExecApproval { id, call_id, decision }
        }
    }
}

fn configure_session(cwd: &str) -> ConfigureSession {
    ConfigureSession { cwd: Some(cwd.into()), ..ConfigureSession::default() }
}

fn nth_last<T: Clone>(list: Vec<T>, k: u8) -> Option<T> {
    let n = list.len();
    list.into_iter().nth(n.checked_sub(1 + usize::from(k) % n.max(1))?)
}
