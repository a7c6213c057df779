//! Newline-delimited text with a limit on the length of a line (`spec/protocol-v1.md`, Transport).

use super::{BoundedBuffer, Full, find_byte};

/// Why a line was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The line was longer than the limit. The decoder has skipped it and goes on with the next one.
    #[error("line is longer than {limit} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
}

/// Cuts bytes into lines. Blank lines are skipped; a line that lies within one chunk is lent, not copied.
///
/// The result does not depend on how the bytes were cut into chunks. At most `max_line_bytes` are ever held.
#[derive(Debug)]
pub struct LineDecoder {
    /// The beginning of a line whose end has not come yet.
    partial: BoundedBuffer,
    max_line_bytes: usize,
    /// An over-long line was reported and the rest of it is still arriving.
    discarding: bool,
}

impl LineDecoder {
    /// `max_line_bytes` counts everything before the newline, a carriage return included.
    #[must_use]
    pub fn new(max_line_bytes: usize) -> Self {
        Self { partial: BoundedBuffer::new(max_line_bytes), max_line_bytes, discarding: false }
    }

    /// Takes the next bytes and gives every line that is complete, without its line ending. Each over-long line is
    /// given as one error, at its place among the others.
    pub fn feed(&mut self, mut chunk: &[u8], sink: &mut impl FnMut(Result<&[u8], LineError>)) {
        while let Some(end) = find_byte(chunk, |byte| byte == b'\n') {
            self.end_line(&chunk[..end], sink);
            chunk = &chunk[end + 1..];
        }
        self.hold(chunk, sink);
    }

    /// The stream has ended: gives a last line that has no newline. The decoder can then be fed a new stream.
    pub fn finish(&mut self, sink: &mut impl FnMut(Result<&[u8], LineError>)) {
        self.end_line(b"", sink);
    }

    /// How much of a line is held whose end has not come yet, in bytes.
    #[must_use]
    pub fn held(&self) -> usize {
        self.partial.as_slice().len()
    }

    fn end_line(&mut self, rest: &[u8], sink: &mut impl FnMut(Result<&[u8], LineError>)) {
        if self.partial.is_empty() && rest.len() <= self.max_line_bytes {
            if !self.discarding {
                deliver(rest, sink);
            }
        } else {
            self.hold(rest, sink);
            deliver(self.partial.as_slice(), sink);
        }
        self.partial.clear();
        self.discarding = false;
    }

    fn hold(&mut self, part: &[u8], sink: &mut impl FnMut(Result<&[u8], LineError>)) {
        if self.discarding {
            return;
        }
        if let Err(Full) = self.partial.push(part) {
            self.partial.clear();
            self.discarding = true;
            sink(Err(LineError::TooLong { limit: self.max_line_bytes }));
        }
    }
}

fn deliver(line: &[u8], sink: &mut impl FnMut(Result<&[u8], LineError>)) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !line.trim_ascii().is_empty() {
        sink(Ok(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode<'a>(limit: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Result<String, LineError>> {
        let mut lines = Vec::new();
        let mut sink = |line: Result<&[u8], LineError>| {
            lines.push(line.map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
        };
        let mut decoder = LineDecoder::new(limit);
        for chunk in chunks {
            decoder.feed(chunk, &mut sink);
        }
        decoder.finish(&mut sink);
        lines
    }

    /// `expected` holds the lines; `!` stands for an over-long one. The limit is 8.
    fn check(input: &str, expected: &[&str]) {
        let lines: Vec<_> = decode(8, [input.as_bytes()])
            .into_iter()
            .map(|line| line.unwrap_or_else(|_too_long| "!".to_owned()))
            .collect();
        assert_eq!(lines, expected, "{input:?}");
    }

    #[test]
    fn lines_are_cut_at_newlines() {
        check("", &[]);
        check("a\nb\n", &["a", "b"]);
        check("a\r\nb\r\n", &["a", "b"]);
        check("a\rb\n", &["a\rb"]);
        check("\n \n\t\r\n\r\n a \n", &[" a "]);
        check("a\nlast", &["a", "last"]);
        check("a\nlast\r", &["a", "last"]);
    }

    #[test]
    fn an_over_long_line_is_one_error_and_the_next_one_is_read() {
        check("12345678\n", &["12345678"]);
        check("123456789\n", &["!"]);
        check("1234567\r\n", &["1234567"]);
        check("12345678\r\n", &["!"]);
        check("a\n123456789012345678901234567890\nb", &["a", "!", "b"]);
        check("123456789\n123456789\n", &["!", "!"]);
        check("         \nb\n", &["!", "b"]);
        check("a\n123456789", &["a", "!"]);
    }

    #[test]
    fn an_over_long_line_without_end_is_not_kept() {
        let mut decoder = LineDecoder::new(8);
        let mut errors = 0;
        for _ in 0..1000 {
            decoder.feed(b"xxxxx", &mut |line| errors += usize::from(line.is_err()));
        }
        assert_eq!((errors, decoder.partial.as_slice().len()), (1, 0));
    }

    #[test]
    fn a_finished_decoder_starts_afresh() {
        let mut decoder = LineDecoder::new(4);
        let mut lines = Vec::new();
        let mut sink = |line: Result<&[u8], LineError>| lines.push(line.map(<[u8]>::to_vec));
        decoder.feed(b"12345", &mut sink);
        decoder.finish(&mut sink);
        decoder.feed(b"new", &mut sink);
        decoder.finish(&mut sink);
        assert_eq!(lines, [Err(LineError::TooLong { limit: 4 }), Ok(b"new".to_vec())]);
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(input in "[ab\r\n ]{0,60}", size in 1_usize..12, limit in 0_usize..10) {
            let whole = decode(limit, [input.as_bytes()]);
            prop_assert_eq!(decode(limit, input.as_bytes().chunks(size)), whole);
        }

        #[test]
        fn a_line_is_what_split_would_give(lines in prop::collection::vec("[a-z]{1,8}", 0..10)) {
            let decoded: Result<Vec<_>, _> = decode(8, [lines.join("\n").as_bytes()]).into_iter().collect();
            prop_assert_eq!(decoded, Ok(lines));
        }
    }
}
