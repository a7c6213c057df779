//! A command's bytes as text, piece by piece.

use base64::{Engine, prelude::BASE64_STANDARD};

/// Decodes one stream of UTF-8 that arrives in pieces: a character that is cut waits for its rest, bytes that are no
/// text become U+FFFD.
#[derive(Clone, Debug, Default)]
pub(super) struct TextStream {
    /// The beginning of a character: at most three bytes.
    cut: Vec<u8>,
}

impl TextStream {
    /// The text of the next bytes, given in base64 as the event has them.
    pub(super) fn decode(&mut self, base64: &str) -> String {
        self.push(&BASE64_STANDARD.decode(base64).unwrap_or_default())
    }

    fn push(&mut self, bytes: &[u8]) -> String {
        self.cut.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.cut);
        let mut text = String::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            match chunk.invalid() {
                [] => {}
                cut if chunks.peek().is_none() && may_go_on(cut) => self.cut = cut.to_vec(),
                _ => text.push(char::REPLACEMENT_CHARACTER),
            }
        }
        text
    }
}

/// Whether these bytes can be the beginning of a character.
fn may_go_on(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cut_character_waits_for_its_rest() {
        let mut stream = TextStream::default();
        assert_eq!(stream.push(b"a\xe2\x82"), "a");
        assert_eq!(stream.push(b"\xacb"), "\u{20ac}b");
        assert_eq!(stream.push(b"\xff"), "\u{fffd}");
        assert_eq!(stream.push(b"\xe2"), "");
        assert_eq!(stream.push(b"x"), "\u{fffd}x");
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_text(text in "\\PC{0,20}", at in 0..80_usize) {
            let at = at.min(text.len());
            let mut stream = TextStream::default();
            let halves = stream.push(&text.as_bytes()[..at]) + &stream.push(&text.as_bytes()[at..]);
            prop_assert_eq!(halves, text);
        }
    }
}
