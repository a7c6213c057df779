//! The output of one running command, kept within bounds.

use std::collections::VecDeque;

/// How much of each stream, and of both together, is kept unless said otherwise, in bytes.
pub const DEFAULT_STREAM_LIMIT: usize = 1024 * 1024;

/// Collects what a command prints: each stream, and both in the order of arrival. Of each of the three the first half
/// and the last half of the limit are kept; what lies between is counted and forgotten, so that memory never exceeds
/// three times the limit, whatever the command prints.
#[derive(Clone, Debug)]
pub struct OutputBuffer {
    stdout: Excerpt,
    stderr: Excerpt,
    aggregated: Excerpt,
}

impl Default for OutputBuffer {
    fn default() -> Self {
        Self::with_limit(DEFAULT_STREAM_LIMIT)
    }
}

impl OutputBuffer {
    /// An empty buffer that keeps `limit` bytes of each.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        let excerpt = Excerpt::new(limit / 2);
        Self { stdout: excerpt.clone(), stderr: excerpt.clone(), aggregated: excerpt }
    }

    /// Takes what the command wrote to its standard output next.
    pub fn push_stdout(&mut self, bytes: &[u8]) {
        self.stdout.push(bytes);
        self.aggregated.push(bytes);
    }

    /// Takes what the command wrote to its standard error next.
    pub fn push_stderr(&mut self, bytes: &[u8]) {
        self.stderr.push(bytes);
        self.aggregated.push(bytes);
    }

    /// How many bytes the command printed, the forgotten ones included.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.aggregated.bytes
    }

    /// How many lines the command printed, the forgotten ones included; an unfinished last line counts.
    #[must_use]
    pub fn total_lines(&self) -> usize {
        self.aggregated.lines()
    }

    /// The standard output. As in all three texts, bytes that are not UTF-8 become U+FFFD, and where bytes were
    /// forgotten stands one line with their number.
    #[must_use]
    pub fn stdout_text(&self) -> String {
        self.stdout.text()
    }

    /// The standard error, likewise.
    #[must_use]
    pub fn stderr_text(&self) -> String {
        self.stderr.text()
    }

    /// Both in the order of arrival, likewise.
    #[must_use]
    pub fn aggregated_text(&self) -> String {
        self.aggregated.text()
    }

    /// Both in the order of arrival, as short as a model is to read it: see [`super::truncate_for_model`].
    #[must_use]
    pub fn model_text(&self) -> String {
        super::truncate_for_model(&self.aggregated_text(), self.total_lines())
    }
}

/// The two ends of a stream of bytes.
#[derive(Clone, Debug)]
struct Excerpt {
    half: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    bytes: u64,
    line_ends: usize,
    open_line: bool,
}

impl Excerpt {
    fn new(half: usize) -> Self {
        Self { half, head: Vec::new(), tail: VecDeque::new(), bytes: 0, line_ends: 0, open_line: false }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.count(bytes);
        let fits = bytes.len().min(self.half - self.head.len());
        let (first, rest) = bytes.split_at(fits);
        self.extend_head(first);
        self.extend_tail(rest);
    }

    fn count(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.line_ends += bytes.iter().filter(|b| **b == b'\n').count();
        self.open_line = bytes.last().map_or(self.open_line, |b| *b != b'\n');
    }

    fn extend_head(&mut self, bytes: &[u8]) {
        let (capacity, len) = (self.head.capacity(), self.head.len());
        let wanted = grown(capacity, len + bytes.len(), self.half);
        self.head.reserve_exact(wanted - len);
        self.head.extend_from_slice(bytes);
    }

    fn extend_tail(&mut self, bytes: &[u8]) {
        let last = &bytes[bytes.len().saturating_sub(self.half)..];
        let excess = (self.tail.len() + last.len()).saturating_sub(self.half);
        self.tail.drain(..excess);
        let (capacity, len) = (self.tail.capacity(), self.tail.len());
        let wanted = grown(capacity, len + last.len(), self.half);
        self.tail.reserve_exact(wanted - len);
        self.tail.extend(last);
    }

    fn lines(&self) -> usize {
        self.line_ends + usize::from(self.open_line)
    }

    fn omitted(&self) -> u64 {
        self.bytes - (self.head.len() + self.tail.len()) as u64
    }

    fn text(&self) -> String {
        let (front, back) = self.tail.as_slices();
        if self.omitted() == 0 {
            return lossy(&[&self.head, front, back].concat());
        }
        let head = &self.head[..self.head.len() - cut_end(&self.head)];
        let tail = [front, back].concat();
        let tail = &tail[cut_start(&tail)..];
        let omitted = self.bytes - (head.len() + tail.len()) as u64;
        let line_end = if head.last().is_none_or(|b| *b == b'\n') { "" } else { "\n" };
        format!("{}{line_end}[... omitted {omitted} bytes ...]\n{}", lossy(head), lossy(tail))
    }
}

/// The capacity to grow to: twofold, so that growing stays cheap, but never beyond the bound.
fn grown(capacity: usize, needed: usize, bound: usize) -> usize {
    if needed <= capacity { needed } else { needed.max(2 * capacity).min(bound) }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// How many bytes at the end belong to a character that was cut by the bound: at most three.
fn cut_end(head: &[u8]) -> usize {
    let following = head.iter().rev().take(3).take_while(is_continuation).count();
    let lead = head.iter().rev().nth(following);
    let announced = lead.map_or(0, |b| b.leading_ones() as usize);
    if announced > following + 1 { following + 1 } else { 0 }
}

/// How many bytes at the beginning belong to a character that was cut by the bound: at most three.
fn cut_start(tail: &[u8]) -> usize {
    tail.iter().take(3).take_while(is_continuation).count()
}

fn is_continuation(byte: &&u8) -> bool {
    **byte & 0xC0 == 0x80
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(limit: usize, chunks: &[&[u8]]) -> OutputBuffer {
        let mut buffer = OutputBuffer::with_limit(limit);
        for chunk in chunks {
            buffer.push_stdout(chunk);
        }
        buffer
    }

    #[test]
    fn streams_are_kept_apart_and_together_in_the_order_of_arrival() {
        let mut buffer = OutputBuffer::default();
        buffer.push_stdout(b"a\n");
        buffer.push_stderr(b"b\n");
        buffer.push_stdout(b"c");
        assert_eq!(buffer.stdout_text(), "a\nc");
        assert_eq!(buffer.stderr_text(), "b\n");
        assert_eq!(buffer.aggregated_text(), "a\nb\nc");
        assert_eq!(buffer.model_text(), "a\nb\nc");
        assert_eq!((buffer.total_bytes(), buffer.total_lines()), (5, 3));
    }

    #[test]
    fn texts_with_and_without_something_omitted() {
        let check = |limit, bytes: &[u8], expected: &str| {
            assert_eq!(kept(limit, &[bytes]).stdout_text(), expected);
            let bytewise: Vec<_> = bytes.chunks(1).collect();
            assert_eq!(kept(limit, &bytewise).stdout_text(), expected);
        };
        check(8, b"", "");
        check(8, b"12345678", "12345678");
        check(8, b"123456789", "1234\n[... omitted 1 bytes ...]\n6789");
        check(8, b"123\n567\n9ab\n", "123\n[... omitted 4 bytes ...]\n9ab\n");
        check(0, b"gone", "[... omitted 4 bytes ...]\n");
        check(8, "123é678".as_bytes(), "123é678");
        check(8, "123é6é89".as_bytes(), "123\n[... omitted 3 bytes ...]\né89");
        check(8, "1234é789".as_bytes(), "1234\n[... omitted 2 bytes ...]\n789");
        check(8, b"\xffa\xf0\x9f..1234", "\u{fffd}a\n[... omitted 4 bytes ...]\n1234");
        check(8, b"\xff\xfe", "\u{fffd}\u{fffd}");
    }

    #[test]
    fn an_unfinished_line_counts_once() {
        let check = |chunks: &[&[u8]], lines| assert_eq!(kept(4, chunks).total_lines(), lines);
        check(&[], 0);
        check(&[b""], 0);
        check(&[b"a", b"b", b""], 1);
        check(&[b"a", b"\n"], 1);
        check(&[b"a\n", b"\n", b"b"], 3);
    }

    #[test]
    fn a_model_is_told_of_lines_that_were_forgotten() {
        let mut buffer = OutputBuffer::with_limit(64 * 1024);
        (0..100_000).for_each(|n| buffer.push_stderr(format!("{n}\n").as_bytes()));
        let text = buffer.model_text();
        assert!(text.starts_with("Total output lines: 100000\n\n0\n1\n"), "{text}");
        assert!(text.contains("[... omitted 99744 of 100000 lines ...]"), "{text}");
        assert!(text.ends_with("\n99999\n"), "{text}");
    }

    fn capacity(excerpt: &Excerpt) -> usize {
        excerpt.head.capacity() + excerpt.tail.capacity()
    }

    proptest! {
        #[test]
        fn memory_is_bounded_counts_are_exact_and_both_ends_are_kept(
            limit in 0..300usize,
            chunks in prop::collection::vec((any::<bool>(), prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..120)), 0..20),
        ) {
            let mut buffer = OutputBuffer::with_limit(limit);
            let mut all = Vec::new();
            for (is_stdout, chunk) in &chunks {
                if *is_stdout { buffer.push_stdout(chunk) } else { buffer.push_stderr(chunk) }
                all.extend_from_slice(chunk);
                for excerpt in [&buffer.stdout, &buffer.stderr, &buffer.aggregated] {
                    prop_assert!(capacity(excerpt) <= limit);
                }
            }
            prop_assert_eq!(buffer.total_bytes(), all.len() as u64);
            prop_assert_eq!(buffer.total_lines(), all.split_inclusive(|b| *b == b'\n').count());
            let Excerpt { head, tail, .. } = &buffer.aggregated;
            let tail = Vec::from(tail.clone());
            prop_assert!(all.starts_with(head) && all.ends_with(&tail));
            let half = limit / 2;
            prop_assert_eq!(head.len() + tail.len(), all.len().min(2 * half));
            prop_assert!(head.len() <= half && tail.len() <= half);
        }

        #[test]
        fn chunking_changes_nothing(text in "[a-zé\n🦀]{0,80}", at in 0..80usize, limit in 0..60usize) {
            let bytes = text.as_bytes();
            let (first, second) = bytes.split_at(at.min(bytes.len()));
            let once = kept(limit, &[bytes]).stdout_text();
            prop_assert_eq!(&once, &kept(limit, &[first, second]).stdout_text());
            prop_assert!(!once.contains(char::REPLACEMENT_CHARACTER));
        }
    }
}
