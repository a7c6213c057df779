//! A conservative reader of simple shell scripts.
//!
//! It knows words, plain quotes and the joints between commands, and gives up at everything else, also where a shell
//! would find it harmless: what it returns must be what `sh`, `bash` and `zsh` would run, word for word.

use std::{iter::Peekable, str::Chars};

/// The commands of a script that is nothing but words (bare, in single quotes, or in double quotes without anything to
/// expand) joined by `&&`, `||`, `;`, `|` and line ends. Each command has at least one word.
///
/// `None` for every other script: redirections, variables, substitutions, globs, tildes, escapes, subshells, groups,
/// keywords, assignments, `&`, comments, an empty script and one that does not parse.
pub(super) fn plain_commands(script: &str) -> Option<Vec<Vec<String>>> {
    let mut commands = Vec::new();
    let mut command = Vec::new();
    let mut owes_a_command = true;
    for token in tokens(script)? {
        match token {
            Token::Word(word) if command.is_empty() && !word.is_a_program() => return None,
            Token::Word(word) => {
                command.push(word.text);
                owes_a_command = false;
            }
            Token::LineEnd if command.is_empty() => {}
            _ if command.is_empty() => return None,
            joint => {
                commands.push(std::mem::take(&mut command));
                owes_a_command = matches!(joint, Token::Joint);
            }
        }
    }
    if !command.is_empty() {
        commands.push(command);
    }
    (!owes_a_command).then_some(commands)
}

enum Token {
    Word(Word),
    /// `&&`, `||`, `|`: a command must follow.
    Joint,
    /// `;`
    Semicolon,
    LineEnd,
}

#[derive(Default)]
struct Word {
    text: String,
    has_bare_part: bool,
}

/// Words that begin something else than a command when they stand first and unquoted.
const KEYWORDS: [&str; 20] = [
    "case",
    "coproc",
    "do",
    "done",
    "elif",
    "else",
    "end",
    "esac",
    "fi",
    "for",
    "foreach",
    "function",
    "if",
    "nocorrect",
    "repeat",
    "select",
    "then",
    "time",
    "until",
    "while",
];

impl Word {
    /// Whether the word names a program when it comes first: it is no keyword, assignment or job.
    fn is_a_program(&self) -> bool {
        !self.has_bare_part || !is_special_first(&self.text)
    }
}

/// Whether an unquoted first word would be read as something else than a program.
pub(super) fn is_special_first(word: &str) -> bool {
    word.contains('=') || word.starts_with('%') || KEYWORDS.contains(&word)
}

/// Whether an unquoted character means itself, after `before` in the same word.
pub(super) fn is_bare(c: char, before: Option<char>) -> bool {
    match c {
        '~' => before.is_some_and(|b| b != '=' && b != ':'),
        '=' => before.is_some(),
        '_' | '-' | '.' | '/' | ',' | ':' | '+' | '@' | '%' => true,
        _ => c.is_alphanumeric(),
    }
}

fn tokens(script: &str) -> Option<Vec<Token>> {
    let mut chars = script.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(c) = chars.peek().copied() {
        if !ends_a_word(c) {
            tokens.push(Token::Word(word(&mut chars)?));
            continue;
        }
        chars.next();
        match c {
            '\n' => tokens.push(Token::LineEnd),
            ';' => tokens.push(Token::Semicolon),
            '&' => tokens.push(chars.next_if_eq(&'&').map(|_| Token::Joint)?),
            '|' => {
                chars.next_if_eq(&'|');
                tokens.push(Token::Joint);
            }
            _blank => {}
        }
    }
    Some(tokens)
}

fn ends_a_word(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | ';' | '&' | '|')
}

fn word(chars: &mut Peekable<Chars>) -> Option<Word> {
    let mut word = Word::default();
    while let Some(c) = chars.next_if(|c| !ends_a_word(*c)) {
        match c {
            '\'' => single_quoted(chars, &mut word.text)?,
            '"' => double_quoted(chars, &mut word.text)?,
            c if is_bare(c, word.text.chars().next_back()) => {
                word.text.push(c);
                word.has_bare_part = true;
            }
            _ => return None,
        }
    }
    Some(word)
}

fn single_quoted(chars: &mut Peekable<Chars>, text: &mut String) -> Option<()> {
    loop {
        match chars.next()? {
            '\'' => return Some(()),
            '\0' => return None,
            c => text.push(c),
        }
    }
}

fn double_quoted(chars: &mut Peekable<Chars>, text: &mut String) -> Option<()> {
    loop {
        match chars.next()? {
            '"' => return Some(()),
            '$' | '`' | '\0' => return None,
            '\\' if chars.peek().is_none_or(|c| "$`\"\\\n".contains(*c)) => return None,
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
}
