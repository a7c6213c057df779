//! Keys of the configured providers never reach a journal, even where a command printed one.

use std::{borrow::Cow, fmt};

/// What stands in a secret's place.
const REDACTED: &[u8] = b"[redacted]";
/// Shorter values are too likely to be words.
const SHORTEST: usize = 8;

/// The secrets of a configuration.
#[derive(Clone, Default)]
pub struct Redaction {
    secrets: Vec<Vec<u8>>,
}

impl Redaction {
    /// Of these values; blank and very short ones are no secrets.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = String>) -> Self {
        let escaped =
            |value: String| serde_json::to_string(&value).ok().map(|json| json.trim_matches('"').as_bytes().to_vec());
        let long = values.into_iter().filter(|value| value.trim().len() >= SHORTEST);
        Self { secrets: long.filter_map(escaped).collect() }
    }

    pub(super) fn apply<'l>(&self, lines: &'l [u8]) -> Cow<'l, [u8]> {
        let mut lines = Cow::Borrowed(lines);
        for secret in &self.secrets {
            if let Some(at) = find(&lines, secret) {
                lines = Cow::Owned(replaced(&lines, secret, at));
            }
        }
        lines
    }
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redaction({})", self.secrets.len())
    }
}

fn replaced(text: &[u8], secret: &[u8], first: usize) -> Vec<u8> {
    let mut clean = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut next = Some(first);
    while let Some(at) = next {
        clean.extend_from_slice(&rest[..at]);
        clean.extend_from_slice(REDACTED);
        rest = &rest[at + secret.len()..];
        next = find(rest, secret);
    }
    clean.extend_from_slice(rest);
    clean
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_wherever_they_are() {
        let redaction =
            Redaction::of(["sk-12345678".to_owned(), "quo\"te-me-not".to_owned(), "short".to_owned(), String::new()]);
        let check = |text: &str, expected: &str| assert_eq!(&*redaction.apply(text.as_bytes()), expected.as_bytes());
        check("sk-12345678", "[redacted]");
        check("a sk-12345678sk-12345678 b short", "a [redacted][redacted] b short");
        check(r#"{"k":"quo\"te-me-not"}"#, r#"{"k":"[redacted]"}"#);
        check("nothing", "nothing");
    }
}
