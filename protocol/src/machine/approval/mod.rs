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
    if let (Confinement::Sandboxed, Some(why)) =
        (confinement, unenforceable(&settings.enforcement, &settings.sandbox_policy))
    {
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

/// Why nothing may run under a policy where commands are confined only so well; `None` if it may.
#[must_use]
pub fn unenforceable<'e>(enforcement: &'e Enforcement, policy: &SandboxPolicy) -> Option<&'e str> {
    match (enforcement, policy) {
        (_, SandboxPolicy::DangerFullAccess) | (Enforcement::Full, _) => None,
        (Enforcement::Degraded { .. }, SandboxPolicy::ReadOnly) | (Enforcement::Degraded { writes: true, .. }, _) => {
            None
        }
        (Enforcement::Degraded { why, .. } | Enforcement::None(why), _) => Some(why),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fixture;

    const FREE: SandboxPolicy = SandboxPolicy::DangerFullAccess;
    const CONFINED: SandboxPolicy = SandboxPolicy::ReadOnly;

    fn call(escalate: bool) -> ShellCall {
        ShellCall { command: vec!["make".into()], workdir: None, timeout: None, escalate, justification: None }
    }

    fn verdict(ask: AskForApproval, sandbox: &SandboxPolicy, call: &ShellCall, enforcement: Enforcement) -> String {
        let settings =
            Settings { approval_policy: ask, sandbox_policy: sandbox.clone(), enforcement, ..fixture::settings() };
        match decide(&settings, call) {
            Verdict::Run(Confinement::Sandboxed) => "run".into(),
            Verdict::Run(Confinement::Unconfined) => "run free".into(),
            Verdict::Ask(Confinement::Sandboxed) => "ask".into(),
            Verdict::Ask(Confinement::Unconfined) => "ask free".into(),
            Verdict::Refuse(Refusal::Policy(why)) => format!("no: {why}"),
            Verdict::Refuse(Refusal::NoSandbox(why)) => format!("cannot: {why}"),
        }
    }

    /// The table of reference `protocol-v1.md` §4.3 for commands that are neither known nor dangerous.
    #[test]
    fn who_is_asked() {
        use AskForApproval::{Never, OnFailure, OnRequest, Untrusted};
        let check = |ask: AskForApproval, escalate, confined: &str, free: &str| {
            for (sandbox, expected) in [(&CONFINED, confined), (&FREE, free)] {
                let verdict = verdict(ask, sandbox, &call(escalate), Enforcement::Full);
                assert!(verdict.starts_with(expected), "{ask:?} {sandbox:?} {escalate}: {verdict}");
            }
        };
        check(Untrusted, false, "ask", "ask free");
        check(OnRequest, false, "run", "run free");
        check(OnFailure, false, "run", "run free");
        check(Never, false, "run", "run free");
        check(OnRequest, true, "ask free", "run free");
        for ask in [Untrusted, OnFailure, Never] {
            let no = format!("no: approval policy is {}: with_escalated_permissions is refused", ask.as_str());
            check(ask, true, &no, &no);
        }
    }

    #[test]
    fn what_cannot_be_confined_does_not_run_confined() {
        let cannot = || Enforcement::None("no namespaces".into());
        let check = |sandbox: &SandboxPolicy, escalate, expected: &str| {
            let verdict = verdict(AskForApproval::OnRequest, sandbox, &call(escalate), cannot());
            assert_eq!(verdict, expected);
        };
        check(&CONFINED, false, "cannot: sandbox policy read-only cannot be enforced: no namespaces; nothing was run");
        check(&CONFINED, true, "ask free");
        check(&FREE, false, "run free");
    }

    /// Opens questions (`u1/a:make` is call `a` of task `u1`, in the order of their calls) and answers some: `id`,
    /// perhaps `/call`, `=`, decision.
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
        let open: Vec<_> = approvals.list().map(|(_, q)| q.request.call_id.to_string()).collect();
        assert_eq!(open.join(" "), left, "{answers}");
    }

    fn resolve(approvals: &mut Approvals, answer: &str) -> String {
        let (name, decision) = answer.split_once('=').unwrap();
        let decision = serde_json::from_value(decision.into()).unwrap();
        let (id, call) = name.split_once('/').map_or((name, None), |(id, call)| (id, Some(CallId::from(call))));
        match approvals.resolve(id, call.as_ref(), decision) {
            Resolution::Settled(calls, answer) => {
                let calls: Vec<_> = calls.iter().map(|c| c.index.to_string()).collect();
                format!("{answer:?}:{}", calls.join("+"))
            }
            other => format!("{other:?}"),
        }
    }

    fn question(index: u32, call: &str, command: &str) -> Question {
        Question {
            call: CallKey { turn: TurnId(1), index },
            request: ExecApprovalRequest {
                call_id: call.into(),
                command: vec![command.into()],
                cwd: "/work".into(),
                reason: None,
                parsed_cmd: Vec::new(),
            },
            confinement: Confinement::Sandboxed,
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
    fn approved_for_the_session_covers_the_same_words() {
        check("u1/a:make u1/b:test u1/c:make", "u1/c=approved_for_session", "Approved:2+0", "b");
        check("u1/a:make u1/c:make", "u1/c=approved", "Approved:1", "a");
        let mut approvals = Approvals::default();
        approvals.open(TaskId(1), "u1".into(), question(0, "a", "make"));
        let _ = approvals.resolve("u1", None, ReviewDecision::ApprovedForSession);
        assert!(approvals.covers(&question(5, "z", "make")));
        assert!(!approvals.covers(&question(5, "z", "test")));
        let elsewhere = |mut q: Question| {
            q.request.cwd = "/elsewhere".into();
            q
        };
        assert!(!approvals.covers(&elsewhere(question(5, "z", "make"))));
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
        assert_eq!(approvals.resolve("u1", None, ReviewDecision::Approved), Resolution::Unknown);
        assert!(approvals.close(CallKey { turn: TurnId(1), index: 1 }));
        assert!(!approvals.close(CallKey { turn: TurnId(1), index: 1 }));
    }

    #[test]
    fn less_than_the_whole_sandbox_is_enough_for_reading_only_unless_the_user_says_so() {
        let writing = || SandboxPolicy::WorkspaceWrite {
            writable_roots: Vec::new(),
            network_access: false,
            exclude_tmpdir_env_var: false,
            exclude_slash_tmp: false,
        };
        let policies = [SandboxPolicy::ReadOnly, writing(), SandboxPolicy::DangerFullAccess];
        let degraded = |writes| Enforcement::Degraded { why: "no namespaces".into(), writes };
        for (enforcement, runs) in [
            (Enforcement::Full, [true, true, true]),
            (degraded(false), [true, false, true]),
            (degraded(true), [true, true, true]),
            (Enforcement::None("no Landlock".into()), [false, false, true]),
        ] {
            let found = policies.each_ref().map(|policy| unenforceable(&enforcement, policy).is_none());
            assert_eq!(found, runs, "{enforcement:?}");
        }
    }
}
