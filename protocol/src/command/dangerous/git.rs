//! git where it throws away changes or history.

use super::mentions_destruction;
use crate::command::option::{has_letter, is_option};

const GIT_OPTIONS_WITH_VALUE: [&str; 6] =
    ["-C", "--git-dir", "--work-tree", "--namespace", "--config-env", "--exec-path"];

pub(super) const GIT_SUBCOMMANDS: [&str; 12] = [
    "reset",
    "rm",
    "restore",
    "filter-branch",
    "clean",
    "worktree",
    "push",
    "branch",
    "checkout",
    "switch",
    "stash",
    "reflog",
];

pub(super) fn git(args: &[&str]) -> bool {
    let mut rest = args;
    loop {
        rest = match rest {
            ["-c", setting, rest @ ..] if !runs_a_program(setting) => rest,
            ["-c", ..] => return true,
            [option, _, rest @ ..] if GIT_OPTIONS_WITH_VALUE.contains(option) => rest,
            [option, rest @ ..] if option.starts_with('-') => rest,
            [subcommand, args @ ..] => return destroys_in_git(subcommand, args),
            [] => return false,
        }
    }
}

/// An alias is a command under another name.
fn runs_a_program(setting: &str) -> bool {
    setting.to_ascii_lowercase().starts_with("alias.") || mentions_destruction(&[setting])
}

pub(super) fn destroys_in_git(subcommand: &str, args: &[&str]) -> bool {
    let any = |is_meant: fn(&str) -> bool| args.iter().any(|arg| is_meant(arg));
    match subcommand {
        "reset" | "rm" | "restore" | "filter-branch" => true,
        "clean" | "worktree" => any(forces),
        "push" => any(|a| forces(a) || has_letter(a, "d") || a.starts_with(['+', ':']) || deletes_remote(a)),
        "branch" => any(|a| forces(a) || has_letter(a, "DMC")),
        "checkout" => any(|a| forces(a) || has_letter(a, "B") || a == "--" || a == "."),
        "switch" => any(|a| forces(a) || has_letter(a, "C") || is_option(a, "--discard-changes")),
        "stash" => any(|a| a == "drop" || a == "clear"),
        "reflog" => any(|a| a == "expire" || a == "delete"),
        _ => false,
    }
}

fn forces(arg: &str) -> bool {
    has_letter(arg, "f") || is_option(arg, "--force") || arg.starts_with("--force-")
}

fn deletes_remote(arg: &str) -> bool {
    ["--delete", "--mirror", "--prune"].iter().any(|option| is_option(arg, option))
}

pub(super) fn mentions_git_destruction(words: &[&str]) -> bool {
    GIT_SUBCOMMANDS.iter().any(|subcommand| {
        let at = words.iter().position(|word| word == subcommand);
        at.is_some_and(|at| destroys_in_git(subcommand, &words[at + 1..]))
    })
}
