//! A conservative reader of simple shell scripts.
//!
//! It knows words, plain quotes and the joints between commands, and gives up at everything else, also where a shell
//! would find it harmless: what it returns must be what `sh`, `bash` and `zsh` would run, word for word.
//!
//! No crate reads shell for it. Scripts come from the model, and whoever reads them must come back: `brush-parser` 0.3
//! overflows the stack of the whole process over 20,000 nested groups (100 kB), remembers words in a global cache
//! behind a lock, brings 50 crates, and still leaves the quotes of a word to its user. `conch-parser` has not been
//! released since 2019, tree-sitter's grammar is C, yash's parser is under the GPL.

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
mod tests;
