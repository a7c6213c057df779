use super::*;
use crate::command::{
    fixture::{argv, script},
    might_be_dangerous,
};
use proptest::prelude::*;

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
    for line in
        ["", " ", "(ls)", "{ ls; }", "! ls", "X=1 ls", "X=1", "time ls", "if ls; then ls; fi", "# ls", "ls(){ rm x; }"]
    {
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
