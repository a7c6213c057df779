//! Against a list, and against bash itself.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::process::Command;

fn check(script: &str, expected: &[&[&str]]) {
    let commands = plain_commands(script).unwrap_or_else(|| panic!("{script:?}"));
    assert_eq!(commands, expected, "{script:?}");
}

#[test]
fn plain_scripts() {
    check("ls", &[&["ls"]]);
    check("  ls\t-la  ", &[&["ls", "-la"]]);
    check("ls -la && pwd", &[&["ls", "-la"], &["pwd"]]);
    check("a||b;c|d", &[&["a"], &["b"], &["c"], &["d"]]);
    check("a;", &[&["a"]]);
    check("\n\na b\n\nc\n", &[&["a", "b"], &["c"]]);
    check("a &&\n\n b", &[&["a"], &["b"]]);
    check("a |\nb", &[&["a"], &["b"]]);
    check("a ;\nb", &[&["a"], &["b"]]);
    check("echo 'a  b' \"c  d\"", &[&["echo", "a  b", "c  d"]]);
    check("echo '' \"\"", &[&["echo", "", ""]]);
    check("echo a'b'\"c\"d", &[&["echo", "abcd"]]);
    check(r#"echo '$x `y` \ "'"#, &[&["echo", "$x `y` \\ \""]]);
    check(r#"rg "fn \w+\(" src"#, &[&["rg", r"fn \w+\(", "src"]]);
    check("echo \"it's\"", &[&["echo", "it's"]]);
    check("grep 'a\nb' f", &[&["grep", "a\nb", "f"]]);
    check("rg --glob='*.rs' x", &[&["rg", "--glob=*.rs", "x"]]);
    check("git show HEAD~1:a/b.rs", &[&["git", "show", "HEAD~1:a/b.rs"]]);
    check("echo if done a=b", &[&["echo", "if", "done", "a=b"]]);
    check("'if' x", &[&["if", "x"]]);
    check("'a=b' x", &[&["a=b", "x"]]);
    check("echo é 漢", &[&["echo", "é", "漢"]]);
}

#[test]
fn everything_else_is_left_alone() {
    for script in [
        "",
        " ",
        "\n",
        ";",
        "&&",
        "a &&",
        "a ||",
        "a |",
        "| a",
        "; a",
        "&& a",
        "a ;; b",
        "a ; ; b",
        "a && && b",
        "a ||| b",
        "a &&& b",
        "a &",
        "a & b",
        "&",
        "a |& b",
        "a &| b",
        "a && ; b",
        "a > f",
        "a >f",
        "a 2>&1",
        "a < f",
        "a <<E\nx\nE",
        "a <<< x",
        "a >> f",
        "a >| f",
        "<(a)",
        "a <(b)",
        "$x",
        "a $x",
        "a \"$x\"",
        "a ${x}",
        "a $(b)",
        "a \"$(b)\"",
        "a `b`",
        "a \"`b`\"",
        "a $'b'",
        "a $\"b\"",
        "a $",
        "(a)",
        "{ a; }",
        "a {b,c}",
        "a () { b; }",
        "((1))",
        "[[ a ]]",
        "[ a ]",
        "a *",
        "a ?",
        "a [b]",
        "a b*",
        "~/a",
        "a ~",
        "a ~/b",
        "a b=~",
        "a b=~/c",
        "a b:~",
        "a \"\"~",
        "a ^b",
        "=ls",
        "a =ls",
        "x=1",
        "x=1 a",
        "x+=1 a",
        "x='1' a",
        "a; x=1",
        "%a",
        "! a",
        "if a; then b; fi",
        "while a; do b; done",
        "for x in a; do b; done",
        "case a in esac",
        "time a",
        "coproc a",
        "function f",
        "a; if",
        "a && time b",
        "# a",
        "a # b",
        "a#b",
        "a \\b",
        "\\a",
        "a \\\nb",
        "a\\",
        r#"a "\$""#,
        r#"a "\"""#,
        r#"a "\\""#,
        "a \"\\\nb\"",
        "a 'b",
        "a \"b",
        "a '",
        "a \"",
        "a \"\\",
        "a\r",
        "a\r\nb",
        "a\0",
        "a '\0'",
        "a \"\0\"",
        "a \u{a0}b",
        "a\u{b}b",
        "!!",
        "a !x",
    ] {
        assert_eq!(plain_commands(script), None, "{script:?}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic_into_commands_with_words(
        script in r#"[a-c \n\t;&|'"\\$`=~#!*<>(){}é-]{0,40}"#
    ) {
        if let Some(commands) = plain_commands(&script) {
            prop_assert!(!commands.is_empty());
            prop_assert!(commands.iter().all(|command| !command.is_empty()));
        }
    }

    #[test]
    fn what_is_inside_single_quotes_comes_out_as_it_is(text in "[^'\0]{0,40}") {
        let commands = plain_commands(&format!("echo '{text}'")).unwrap();
        prop_assert_eq!(commands, vec![vec!["echo".to_string(), text]]);
    }
}

/// What bash runs, every word of every command. Nothing is really run: there are no programs and no builtins. Once all
/// commands succeed, which runs what follows `&&`, and once all fail, which runs what follows `||`. A line is one write,
/// so that the two ends of a pipe do not mix.
const REPORT: &str = r#"
PATH=/nowhere
exec 3>&1
command_not_found_handle() {
    words=("${@//$'\n'/$'\1'}") IFS=$'\2'
    printf '%s\n' "${words[*]}" >&3
    return "$status"
}
for builtin in . : [ alias bg bind break builtin caller cd command compgen complete compopt continue declare dirs \
    disown echo exec exit export false fc fg getopts hash help history jobs kill let local logout mapfile popd pushd \
    pwd read readarray readonly set shift shopt source suspend test times trap true type typeset ulimit umask unalias \
    unset wait; do enable -n "$builtin"; done
status=0; eval -- "$1"
status=1; eval -- "$1"
"#;

fn commands_by_bash(script: &str) -> BTreeSet<Vec<String>> {
    let bash = Command::new("bash").args(["--noprofile", "--norc", "-c", REPORT, "bash", script]).env_clear().output();
    let said = String::from_utf8(bash.expect("bash is there").stdout).expect("words of the script");
    let word = |word: &str| word.replace('\u{1}', "\n");
    said.lines().map(|line| line.split('\u{2}').map(word).collect()).collect()
}

fn bash_is_there() -> bool {
    Command::new("bash").arg("--version").output().is_ok_and(|output| output.status.success())
}

#[test]
fn bash_reports_what_it_runs() {
    if bash_is_there() {
        let argv = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let expected =
            BTreeSet::from([argv(&["echo", "a b", ""]), argv(&["c"]), argv(&["x", "$d", "*"]), argv(&["cd"])]);
        assert_eq!(commands_by_bash("echo 'a b' \"\" && c || x '$d' '*'\ncd"), expected);
    }
}

/// Pieces that a shell reads in its own way, between names that are no builtins, keywords or paths.
fn tricky_script() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "ls", "git", "rm", "a", "-n", "--x=y", "x=1", "2", "\\", "'", "\"", "'a b'", "\"a b\"", "'$x'", "\"$x\"", "$x",
        "`a`", "$(a)", "${a}", "$'a'", "$\"a\"", "~", "*", "?", "[a]", "{a,b}", "!", "#", "#a", "a#b", "%", "^", "=",
        "=a", "a=", ":", ",", "@", "+", "(", ")", "{", "}", "<", ">", "2>&1", "<<<", "if", "then", "fi", "time", "[[",
        "]]", "function", "é", "\u{a0}", "\r", "a\\ b", "\"\\a\"", "\"\\$\"", "'\n'", "\"\n\"", "\"'\"", "'\"'",
    ]);
    let gap = prop::sample::select(vec![
        " ", " ", " ", "", "\t", "\n", " && ", " || ", ";", " | ", "&", "&&", "||", "|&", ";;", " \\\n", "\n\n", " ; ",
    ]);
    prop::collection::vec((piece, gap), 1..8).prop_map(|parts| parts.into_iter().flat_map(|(a, b)| [a, b]).collect())
}

/// Pieces that the reader knows, so that most scripts are read.
fn plain_script() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "ls",
        "git",
        "-n",
        "--x=y",
        "a/b.rs",
        "HEAD~1:a",
        "'a b'",
        "\"a b\"",
        "'$x'",
        "'`a`'",
        "''",
        "\"\"",
        "a'b'\"c\"d",
        "'\n'",
        "\"\n\"",
        "\"'\"",
        "'\"'",
        "\"\\a\"",
        "'\\'",
        "é",
        "1,2p",
        "a=b",
        "if",
        "%x",
        "'*'",
        "\"*\"",
        "\"~\"",
        "'!'",
    ]);
    let gap = prop::sample::select(vec![" ", " ", " ", "\t", "  ", "\n", " && ", "||", ";", "|", "&&\n", "\n\n"]);
    prop::collection::vec((word, gap), 1..8).prop_map(|parts| parts.into_iter().flat_map(|(a, b)| [a, b]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_read_is_what_bash_runs(script in prop_oneof![tricky_script(), plain_script(), plain_script()]) {
        let Some(commands) = plain_commands(&script) else { return Ok(()) };
        // Bash looks for a program with a slash itself, and for one without a name not at all.
        let is_asked_about = |program: &str| !program.is_empty() && !program.contains('/');
        if bash_is_there() && commands.iter().all(|command| is_asked_about(&command[0])) {
            prop_assert_eq!(commands_by_bash(&script), commands.into_iter().collect::<BTreeSet<_>>(), "{}", script);
        }
    }
}
