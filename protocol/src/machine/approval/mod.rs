//! Who is asked before a command runs (reference `protocol-v1.md` §4.3) or a patch is applied (`apply-patch.md` §6), and
//! the questions that are open.

mod denial;
mod patch;
mod questions;

pub use self::{
    denial::{RETRY_REASON, may_run_again, was_denied},
    patch::decide_patch,
    questions::{Answer, Approvals, CallKey, Kind, Question, Request, Resolution},
};
use super::settings::{Enforcement, Settings};
use crate::{
    command::{is_known_safe, might_be_dangerous},
    tool::shell::ShellCall,
    wire::policy::{AskForApproval, SandboxPolicy},
};

/// How a command, or the application of a patch, is confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Confinement {
    /// As the session's policy says.
    Sandboxed,
    /// Not at all.
    Unconfined,
}

/// What to do with a command or a patch that the model asks for.
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
