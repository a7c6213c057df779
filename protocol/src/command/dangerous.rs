//! Commands that may destroy something (reference `config-and-storage.md` §10.2).
//!
//! A question too many is the smaller harm here: where a command cannot be read for sure, its words are looked through.

use super::{
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

fn git(args: &[&str]) -> bool {
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

const GIT_OPTIONS_WITH_VALUE: [&str; 6] =
    ["-C", "--git-dir", "--work-tree", "--namespace", "--config-env", "--exec-path"];

/// An alias is a command under another name.
fn runs_a_program(setting: &str) -> bool {
    setting.to_ascii_lowercase().starts_with("alias.") || mentions_destruction(&[setting])
}

fn destroys_in_git(subcommand: &str, args: &[&str]) -> bool {
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

/// Whether a cluster of one-letter options has one of the letters.
fn has_letter(arg: &str, letters: &str) -> bool {
    arg.strip_prefix('-').is_some_and(|cluster| !cluster.starts_with('-') && cluster.contains(|c| letters.contains(c)))
}

/// Whether the argument is the option or, as GNU programs and git allow, a beginning of its name.
fn is_option(arg: &str, option: &str) -> bool {
    let name = arg.split_once('=').map_or(arg, |(name, _)| name);
    name.len() > "--".len() && option.starts_with(name)
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

fn mentions_git_destruction(words: &[&str]) -> bool {
    GIT_SUBCOMMANDS.iter().any(|subcommand| {
        let at = words.iter().position(|word| word == subcommand);
        at.is_some_and(|at| destroys_in_git(subcommand, &words[at + 1..]))
    })
}

const GIT_SUBCOMMANDS: [&str; 12] = [
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    fn script(script: &str) -> Vec<String> {
        argv(&["bash", "-lc", script])
    }

    /// Commands without blanks in their words: as argv, as a script, and as a part of one that can only be scanned.
    fn check(lines: &[&str], dangerous: bool) {
        for line in lines {
            let words: Vec<_> = line.split_whitespace().collect();
            assert_eq!(might_be_dangerous(&argv(&words)), dangerous, "{line}");
            assert_eq!(might_be_dangerous(&script(line)), dangerous, "script {line}");
            let listed = format!("cd x && {line}; ls");
            assert_eq!(might_be_dangerous(&script(&listed)), dangerous, "{listed}");
        }
    }

    #[test]
    fn forced_or_recursive_removal() {
        check(
            &[
                "rm -f x",
                "rm -rf x",
                "rm -fr x",
                "rm -r -f x",
                "rm -r x",
                "rm -R x",
                "rm -vrf x",
                "rm x -rf",
                "/bin/rm -f x",
                "./rm -f x",
                "rm --force x",
                "rm --recursive x",
                "rm --forc x",
                "rm -v --rec x",
                "find . -delete",
                "find . -name x -exec rm -f y",
                "find . -execdir sh -c rm -rf",
                "dd of=x",
                "dd",
                "mkfs /dev/x",
                "/sbin/mkfs.ext4 /dev/x",
            ],
            true,
        );
        check(
            &[
                "rm x",
                "rm -i x",
                "rm -v x",
                "rm -- -rf",
                "rm",
                "rmdir x",
                "rm --verbose x",
                "ls -rf",
                "cp -rf a b",
                "echo rm -rf",
                "find . -name rm",
                "find . -exec grep x y",
                "cat dd",
                "ddate",
                "echo mkfs",
                "docker run --rm -f x",
                "",
            ],
            false,
        );
    }

    #[test]
    fn git_that_throws_away() {
        check(
            &[
                "git reset",
                "git reset --hard",
                "git rm x",
                "/usr/bin/git reset",
                "git -C d reset",
                "git -c a=b reset",
                "git --git-dir d reset",
                "git --no-pager reset",
                "git push --force",
                "git push -f",
                "git push origin x -f",
                "git push --force-with-lease",
                "git push origin +x",
                "git push origin :x",
                "git push --delete origin x",
                "git push -d origin x",
                "git push --mirror",
                "git push -uf origin x",
                "git clean -f",
                "git clean -fdx",
                "git clean --force -d",
                "git branch -D x",
                "git branch --delete --force x",
                "git branch -f x y",
                "git branch -M x",
                "git checkout -- .",
                "git checkout -- x",
                "git checkout .",
                "git checkout HEAD -- x",
                "git checkout -f",
                "git checkout -B x",
                "git switch --discard-changes x",
                "git switch -C x",
                "git restore x",
                "git stash drop",
                "git stash clear",
                "git reflog expire --all",
                "git filter-branch x",
                "git -c alias.x=reset x",
                "git worktree remove --force x",
            ],
            true,
        );
        check(
            &[
                "git",
                "git status",
                "git log reset",
                "git add .",
                "git commit -m reset",
                "git push",
                "git push origin main",
                "git push -u origin x",
                "git clean -n",
                "git branch",
                "git branch x",
                "git branch -d x",
                "git branch -a",
                "git checkout main",
                "git checkout -b x",
                "git switch x",
                "git stash",
                "git stash pop",
                "git reflog",
                "git diff --force",
                "git -c user.name=x commit",
                "git fetch -f",
                "digit reset",
            ],
            false,
        );
    }

    #[test]
    fn a_command_that_runs_another_is_judged_by_that() {
        check(
            &[
                "sudo rm -rf x",
                "sudo -u x rm -rf y",
                "sudo git reset",
                "sudo sudo rm -f x",
                "doas rm -f x",
                "env rm -rf x",
                "env A=b rm -rf x",
                "env -i rm -rf x",
                "xargs rm -rf",
                "xargs -0 -n 1 rm -rf",
                "nohup rm -rf x",
                "time rm -rf x",
                "timeout 5 rm -rf x",
                "nice -n 5 rm -rf x",
                "command rm -rf x",
                "exec rm -rf x",
                "sudo env A=b xargs rm -r",
                "sudo dd of=x",
                "sudo -n mkfs.xfs x",
                "eval rm -rf x",
                "busybox rm -rf x",
                "sudo -E git push --force",
                "timeout 9 git clean -fd",
            ],
            true,
        );
        check(
            &[
                "sudo",
                "sudo ls",
                "sudo -u x ls",
                "env",
                "env A=b",
                "env A=b ls",
                "xargs",
                "xargs -n 1 grep x",
                "xargs rm",
                "timeout 5 ls -rf",
                "sudo git status",
                "sudo rm x",
                "nohup cargo test",
            ],
            false,
        );
    }

    #[test]
    fn shells_within_and_without() {
        for words in [
            &["bash", "-c", "rm -rf x"][..],
            &["/opt/bash", "-lc", "ls && sudo rm -rf x"],
            &["bash", "-euo", "pipefail", "-c", "rm -rf x"],
            &["bash", "-x", "-c", "rm -rf x"],
            &["dash", "-c", "rm -rf x"],
            &["sudo", "bash", "-c", "rm -rf x"],
            &["bash", "-lc", "bash -c 'git reset --hard'"],
            &["env", "A=b", "sh", "-c", "cd x && rm -rf y"],
            &["find", ".", "-exec", "sh", "-c", "rm -rf \"$1\"", "{}", ";"],
            &["git", "-c", "alias.x=!rm -rf /", "x"],
            &["git", "-c", "core.pager=rm -rf /", "log"],
        ] {
            assert!(might_be_dangerous(&argv(words)), "{words:?}");
        }
        assert!(!might_be_dangerous(&argv(&["bash", "-lc", "bash -c 'git status'"])));
        assert!(!might_be_dangerous(&argv(&["bash", "build.sh"])));
        assert!(!might_be_dangerous(&argv(&["bash"])));
    }

    #[test]
    fn a_script_that_cannot_be_read_is_looked_through() {
        let check = |text: &str, dangerous| {
            assert_eq!(might_be_dangerous(&script(text)), dangerous, "{text}");
        };
        for text in [
            "rm -rf *",
            "rm -rf $X",
            "(rm -rf x)",
            "X=1 rm -rf x",
            "! rm -rf x",
            "if true; then rm -rf x; fi",
            "$(rm -rf x)",
            "`rm -rf x`",
            "rm -rf x > f",
            "rm -rf x &",
            "r\\m -rf *",
            "'rm' -rf *",
            "X=rm; $X -rf y",
            "rm${IFS}-rf *",
            "{rm,-rf,x}",
            "rm \\\n  -rf *",
            "find . -delete > f",
            "git push --force $X",
            "git reset *",
            "git clean -fd > f",
            "dd if=a of=b &",
            "mkfs.ext4 $X",
            "for f in *; do rm -f $f; done",
            "f() { rm -rf x; }",
            "x <<E\nrm -rf y\nE",
            "ls\t&& rm\t-rf \"$X\"",
            "rm -rf 'unfinished",
        ] {
            check(text, true);
        }
        for text in [
            "echo $X",
            "ls *",
            "rm *.o",
            "cargo test 2>&1 | tail",
            "git log $X",
            "git commit -m \"$X\"",
            "for f in *; do cat $f; done",
            "cat > a.html <<E\n<dl><dt>x</dt><dd>y</dd></dl>\nE",
            "(ls)",
            "dd --version > f",
        ] {
            check(text, false);
        }
    }

    #[test]
    fn the_table_of_subcommands_has_no_row_without_effect() {
        let provoking = ["-f", "-d", "-D", "-B", "-C", "--", "drop", "expire"];
        for subcommand in GIT_SUBCOMMANDS {
            assert!(destroys_in_git(subcommand, &provoking), "{subcommand}");
        }
    }

    proptest! {
        #[test]
        fn danger_in_a_list_is_danger_whatever_is_around_it(
            before in "[a-z '$>(&;-]{0,20}",
            after in "[a-z '$>(&;-]{0,20}",
        ) {
            let text = format!("{before}\nrm -rf x\n{after}");
            // An open quote before it makes it one word of an argument.
            let quoted = before.matches('\'').count() % 2 == 1;
            prop_assert!(quoted || might_be_dangerous(&script(&text)), "{}", text);
        }
    }
}
