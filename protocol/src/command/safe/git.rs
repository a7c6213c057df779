//! git where it only shows.

use crate::command::option::{is_option, option_name};

/// With one of these git lists, whatever else is said; a name is then what to look for. Not so `-l`, which in old
/// versions creates.
const BRANCH_FILTERS: [&str; 6] = ["--list", "--contains", "--no-contains", "--merged", "--no-merged", "--points-at"];

const BRANCH_FORMATS: [&str; 13] = [
    "--all",
    "--remotes",
    "--verbose",
    "--show-current",
    "--ignore-case",
    "--sort",
    "--format",
    "--color",
    "--no-color",
    "--column",
    "--no-column",
    "--abbrev",
    "--no-abbrev",
];

/// Options before the subcommand can set any configuration, and with it any program to run.
pub(super) fn git(args: &[&str]) -> bool {
    match args {
        ["--no-pager", args @ ..] | args => match args {
            ["branch", args @ ..] => git_branch(args),
            ["status" | "log" | "diff" | "show", args @ ..] => !args.iter().any(is_active_git_option),
            _ => false,
        },
    }
}

/// Whether the option writes a file or starts a program. git takes any beginning of an option's name; `%G…` in a format
/// asks gpg.
fn is_active_git_option(arg: &&str) -> bool {
    let writes_or_starts = ["--output", "--ext-diff", "--textconv", "--show-signature"];
    arg.contains("%G") || writes_or_starts.iter().any(|option| is_option(arg, option))
}

/// Lists branches only with these options; a name alone would create a branch.
fn git_branch(args: &[&str]) -> bool {
    let filters = args.iter().any(|arg| BRANCH_FILTERS.contains(&option_name(arg)));
    args.iter().all(|arg| if arg.starts_with('-') { is_branch_listing(arg) } else { filters })
}

fn is_branch_listing(arg: &str) -> bool {
    let name = option_name(arg);
    match name.strip_prefix('-') {
        Some(letters) if !letters.starts_with('-') => {
            !letters.is_empty() && letters.chars().all(|c| "ailrv".contains(c))
        }
        _ => BRANCH_FILTERS.contains(&name) || BRANCH_FORMATS.contains(&name),
    }
}
