//! Whether it was the sandbox that a command failed at, and whether it may then run without (reference `protocol-v1.md`
//! §4.3).

use super::Confinement;
use crate::{
    machine::{settings::Settings, turn::CallEnd},
    wire::policy::AskForApproval,
};

/// What a person is told who is asked whether a command may run again.
pub const RETRY_REASON: &str = "command failed; retry without sandbox?";

/// What programs say when the kernel says no, in lower case.
const COMPLAINTS: [&str; 7] = [
    "operation not permitted",
    "permission denied",
    "read-only file system",
    "seccomp",
    "sandbox",
    "landlock",
    "failed to write file",
];

/// The signal of a forbidden system call.
const SIGSYS: i32 = 31;

/// Whether a person may be asked to let something run again without the sandbox that it failed in. Under every other
/// policy the failure goes to the model, and nothing ever leaves the sandbox by itself.
#[must_use]
pub fn may_run_again(settings: &Settings, confinement: Confinement) -> bool {
    settings.approval_policy == AskForApproval::OnFailure && confinement == Confinement::Sandboxed
}

/// Whether a failure looks like the sandbox's doing. A guess from what was said: it only decides whether to ask.
#[must_use]
pub fn was_denied(end: &CallEnd, output: &str) -> bool {
    match end {
        CallEnd::Exited(0) | CallEnd::NotStarted(_) | CallEnd::Lost | CallEnd::Inspected(_) => false,
        CallEnd::Signalled(SIGSYS) => true,
        CallEnd::Exited(code) if *code == 128 + SIGSYS => true,
        CallEnd::Exited(_) | CallEnd::Signalled(_) => {
            let output = output.to_lowercase();
            COMPLAINTS.iter().any(|complaint| output.contains(complaint))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fixture;

    #[test]
    fn a_denial_is_known_by_its_words_or_its_signal() {
        let check = |end: CallEnd, output: &str, expected: bool| {
            assert_eq!(was_denied(&end, output), expected, "{end:?} {output}");
        };
        check(CallEnd::Exited(1), "touch: cannot touch '/x': Read-only file system", true);
        check(CallEnd::Exited(2), "bash: /x: Permission denied", true);
        check(CallEnd::Exited(1), "OPERATION NOT PERMITTED", true);
        check(CallEnd::Exited(1), "1 test failed", false);
        check(CallEnd::Exited(126), "", false);
        check(CallEnd::Exited(127), "make: not found", false);
        check(CallEnd::Exited(0), "warning: permission denied", false);
        check(CallEnd::Exited(159), "", true);
        check(CallEnd::Signalled(31), "", true);
        check(CallEnd::Signalled(9), "", false);
        check(CallEnd::NotStarted("permission denied".into()), "", false);
        check(CallEnd::Lost, "permission denied", false);
    }

    #[test]
    fn only_a_policy_that_says_so_leads_out_of_the_sandbox() {
        use AskForApproval::{Never, OnFailure, OnRequest, Untrusted};
        for ask in [Never, OnFailure, OnRequest, Untrusted] {
            let settings = Settings { approval_policy: ask, ..fixture::settings() };
            assert_eq!(may_run_again(&settings, Confinement::Sandboxed), ask == OnFailure);
            assert!(!may_run_again(&settings, Confinement::Unconfined));
        }
    }
}
