//! Who is asked before a patch is applied: the table of reference `apply-patch.md` §6.

use super::{Confinement, Refusal, Verdict, no_sandbox, unenforceable};
use crate::{machine::settings::Settings, tool::apply_patch::REJECTED_AS_OUTSIDE, wire::policy::AskForApproval};

/// What to do with a patch. `outside`: whether it writes anything that the policy does not let commands write.
///
/// A patch that a person must allow because it leaves the writable roots is applied without the sandbox then, which
/// would keep it from just what was allowed. Under `on-failure` the sandbox is tried first.
#[must_use]
pub fn decide_patch(settings: &Settings, outside: bool) -> Verdict {
    use AskForApproval::{Never, OnFailure, OnRequest, Untrusted};
    if settings.sandbox_policy.is_unrestricted() {
        return match settings.approval_policy {
            Untrusted => Verdict::Ask(Confinement::Unconfined),
            OnFailure | OnRequest | Never => Verdict::Run(Confinement::Unconfined),
        };
    }
    let no_walls = unenforceable(&settings.enforcement, &settings.sandbox_policy);
    match (settings.approval_policy, outside, no_walls) {
        (Never, true, _) => Verdict::Refuse(Refusal::Policy(REJECTED_AS_OUTSIDE.to_owned())),
        (Never, false, Some(why)) => Verdict::Refuse(Refusal::NoSandbox(no_sandbox(&settings.sandbox_policy, why))),
        (Untrusted | OnRequest, true, _) | (_, _, Some(_)) => Verdict::Ask(Confinement::Unconfined),
        (Untrusted, false, None) => Verdict::Ask(Confinement::Sandboxed),
        (OnFailure, _, None) | (OnRequest | Never, false, None) => Verdict::Run(Confinement::Sandboxed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        machine::{fixture, settings::Enforcement},
        wire::policy::SandboxPolicy,
    };

    /// What becomes of a patch within the roots, and of one that leaves them.
    fn check(ask: AskForApproval, sandbox: SandboxPolicy, enforcement: Enforcement, within: &str, outside: &str) {
        let settings = Settings { approval_policy: ask, sandbox_policy: sandbox, enforcement, ..fixture::settings() };
        for (leaves, expected) in [(false, within), (true, outside)] {
            let found = match decide_patch(&settings, leaves) {
                Verdict::Run(Confinement::Sandboxed) => "run",
                Verdict::Run(Confinement::Unconfined) => "run free",
                Verdict::Ask(Confinement::Sandboxed) => "ask",
                Verdict::Ask(Confinement::Unconfined) => "ask free",
                Verdict::Refuse(Refusal::Policy(_)) => "no",
                Verdict::Refuse(Refusal::NoSandbox(_)) => "cannot",
            };
            assert_eq!(found, expected, "{ask:?} {:?} {:?} {leaves}", settings.sandbox_policy, settings.enforcement);
        }
    }

    #[test]
    fn who_is_asked_before_a_patch_is_applied() {
        use AskForApproval::{Never, OnFailure, OnRequest, Untrusted};
        for sandbox in [SandboxPolicy::default(), SandboxPolicy::ReadOnly] {
            let confined = |ask, within, outside| check(ask, sandbox.clone(), Enforcement::Full, within, outside);
            confined(Untrusted, "ask", "ask free");
            confined(OnRequest, "run", "ask free");
            confined(OnFailure, "run", "run");
            confined(Never, "run", "no");
        }
        for enforcement in [Enforcement::Full, Enforcement::None("no namespaces".into())] {
            let free = |ask, what| check(ask, SandboxPolicy::DangerFullAccess, enforcement.clone(), what, what);
            free(Untrusted, "ask free");
            [OnRequest, OnFailure, Never].into_iter().for_each(|ask| free(ask, "run free"));
        }
        let nowhere = |ask, within, outside| {
            check(ask, SandboxPolicy::ReadOnly, Enforcement::None("no namespaces".into()), within, outside);
        };
        [Untrusted, OnRequest, OnFailure].into_iter().for_each(|ask| nowhere(ask, "ask free", "ask free"));
        nowhere(Never, "cannot", "no");
    }
}
