//! Commands that may destroy something (reference `config-and-storage.md` §10.2).
//!
//! A question too many is the smaller harm here: where a command cannot be read for sure, its words are looked through.

mod git;

use self::git::{git, mentions_git_destruction};
use super::{
    option::{has_letter, is_option},
    program::{base_name, shell_script},
    script::plain_commands,
};

/// Whether the command looks as if it could destroy work: forced or recursive `rm`, the git commands that throw away
/// changes or history, `dd`, `mkfs`, `find -delete`; also behind `sudo`, `xargs` and their like, or in a shell's script.
#[must_use]
pub fn might_be_dangerous(argv: &[String]) -> bool {
    let Some(script) = shell_script(argv) else {
        return destroys(argv);
    };
    match plain_commands(script) {
        Some(commands) => commands.iter().any(|command| destroys(command)),
        None => mentions_destruction(&[script]),
    }
}

fn destroys(argv: &[String]) -> bool {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let mut command = words.as_slice();
    while let [program, args @ ..] = command {
        match base_name(program) {
            "rm" => {
                return args.iter().take_while(|arg| **arg != "--").any(|arg| forces_rm(arg));
            }
            "git" => return git(args),
            "dd" => return true,
            "find" => return find(args),
            name if name.starts_with("mkfs") => return true,
            name if RUNNERS.contains(&name) => return mentions_destruction(args),
            name if PREFIXES.contains(&name) => {
                command = without_assignments(args);
                if command.first().is_some_and(|word| word.starts_with('-')) {
                    return mentions_destruction(command);
                }
            }
            _ => return false,
        }
    }
    false
}

/// Programs that run the command that follows; with options of their own before it, it takes a guess to find it.
const PREFIXES: [&str; 13] = [
    "sudo", "doas", "env", "nohup", "setsid", "xargs", "command", "builtin", "exec", "time", "nice", "busybox",
    "noglob",
];

/// Programs that run a command which is somewhere in their words.
const RUNNERS: [&str; 17] = [
    "bash", "zsh", "sh", "dash", "ash", "ksh", "fish", "eval", "trap", "timeout", "ionice", "chrt", "stdbuf", "chroot",
    "watch", "parallel", "su",
];

fn without_assignments<'a, 'w>(words: &'a [&'w str]) -> &'a [&'w str] {
    let assigns = |word: &&&str| word.contains('=') && !word.starts_with('-');
    &words[words.iter().take_while(assigns).count()..]
}

fn forces_rm(arg: &str) -> bool {
    has_letter(arg, "frR") || is_option(arg, "--force") || is_option(arg, "--recursive")
}

fn find(args: &[&str]) -> bool {
    let runs = |arg: &&str| matches!(*arg, "-exec" | "-execdir" | "-ok" | "-okdir");
    args.contains(&"-delete") || (args.iter().any(runs) && mentions_destruction(args))
}

/// Whether the words, in whatever way they are put together, could make a destructive command. Takes time in
/// proportion to their length.
fn mentions_destruction(words: &[&str]) -> bool {
    let unquoted: Vec<String> = words.iter().map(|word| word.replace(['\'', '"', '\\'], "")).collect();
    let words: Vec<&str> = unquoted
        .iter()
        .flat_map(|word| word.split(|c: char| c.is_whitespace() || ";|&()<>{}$`!,".contains(c)))
        .filter(|word| !word.is_empty())
        .collect();
    words.iter().any(|word| program_of(word).starts_with("mkfs"))
        || after(&words, "rm").iter().any(|word| forces_rm(word))
        || after(&words, "dd").iter().any(|word| word.starts_with("of="))
        || after(&words, "find").contains(&"-delete")
        || mentions_git_destruction(after(&words, "git"))
}

/// What follows the first mention of a program.
fn after<'a, 'w>(words: &'a [&'w str], program: &str) -> &'a [&'w str] {
    let at = words.iter().position(|word| program_of(word) == program);
    at.map_or(&[], |at| &words[at + 1..])
}

/// The name of the program if the word is one, be it a path or the value of an assignment.
fn program_of(word: &str) -> &str {
    base_name(word.rsplit('=').next().unwrap_or(word))
}

#[cfg(test)]
mod tests;
