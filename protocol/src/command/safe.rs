//! Commands that only look (reference `config-and-storage.md` §10.1), with the listed weaknesses closed.
//!
//! An option that writes or starts something is refused by every spelling that the program accepts; where the harmless
//! spellings are few, only those pass.

mod git;

use self::git::git;
use super::{
    program::{shell_script, system_name},
    script::plain_commands,
};

/// Whether the command is known to change nothing and to start nothing else: a listed program with harmless arguments,
/// or a shell with a script of nothing but such commands.
#[must_use]
pub fn is_known_safe(argv: &[String]) -> bool {
    match shell_script(argv) {
        Some(script) => {
            system_name(&argv[0]).is_some()
                && plain_commands(script).is_some_and(|commands| commands.iter().all(|c| only_looks(c)))
        }
        None => only_looks(argv),
    }
}

/// The same for a single command, without looking into a shell's script.
pub(super) fn only_looks(argv: &[String]) -> bool {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let Some((program, args)) = words.split_first() else {
        return false;
    };
    match system_name(program) {
        Some(
            "cat" | "cd" | "echo" | "false" | "grep" | "head" | "ls" | "nl" | "pwd" | "tail" | "true" | "wc" | "which",
        ) => true,
        Some("find") => find(args),
        Some("rg") => ripgrep(args),
        Some("sed") => sed(args),
        Some("git") => git(args),
        _ => false,
    }
}

fn find(args: &[&str]) -> bool {
    !args.iter().any(|arg| FIND_ACTIONS.contains(arg))
}

const FIND_ACTIONS: [&str; 9] =
    ["-exec", "-execdir", "-ok", "-okdir", "-delete", "-fls", "-fprint", "-fprint0", "-fprintf"];

/// ripgrep starts programs to preprocess or unpack files and to name the host. `-z` can hide in a cluster of letters.
fn ripgrep(args: &[&str]) -> bool {
    let starts_a_program = |arg: &&str| match arg.strip_prefix("--") {
        Some(long) => ["pre", "hostname-bin", "search-zip"].iter().any(|name| long.starts_with(name)),
        None => arg.starts_with('-') && arg.contains('z'),
    };
    !args.iter().any(starts_a_program)
}

/// Only the printing of a range of lines. A further option would be another script or would edit the file.
fn sed(args: &[&str]) -> bool {
    match args {
        ["-n", range] => is_print_range(range),
        ["-n", range, file] => is_print_range(range) && !file.starts_with('-'),
        _ => false,
    }
}

/// `Np` or `M,Np`.
pub(super) fn is_print_range(script: &str) -> bool {
    let is_number = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
    let Some(range) = script.strip_suffix('p') else {
        return false;
    };
    match range.split_once(',') {
        Some((first, last)) => is_number(first) && is_number(last),
        None => is_number(range),
    }
}

#[cfg(test)]
mod tests;
