//! When a line of a patch and a line of a file count as the same (reference `apply-patch.md` §3.1).

use std::borrow::Cow;

/// How exactly two lines must agree. A line is what stands before a `\n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// In every byte, a carriage return at the end included.
    Bytes,
    /// But for a carriage return at the end.
    Text,
    /// But for white space at the end.
    TrimmedEnd,
    /// But for white space at both ends.
    Trimmed,
    /// But for that, and for the kind of dashes, quotation marks and spaces.
    Punctuation,
}

impl Level {
    /// All of them, the most exact first. Each is tried over the whole file before the next.
    pub(super) const ALL: [Self; 5] = [Self::Bytes, Self::Text, Self::TrimmedEnd, Self::Trimmed, Self::Punctuation];

    /// Two lines are the same if these are equal.
    pub(super) fn normal(self, line: &str) -> Cow<'_, str> {
        match self {
            Self::Bytes => line.into(),
            Self::Text => line.strip_suffix('\r').unwrap_or(line).into(),
            Self::TrimmedEnd => line.trim_end().into(),
            Self::Trimmed => line.trim().into(),
            Self::Punctuation => with_plain_punctuation(line.trim()),
        }
    }
}

fn with_plain_punctuation(line: &str) -> Cow<'_, str> {
    if line.is_ascii() { line.into() } else { line.chars().map(plain).collect() }
}

fn plain(character: char) -> char {
    match character {
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '\u{2018}'..='\u{201B}' => '\'',
        '\u{201C}'..='\u{201F}' => '"',
        '\u{00A0}' | '\u{2002}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => ' ',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_level_at_which_they_agree(a: &str, b: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.normal(a) == level.normal(b))
    }

    #[test]
    fn lines_agree_from_their_level_on() {
        let check = |a: &str, b: &str, expected: Option<Level>| {
            assert_eq!(first_level_at_which_they_agree(a, b), expected, "{a:?} {b:?}");
            assert_eq!(first_level_at_which_they_agree(b, a), expected, "{b:?} {a:?}");
        };
        check("a", "a", Some(Level::Bytes));
        check("a\r", "a", Some(Level::Text));
        check("a\r\r", "a", Some(Level::TrimmedEnd));
        check("a \t", "a", Some(Level::TrimmedEnd));
        check("\ta", "  a ", Some(Level::Trimmed));
        check(" a b", "a  b", None);
        for dash in "\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}\u{2015}\u{2212}".chars() {
            check(&format!("a {dash} b"), "a - b", Some(Level::Punctuation));
        }
        for quote in "\u{2018}\u{2019}\u{201A}\u{201B}".chars() {
            check(&format!("it{quote}s"), "it's", Some(Level::Punctuation));
        }
        for quote in "\u{201C}\u{201D}\u{201E}\u{201F}".chars() {
            check(&format!("{quote}x{quote}"), "\"x\"", Some(Level::Punctuation));
        }
        for space in "\u{A0}\u{2002}\u{2003}\u{2009}\u{200A}\u{202F}\u{205F}\u{3000}".chars() {
            check(&format!("a{space}b"), "a b", Some(Level::Punctuation));
        }
        check("a\u{200B}b", "a b", None);
        check("\u{2014}", "\u{2013}", Some(Level::Punctuation));
        check("é", "e", None);
        check("A", "a", None);
    }
}
