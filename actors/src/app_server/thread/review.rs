//! What a reviewer is told.

use llmx_protocol::wire::rpc::thread::ReviewTarget;

const HOW: &str = "Look for bugs, security problems, regressions and missing tests that the change brings. Do not change \
     anything. Name each finding with its file and line, how bad it is, and why; the worst first. If there is nothing to \
     find, say so.";

pub(super) fn prompt(target: &ReviewTarget) -> String {
    let what = match target {
        ReviewTarget::UncommittedChanges => {
            "Review the changes in this work tree that are not committed: staged, unstaged and untracked.".to_owned()
        }
        ReviewTarget::BaseBranch { branch } => {
            format!("Review what has changed here since the branch `{branch}`: start with `git diff {branch}...HEAD`.")
        }
        ReviewTarget::Commit { sha, title: None } => format!("Review what the commit {sha} changes."),
        ReviewTarget::Commit { sha, title: Some(title) } => {
            format!("Review what the commit {sha} (\"{title}\") changes.")
        }
        ReviewTarget::Custom { instructions } => return instructions.clone(),
    };
    format!("{what} {HOW}")
}
