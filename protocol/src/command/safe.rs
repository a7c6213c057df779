//! Commands that only look (reference `config-and-storage.md` §10.1), with the listed weaknesses closed.
//!
//! An option that writes or starts something is refused by every spelling that the program accepts; where the harmless
//! spellings are few, only those pass.

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

/// Options before the subcommand can set any configuration, and with it any program to run.
fn git(args: &[&str]) -> bool {
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
    if arg.contains("%G") {
        return true;
    }
    let name = option_name(arg);
    let is_meant = |option: &&str| name.len() > "--".len() && option.starts_with(name);
    ["--output", "--ext-diff", "--textconv", "--show-signature"].iter().any(is_meant)
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

fn option_name(arg: &str) -> &str {
    arg.split_once('=').map_or(arg, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::might_be_dangerous;
    use proptest::prelude::*;

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    fn script(script: &str) -> Vec<String> {
        argv(&["bash", "-lc", script])
    }

    /// Commands without blanks in their words: as argv and, where a shell reads the same words, as a script.
    fn check(lines: &[&str], safe: bool) {
        for line in lines {
            let words: Vec<_> = line.split_whitespace().collect();
            assert_eq!(is_known_safe(&argv(&words)), safe, "{line}");
            if !safe || plain_commands(line).is_some() {
                assert_eq!(is_known_safe(&script(line)), safe, "script {line}");
            }
        }
    }

    #[test]
    fn programs_that_only_look() {
        check(
            &[
                "cat a",
                "cd a",
                "echo a b",
                "false",
                "grep -rn x .",
                "head -n 5 f",
                "ls",
                "ls -la a/b",
                "nl -ba f",
                "pwd",
                "tail -5 f",
                "true",
                "wc -l f",
                "which cargo",
                "/bin/ls",
                "/usr/bin/cat f",
                "/usr/local/bin/rg x",
            ],
            true,
        );
        check(
            &[
                "",
                "./ls",
                "/tmp/ls",
                "bin/ls",
                "../cat f",
                "~/ls",
                "LS",
                "ls.sh",
                "rm f",
                "cargo check",
                "cargo build",
                "cargo",
                "python -c 1",
                "tee f",
                "cp a b",
                "touch f",
                "xargs ls",
                "env",
                "sudo ls",
                "time ls",
                "bash",
                "bash f",
                "bash -lc",
                "sh",
                "awk 1 f",
                "curl x",
                "sort -o f g",
                "make",
                "printenv",
            ],
            false,
        );
    }

    #[test]
    fn find_without_actions() {
        check(&["find", "find .", "find . -name x.rs -type f", "find . -maxdepth 2 -print0"], true);
        for action in FIND_ACTIONS {
            check(&[&format!("find . {action} x"), &format!("find {action}")], false);
        }
    }

    #[test]
    fn ripgrep_without_helpers() {
        check(&["rg x", "rg -n --hidden x src", "rg --files", "rg -tr x"], true);
        check(
            &[
                "rg --pre cat x",
                "rg --pre=cat x",
                "rg --hostname-bin x y",
                "rg --hostname-bin=x y",
                "rg -z x",
                "rg --search-zip x",
                "rg -nz x",
                "rg -zi x",
                "rg x --pre=sh",
            ],
            false,
        );
    }

    #[test]
    fn sed_that_prints_a_range() {
        check(&["sed -n 5p", "sed -n 5p f", "sed -n 1,200p f"], true);
        check(
            &[
                "sed",
                "sed -n",
                "sed 5p f",
                "sed -n p f",
                "sed -n 5 f",
                "sed -n ,5p f",
                "sed -n 5,p f",
                "sed -n 1,2,3p f",
                "sed -n 1p;2p f",
                "sed -n 5d f",
                "sed -i 5p f",
                "sed -n -i 5p",
                "sed -n 5p a b",
                "sed -n 5p -i",
                "sed -n 5p -e1e",
                "sed -n 5p -fscript",
                "sed -n 5p --expression=w",
                "sed -n 5w f",
                "sed -e 5p f",
                "sed -n 5ep f",
                "sed -n /x/p f",
            ],
            false,
        );
    }

    #[test]
    fn git_that_only_shows() {
        check(
            &[
                "git status",
                "git status --short -b",
                "git log",
                "git log --oneline -n 5",
                "git log -p --stat src/a.rs",
                "git diff",
                "git diff --cached HEAD~1 -- a",
                "git diff --stat",
                "git show HEAD:a",
                "git --no-pager log",
                "git --no-pager branch -a",
                "git branch",
                "git branch -a",
                "git branch -avv",
                "git branch -r",
                "git branch --show-current",
                "git branch --list",
                "git branch --list x",
                "git branch -l",
                "git branch --contains HEAD",
                "git branch --contains=HEAD",
                "git branch --merged main -v",
                "git branch --all --no-color",
                "git branch --sort=-committerdate",
                "/usr/bin/git status",
            ],
            true,
        );
        check(
            &[
                "git",
                "git --version",
                "git fetch",
                "git pull",
                "git commit -m x",
                "git checkout x",
                "git grep x",
                "git stash",
                "git config x",
                "git blame f",
                "git branch x",
                "git branch x y",
                "git branch -D x",
                "git branch -d x",
                "git branch -m x",
                "git branch -M x",
                "git branch -f x",
                "git branch -c x",
                "git branch --delete x",
                "git branch --edit-description",
                "git branch --set-upstream-to=x",
                "git branch -u x",
                "git branch --unset-upstream",
                "git branch -a x",
                "git branch -l x",
                "git branch -v x",
                "git branch --sort x",
                "git branch --list -D x",
                "git branch -aD x",
                "git branch --",
                "git branch -",
                "git branch --list -- x",
                "git diff --output=f",
                "git diff --output f",
                "git diff --outp=f",
                "git diff --o=f",
                "git log -p --output=f",
                "git show --output f",
                "git diff --ext-diff",
                "git diff --ext",
                "git log --ext-diff -p",
                "git show --textconv HEAD:a",
                "git diff --textc",
                "git log --show-signature",
                "git log --format=%h%G?",
                "git show --pretty=format:%GK",
                "git -c core.pager=x log",
                "git -c core.fsmonitor=x status",
                "git -C d status",
                "git --git-dir=d status",
                "git --git-dir d status",
                "git --work-tree=d diff",
                "git --exec-path=d status",
                "git --paginate log",
                "git -p log",
                "git --config-env=a=b log",
                "git --no-pager -c a=b log",
                "git --no-pager -p log",
                "git --namespace=x log",
                "git --bare log",
            ],
            false,
        );
    }

    #[test]
    fn scripts_of_nothing_but_safe_commands() {
        let check = |line: &str, safe| {
            for (shell, flag) in [("bash", "-lc"), ("/bin/zsh", "-c"), ("/usr/bin/sh", "-lc")] {
                assert_eq!(is_known_safe(&argv(&[shell, flag, line])), safe, "{shell} {line}");
            }
        };
        check("ls", true);
        check("ls && pwd; git status | head -n 3 || true", true);
        check("cd a\nls\n", true);
        check("rg 'a|b' src | wc -l", true);
        check("rg \"fn main\\(\" src", true);
        check("echo '$HOME `x` > f'", true);
        check("ls && rm -rf x", false);
        check("ls; cargo check", false);
        check("ls\nrm x", false);
        check("ls | xargs rm", false);
        check("'./ls'", false);
        check("bash -lc ls", false);
        for part in [
            "> f",
            ">> f",
            "2>f",
            "< f",
            "&",
            "& rm x",
            "$(rm x)",
            "`rm x`",
            "\"$(rm x)\"",
            "$X",
            "\"$X\"",
            "*",
            "?",
            "[a]",
            "{a,b}",
            "<(rm x)",
            "# x",
            "\\;",
            "'",
            "(rm x)",
            "~",
        ] {
            check(&format!("ls {part}"), false);
        }
        for line in [
            "",
            " ",
            "(ls)",
            "{ ls; }",
            "! ls",
            "X=1 ls",
            "X=1",
            "time ls",
            "if ls; then ls; fi",
            "# ls",
            "ls(){ rm x; }",
        ] {
            check(line, false);
        }
    }

    #[test]
    fn a_shell_must_be_the_systems_and_have_nothing_but_its_script() {
        for words in [
            &["./bash", "-lc", "ls"][..],
            &["/tmp/sh", "-c", "ls"],
            &["bash", "-c", "ls", "x"],
            &["bash", "-x", "-c", "ls"],
            &["bash", "-ic", "ls"],
            &["fish", "-c", "ls"],
            &["dash", "-c", "ls"],
        ] {
            assert!(!is_known_safe(&argv(words)), "{words:?}");
        }
    }

    /// What a shell would act on: expansions outside single quotes, the rest outside all quotes, `&&` excepted.
    fn acts(script: &str) -> bool {
        let mut quote = None;
        script.replace("&&", "").chars().any(|c| {
            match (quote, c) {
                (None, '\'' | '"') => quote = Some(c),
                (Some(open), c) if c == open => quote = None,
                _ => {}
            }
            match quote {
                None => "`$<>&(){}".contains(c),
                Some('"') => "`$".contains(c),
                Some(_) => false,
            }
        })
    }

    fn scripts() -> impl Strategy<Value = String> {
        let word = prop::sample::select(vec![
            "ls",
            "cat",
            "git",
            "status",
            "branch",
            "diff",
            "find",
            "rg",
            "sed",
            "-n",
            "1p",
            "a",
            "-D",
            "-f",
            "rm",
            "-rf",
            "reset",
            "sudo",
            "dd",
            "bash",
            "-c",
            "-delete",
            "--output=f",
            "'a b'",
            "\"a b\"",
            "'$x'",
            "\"$x\"",
            "$x",
            "`x`",
            "$(x)",
            "(",
            ")",
            "{",
            "}",
            "<",
            ">",
            "&",
            "'",
            "\"",
            "\"(\"",
            "'>'",
            "\\",
        ]);
        let gap = prop::sample::select(vec![" ", " ", " ", " && ", ";", "|", "||", "\n", "", "&"]);
        prop::collection::vec((word, gap), 1..7)
            .prop_map(|parts| parts.into_iter().flat_map(|(word, gap)| [word, gap]).collect())
    }

    fn lists() -> impl Strategy<Value = String> {
        let command = prop::sample::select(vec![
            "ls",
            "git status",
            "git branch --list -v x",
            "find . -name 'a(b)'",
            "rg \"x{2}\" 'a$b'",
            "sed -n 1,2p f",
            "echo rm -rf /",
            "rm -rf x",
            "git branch -D x",
            "find . -delete",
            "ls > f",
            "echo $(x)",
        ]);
        prop::collection::vec(command, 1..4).prop_map(|commands| commands.join(" && "))
    }

    proptest! {
        #[test]
        fn nothing_that_a_shell_acts_on_is_safe_and_nothing_safe_is_dangerous(
            text in prop_oneof![scripts(), lists(), "[a-z '\"$`><&(){};|\n\\\\-]{0,30}"]
        ) {
            let command = script(&text);
            if is_known_safe(&command) {
                prop_assert!(!acts(&text), "{}", text);
                prop_assert!(!might_be_dangerous(&command), "{}", text);
            }
        }

        #[test]
        fn no_argv_is_both_safe_and_dangerous(
            words in prop::collection::vec(prop::sample::select(vec![
                "git", "find", "rg", "ls", "rm", "sed", "branch", "push", "-f", "-D", "--list", "-delete", "-exec", "-rf",
                "--no-pager", "log", "bash", "-lc", "git branch -D x", "sudo", "-c", "checkout", "--", ".",
            ]), 0..6)
        ) {
            let command = argv(&words);
            prop_assert!(!(is_known_safe(&command) && might_be_dangerous(&command)), "{:?}", words);
        }
    }
}
