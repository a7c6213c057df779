//! Who is asked before a command runs (reference `protocol-v1.md` §4.3), and the questions that are open.

use super::settings::{Enforcement, Settings};
use crate::{
    command::{is_known_safe, might_be_dangerous},
    ids::{CallId, SubmissionId, TaskId, TurnId},
    tool::shell::ShellCall,
    wire::{
        decision::ReviewDecision,
        event::ExecApprovalRequest,
        policy::{AskForApproval, SandboxPolicy},
    },
};
use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
};

/// How a command is confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Confinement {
    /// As the session's policy says.
    Sandboxed,
    /// Not at all.
    Unconfined,
}

/// What to do with a command that the model asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Run it.
    Run(Confinement),
    /// Ask a person; if approved, run it so.
    Ask(Confinement),
    /// Do not run it; this is what the model is told.
    Refuse(Refusal),
}

/// Why a command is not run although nobody said no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The model asked for more than the policy lets it ask for.
    Policy(String),
    /// The command must be confined and cannot be: the user should know too.
    NoSandbox(String),
}

/// The decision table.
#[must_use]
pub fn decide(settings: &Settings, call: &ShellCall) -> Verdict {
    let ask = settings.approval_policy;
    if call.escalate && ask != AskForApproval::OnRequest {
        return Verdict::Refuse(Refusal::Policy(format!(
            "approval policy is {}: with_escalated_permissions is refused; nothing was run",
            ask.as_str()
        )));
    }
    let confinement = if call.escalate || settings.sandbox_policy.is_unrestricted() {
        Confinement::Unconfined
    } else {
        Confinement::Sandboxed
    };
    if let (Confinement::Sandboxed, Enforcement::None(why)) = (confinement, &settings.enforcement) {
        return Verdict::Refuse(Refusal::NoSandbox(no_sandbox(&settings.sandbox_policy, why)));
    }
    if must_ask(settings, call) { Verdict::Ask(confinement) } else { Verdict::Run(confinement) }
}

fn must_ask(settings: &Settings, call: &ShellCall) -> bool {
    let restricted = !settings.sandbox_policy.is_unrestricted();
    match settings.approval_policy {
        AskForApproval::Untrusted => !is_known_safe(&call.command),
        AskForApproval::OnRequest => (restricted && call.escalate) || might_be_dangerous(&call.command),
        AskForApproval::OnFailure | AskForApproval::Never => false,
    }
}

/// What is said where a restricted policy cannot be enforced.
#[must_use]
pub fn no_sandbox(policy: &SandboxPolicy, why: &str) -> String {
    format!("sandbox policy {} cannot be enforced: {why}; nothing was run", policy.mode())
}

/// A tool call within a session: the turn and the call's place in it. The model's own ids may repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey {
    /// The turn that asked for it.
    pub turn: TurnId,
    /// Which of the turn's calls it is, from 0.
    pub index: u32,
}

/// What `approved_for_session` covers: the same words in the same place with the same rights.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Approved {
    command: Vec<String>,
    cwd: PathBuf,
    confinement: Confinement,
}

/// A question to a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// What waits for the answer.
    pub call: CallKey,
    /// What a UI is shown.
    pub request: ExecApprovalRequest,
    /// How the command would be confined.
    pub confinement: Confinement,
}

/// The answer to a question, as the call gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Run it.
    Approved,
    /// Do not.
    Denied,
}

/// The open questions of a session and what needs no question any more. State, not callbacks: it can be listed, and
/// it ends with its task.
#[derive(Clone, Debug, Default)]
pub struct Approvals {
    open: BTreeMap<CallKey, Open>,
    approved: HashSet<Approved>,
}

#[derive(Clone, Debug)]
struct Open {
    task: TaskId,
    submission: SubmissionId,
    question: Question,
}

/// What an answer leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// These calls get this answer.
    Settled(Vec<CallKey>, Answer),
    /// The task is to be aborted.
    Abort,
    /// Nothing open is meant.
    Unknown,
}

impl Approvals {
    /// Whether an earlier answer covers the question.
    #[must_use]
    pub fn covers(&self, question: &Question) -> bool {
        self.approved.contains(&Approved::by(question))
    }

    /// Opens a question.
    pub fn open(&mut self, task: TaskId, submission: SubmissionId, question: Question) {
        self.open.insert(question.call, Open { task, submission, question });
    }

    /// Answers the question of `id` (the task's submission id, or the call's own) and, where several are open,
    /// `call_id`; without that the oldest.
    pub fn resolve(&mut self, id: &str, call_id: Option<&CallId>, decision: ReviewDecision) -> Resolution {
        let Some(call) = self.find(id, call_id) else {
            return Resolution::Unknown;
        };
        match decision {
            ReviewDecision::Abort => return Resolution::Abort,
            ReviewDecision::Denied => {
                self.open.remove(&call);
                return Resolution::Settled(vec![call], Answer::Denied);
            }
            ReviewDecision::Approved => {
                self.open.remove(&call);
            }
            ReviewDecision::ApprovedForSession => {
                if let Some(open) = self.open.remove(&call) {
                    self.approved.insert(Approved::by(&open.question));
                }
            }
        }
        let mut settled = vec![call];
        settled.extend(self.take_covered());
        Resolution::Settled(settled, Answer::Approved)
    }

    /// Open questions of the same words as one that was approved for the session.
    fn take_covered(&mut self) -> Vec<CallKey> {
        let covered: Vec<_> =
            self.open.values().filter(|o| self.covers(&o.question)).map(|o| o.question.call).collect();
        self.open.retain(|call, _| !covered.contains(call));
        covered
    }

    fn find(&self, id: &str, call_id: Option<&CallId>) -> Option<CallKey> {
        self.open
            .values()
            .find(|o| match call_id {
                Some(call) => o.question.request.call_id == *call && o.submission.as_str() == id,
                None => o.submission.as_str() == id || o.question.request.call_id.as_str() == id,
            })
            .map(|o| o.question.call)
    }

    /// Closes one question without an answer (its time is up) and says whether it was open.
    pub fn close(&mut self, call: CallKey) -> bool {
        self.open.remove(&call).is_some()
    }

    /// Closes every question of a task that ends.
    pub fn close_task(&mut self, task: TaskId) {
        self.open.retain(|_, o| o.task != task);
    }

    /// The open questions, oldest first, with the submission that each belongs to.
    pub fn list(&self) -> impl Iterator<Item = (&SubmissionId, &Question)> {
        self.open.values().map(|o| (&o.submission, &o.question))
    }
}

impl Approved {
    fn by(question: &Question) -> Self {
        Self {
            command: question.request.command.clone(),
            cwd: question.request.cwd.clone(),
            confinement: question.confinement,
        }
    }
}
