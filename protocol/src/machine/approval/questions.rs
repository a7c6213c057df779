//! The questions that are open, and what their answers lead to.

use super::Confinement;
use crate::{
    ids::{CallId, SubmissionId, TaskId, TurnId},
    wire::{
        decision::ReviewDecision,
        event::{ApplyPatchApprovalRequest, EventMsg, ExecApprovalRequest},
    },
};
use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
};

/// A tool call within a session: the turn and the call's place in it. The model's own ids may repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey {
    /// The turn that asked for it.
    pub turn: TurnId,
    /// Which of the turn's calls it is, from 0.
    pub index: u32,
}

/// What `approved_for_session` covers: the same words in the same place, or the same file, with the same rights.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Approved {
    Command { command: Vec<String>, cwd: PathBuf, confinement: Confinement },
    File { path: PathBuf, confinement: Confinement },
}

/// A question to a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// What waits for the answer.
    pub call: CallKey,
    /// What a UI is shown.
    pub request: Request,
    /// How the command, or the patch, would be confined.
    pub confinement: Confinement,
    /// The files that a patch writes, where they really are; a command has none.
    pub files: Vec<PathBuf>,
}

/// What a UI is shown of a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// May this command run? Answered by `exec_approval`.
    Command(ExecApprovalRequest),
    /// May this patch be applied? Answered by `patch_approval`.
    Patch(ApplyPatchApprovalRequest),
}

/// Of which kind a question is, or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A command.
    Command,
    /// A patch.
    Patch,
}

impl Request {
    /// The call, as the UI knows it.
    #[must_use]
    pub fn call_id(&self) -> &CallId {
        match self {
            Self::Command(request) => &request.call_id,
            Self::Patch(request) => &request.call_id,
        }
    }

    /// Which answers are for it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Command(_) => Kind::Command,
            Self::Patch(_) => Kind::Patch,
        }
    }

    /// The event that asks.
    #[must_use]
    pub fn event(&self) -> EventMsg {
        match self.clone() {
            Self::Command(request) => EventMsg::ExecApprovalRequest(request),
            Self::Patch(request) => EventMsg::ApplyPatchApprovalRequest(request),
        }
    }
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
        Approved::by(question).iter().all(|needed| self.approved.contains(needed))
    }

    /// Opens a question.
    pub fn open(&mut self, task: TaskId, submission: SubmissionId, question: Question) {
        self.open.insert(question.call, Open { task, submission, question });
    }

    /// Answers the question of this kind and `id` (the task's submission id, or the call's own) and, where several are
    /// open, `call_id`; without that the oldest.
    pub fn resolve(&mut self, kind: Kind, id: &str, call_id: Option<&CallId>, decision: ReviewDecision) -> Resolution {
        let Some(call) = self.find(kind, id, call_id) else {
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
                    self.approved.extend(Approved::by(&open.question));
                }
            }
        }
        let mut settled = vec![call];
        settled.extend(self.take_covered());
        Resolution::Settled(settled, Answer::Approved)
    }

    /// Open questions that one which was approved for the session has answered.
    fn take_covered(&mut self) -> Vec<CallKey> {
        let covered: Vec<_> =
            self.open.values().filter(|o| self.covers(&o.question)).map(|o| o.question.call).collect();
        self.open.retain(|call, _| !covered.contains(call));
        covered
    }

    fn find(&self, kind: Kind, id: &str, call_id: Option<&CallId>) -> Option<CallKey> {
        let asked = |o: &Open| o.question.request.call_id().clone();
        self.open
            .values()
            .filter(|o| o.question.request.kind() == kind)
            .find(|o| match call_id {
                Some(call) => asked(o) == *call && o.submission.as_str() == id,
                None => o.submission.as_str() == id || asked(o).as_str() == id,
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
    /// All that it takes. A patch is known by its files, also where it is to be applied again as a command would be run
    /// again: another patch is none that was approved.
    fn by(question: &Question) -> Vec<Self> {
        let confinement = question.confinement;
        match &question.request {
            Request::Command(request) if question.files.is_empty() => {
                vec![Self::Command { command: request.command.clone(), cwd: request.cwd.clone(), confinement }]
            }
            _ => question.files.iter().map(|path| Self::File { path: path.clone(), confinement }).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens questions (`u1/a:make` is call `a` of task `u1`, in the order of their calls; `+f+g` in place of a word is a
    /// patch of these files) and answers some: `id`, perhaps `/call`, `=`, decision; `+` before it is a patch's answer.
    fn check(open: &str, answers: &str, expected: &str, left: &str) {
        let mut approvals = Approvals::default();
        for (index, words) in (0..).zip(open.split_whitespace()) {
            let (name, command) = words.split_once(':').unwrap();
            let (submission, call) = name.split_once('/').unwrap();
            let task = TaskId(submission.trim_start_matches('u').parse().unwrap());
            approvals.open(task, submission.into(), question(index, call, command));
        }
        let resolved: Vec<_> = answers.split_whitespace().map(|answer| resolve(&mut approvals, answer)).collect();
        assert_eq!(resolved.join(" "), expected, "{open}: {answers}");
        let open: Vec<_> = approvals.list().map(|(_, q)| q.request.call_id().to_string()).collect();
        assert_eq!(open.join(" "), left, "{answers}");
    }

    fn resolve(approvals: &mut Approvals, answer: &str) -> String {
        let (kind, answer) = answer.strip_prefix('+').map_or((Kind::Command, answer), |answer| (Kind::Patch, answer));
        let (name, decision) = answer.split_once('=').unwrap();
        let decision = serde_json::from_value(decision.into()).unwrap();
        let (id, call) = name.split_once('/').map_or((name, None), |(id, call)| (id, Some(CallId::from(call))));
        match approvals.resolve(kind, id, call.as_ref(), decision) {
            Resolution::Settled(calls, answer) => {
                let calls: Vec<_> = calls.iter().map(|c| c.index.to_string()).collect();
                format!("{answer:?}:{}", calls.join("+"))
            }
            other => format!("{other:?}"),
        }
    }

    fn question(index: u32, call: &str, subject: &str) -> Question {
        let files: Vec<PathBuf> = subject.split('+').skip(1).map(PathBuf::from).collect();
        let command = || ExecApprovalRequest {
            call_id: call.into(),
            command: vec![subject.into()],
            cwd: "/work".into(),
            reason: None,
            parsed_cmd: Vec::new(),
        };
        let patch = || ApplyPatchApprovalRequest { call_id: call.into(), changes: BTreeMap::new(), reason: None };
        Question {
            call: CallKey { turn: TurnId(1), index },
            request: if files.is_empty() { Request::Command(command()) } else { Request::Patch(patch()) },
            confinement: Confinement::Sandboxed,
            files,
        }
    }

    #[test]
    fn an_answer_finds_its_question() {
        check("u1/a:make u1/b:test", "u1=approved u1=denied u1=approved", "Approved:0 Denied:1 Unknown", "");
        check("u1/a:make u1/b:test", "u1/b=approved u1/b=approved", "Approved:1 Unknown", "a");
        check("u1/a:make u1/b:test", "b=allow", "Approved:1", "a");
        check("u1/a:make", "u2=approved u2/a=approved u1/b=approved", "Unknown Unknown Unknown", "a");
        check("u1/a:make u1/b:test", "u1/b=abort", "Abort", "a b");
    }

    #[test]
    fn a_patch_is_answered_as_a_patch_and_a_command_as_a_command() {
        check("u1/a:make u1/b:+f", "+u1=approved u1=denied", "Approved:1 Denied:0", "");
        check("u1/a:make u1/b:+f", "u1/b=approved +u1/a=approved +a=approved", "Unknown Unknown Unknown", "a b");
        check("u1/a:+f", "u1=approved +u1=denied +u1=denied", "Unknown Denied:0 Unknown", "");
    }

    #[test]
    fn a_patch_that_was_approved_for_the_session_covers_its_files() {
        check("u1/a:+f+g u1/b:+g u1/c:+g+h u1/d:f", "+u1/a=approved_for_session", "Approved:0+1", "c d");
        check(
            "u1/a:+f u1/b:+g u1/c:+f+g",
            "+a=approved_for_session +b=approved_for_session",
            "Approved:0 Approved:1+2",
            "",
        );
        let mut approvals = Approvals::default();
        approvals.open(TaskId(1), "u1".into(), question(0, "a", "+f"));
        let _ = approvals.resolve(Kind::Patch, "u1", None, ReviewDecision::ApprovedForSession);
        let again = Question { request: question(0, "b", "apply_patch").request, ..question(0, "b", "+f") };
        assert!(approvals.covers(&again));
        assert!(!approvals.covers(&Question { confinement: Confinement::Unconfined, ..again }));
    }

    #[test]
    fn approved_for_the_session_covers_the_same_words() {
        check("u1/a:make u1/b:test u1/c:make", "u1/c=approved_for_session", "Approved:2+0", "b");
        check("u1/a:make u1/c:make", "u1/c=approved", "Approved:1", "a");
        let mut approvals = Approvals::default();
        approvals.open(TaskId(1), "u1".into(), question(0, "a", "make"));
        let _ = approvals.resolve(Kind::Command, "u1", None, ReviewDecision::ApprovedForSession);
        assert!(approvals.covers(&question(5, "z", "make")));
        assert!(!approvals.covers(&question(5, "z", "test")));
        let mut elsewhere = question(5, "z", "make");
        if let Request::Command(request) = &mut elsewhere.request {
            request.cwd = "/elsewhere".into();
        }
        assert!(!approvals.covers(&elsewhere));
        let free = Question { confinement: Confinement::Unconfined, ..question(5, "z", "make") };
        assert!(!approvals.covers(&free));
    }

    #[test]
    fn questions_end_with_their_task() {
        let mut approvals = Approvals::default();
        approvals.open(TaskId(1), "u1".into(), question(0, "a", "make"));
        approvals.open(TaskId(2), "u2".into(), question(1, "b", "make"));
        approvals.close_task(TaskId(1));
        assert_eq!(approvals.list().count(), 1);
        assert_eq!(approvals.resolve(Kind::Command, "u1", None, ReviewDecision::Approved), Resolution::Unknown);
        assert!(approvals.close(CallKey { turn: TurnId(1), index: 1 }));
        assert!(!approvals.close(CallKey { turn: TurnId(1), index: 1 }));
    }
}
