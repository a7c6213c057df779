//! Server-sent events, by the rules of the WHATWG HTML standard (§9.2.6, "Interpreting an event stream").
//!
//! `id` and `retry` mean reconnection, which a model request never does; they are ignored.

use crate::framing::{BoundedBuffer, Full, find_byte};
use std::borrow::Cow;

/// One event, lent for the time of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SseEvent<'a> {
    /// The name given by an `event:` line.
    pub event: Option<&'a str>,
    /// The `data:` lines, joined with a newline. Invalid UTF-8 is replaced.
    pub data: &'a str,
}

/// Why a stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// A line, or the data of one event, was longer than the limit.
    #[error("server-sent event is larger than {limit} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
}

/// Cuts a body into events. The result does not depend on the chunks that the bytes came in.
///
/// Buffers are reused: an event costs no allocation of its own. A line, the data and the name of an event take at
/// most `max_event_bytes` each.
#[derive(Debug)]
pub struct SseDecoder {
    limit: usize,
    /// The beginning of a line whose end has not come yet.
    partial: BoundedBuffer,
    /// The last byte was a carriage return: a line feed that follows belongs to it.
    after_cr: bool,
    /// The first line may begin with a byte order mark.
    at_start: bool,
    event: PendingEvent,
    overrun: bool,
}

impl SseDecoder {
    /// A decoder at the beginning of a body.
    #[must_use]
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            limit: max_event_bytes,
            partial: BoundedBuffer::new(max_event_bytes),
            after_cr: false,
            at_start: true,
            event: PendingEvent::new(max_event_bytes),
            overrun: false,
        }
    }

    /// Takes the next bytes and gives every event that is complete.
    ///
    /// # Errors
    ///
    /// [`SseError::TooLong`] is final: it is given after the events before it, and for every later call.
    pub fn feed(&mut self, chunk: &[u8], sink: &mut impl FnMut(SseEvent<'_>)) -> Result<(), SseError> {
        self.guarded(|decoder| decoder.read(chunk, sink))
    }

    /// The body has ended. Gives a last event whose closing blank line is missing, as many servers leave it out.
    ///
    /// # Errors
    ///
    /// As for [`feed`](Self::feed).
    pub fn finish(&mut self, sink: &mut impl FnMut(SseEvent<'_>)) -> Result<(), SseError> {
        self.guarded(|decoder| {
            decoder.end_line(b"", sink)?;
            decoder.event.dispatch(sink);
            Ok(())
        })
    }

    fn guarded(&mut self, read: impl FnOnce(&mut Self) -> Result<(), Full>) -> Result<(), SseError> {
        self.overrun = self.overrun || read(self).is_err();
        if self.overrun { Err(SseError::TooLong { limit: self.limit }) } else { Ok(()) }
    }

    fn read(&mut self, mut chunk: &[u8], sink: &mut impl FnMut(SseEvent<'_>)) -> Result<(), Full> {
        if self.after_cr && !chunk.is_empty() {
            self.after_cr = false;
            chunk = chunk.strip_prefix(b"\n").unwrap_or(chunk);
        }
        while let Some(end) = find_byte(chunk, |byte| byte == b'\n' || byte == b'\r') {
            self.end_line(&chunk[..end], sink)?;
            chunk = self.skip_line_end(&chunk[end..]);
        }
        self.partial.push(chunk)
    }

    fn skip_line_end<'c>(&mut self, from_end: &'c [u8]) -> &'c [u8] {
        match from_end {
            [b'\r', b'\n', rest @ ..] => rest,
            [b'\r'] => {
                self.after_cr = true;
                &[]
            }
            [_, rest @ ..] => rest,
            [] => &[],
        }
    }

    fn end_line(&mut self, rest: &[u8], sink: &mut impl FnMut(SseEvent<'_>)) -> Result<(), Full> {
        let at_start = std::mem::take(&mut self.at_start);
        if self.partial.is_empty() {
            return self.event.take_line(rest, at_start, sink);
        }
        self.partial.push(rest)?;
        self.event.take_line(self.partial.as_slice(), at_start, sink)?;
        self.partial.clear();
        Ok(())
    }
}

/// The fields of the event that is being read.
#[derive(Debug)]
struct PendingEvent {
    limit: usize,
    name: BoundedBuffer,
    data: BoundedBuffer,
    /// An empty `data:` line makes an event too.
    has_data: bool,
}

impl PendingEvent {
    fn new(limit: usize) -> Self {
        Self { limit, name: BoundedBuffer::new(limit), data: BoundedBuffer::new(limit), has_data: false }
    }

    fn take_line(&mut self, line: &[u8], first: bool, sink: &mut impl FnMut(SseEvent<'_>)) -> Result<(), Full> {
        if line.len() > self.limit {
            return Err(Full);
        }
        let line = if first { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line };
        match field(line) {
            (b"", None) => self.dispatch(sink),
            (b"data", value) => self.take_data(value.unwrap_or_default())?,
            (b"event", value) => {
                self.name.clear();
                self.name.push(value.unwrap_or_default())?;
            }
            _ => {} // a comment (nothing before its colon), `id`, `retry`, or a field of the future
        }
        Ok(())
    }

    fn take_data(&mut self, value: &[u8]) -> Result<(), Full> {
        if std::mem::replace(&mut self.has_data, true) {
            self.data.push(b"\n")?;
        }
        self.data.push(value)
    }

    fn dispatch(&mut self, sink: &mut impl FnMut(SseEvent<'_>)) {
        if std::mem::take(&mut self.has_data) {
            let name = as_text(self.name.as_slice());
            let data = as_text(self.data.as_slice());
            sink(SseEvent { event: Some(&*name).filter(|name| !name.is_empty()), data: &data });
        }
        self.name.clear();
        self.data.clear();
    }
}

/// The name of a line's field and what follows the colon, less one space.
fn field(line: &[u8]) -> (&[u8], Option<&[u8]>) {
    match line.iter().position(|&byte| byte == b':') {
        None => (line, None),
        Some(colon) => {
            let value = &line[colon + 1..];
            (&line[..colon], Some(value.strip_prefix(b" ").unwrap_or(value)))
        }
    }
}

/// Borrows where the bytes are UTF-8, which is nearly always.
fn as_text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Events = (Vec<(Option<String>, String)>, Option<SseError>);

    fn decode<'a>(limit: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Events {
        let mut events = Vec::new();
        let mut sink = |SseEvent { event, data }: SseEvent<'_>| {
            events.push((event.map(str::to_owned), data.to_owned()));
        };
        let mut decoder = SseDecoder::new(limit);
        for chunk in chunks {
            let _final_error_comes_again = decoder.feed(chunk, &mut sink);
        }
        let error = decoder.finish(&mut sink).err();
        (events, error)
    }

    /// Each expected event is `name|data`.
    fn check(input: &[u8], expected: &[&str]) {
        let (events, error) = decode(1000, [input]);
        let shown: Vec<_> =
            events.into_iter().map(|(name, data)| format!("{}|{data}", name.unwrap_or_default())).collect();
        assert_eq!(shown, expected, "{}", input.escape_ascii());
        assert_eq!(error, None);
    }

    #[test]
    fn fields_are_read_as_the_standard_says() {
        check(b"data: a\n\n", &["|a"]);
        check(b"event: x\ndata: a\n\ndata: b\n\n", &["x|a", "|b"]);
        check(b"data: a\ndata: b\n\n", &["|a\nb"]);
        check(b"data:a\n\ndata:  b\n\n", &["|a", "| b"]);
        check(b"data\n\n", &["|"]);
        check(b"data\ndata\n\n", &["|\n"]);
        check(b"data: a: b\n\n", &["|a: b"]);
        check(b": comment\ndata: a\n: ping\nid: 1\nretry: 5\nfuture: x\n\n", &["|a"]);
        check(b"event: x\nevent: y\ndata: a\n\n", &["y|a"]);
        check(b"event: lost\n\ndata: a\n\n", &["|a"]);
        check(b"\n\n\n", &[]);
        check(b"", &[]);
    }

    #[test]
    fn every_line_ending_and_a_byte_order_mark_are_known() {
        check(b"data: a\r\n\r\ndata: b\r\n\r\n", &["|a", "|b"]);
        check(b"data: a\r\rdata: b\r\r", &["|a", "|b"]);
        check(b"data: a\r\n\ndata: b\r\r\n", &["|a", "|b"]);
        check(b"\xEF\xBB\xBFdata: a\n\n", &["|a"]);
        check(b"data: a\n\xEF\xBB\xBFdata: b\n\n", &["|a"]);
    }

    #[test]
    fn an_event_without_its_blank_line_is_given_at_the_end() {
        check(b"data: a\n\ndata: b\n", &["|a", "|b"]);
        check(b"data: a\n\nevent: x\ndata: b", &["|a", "x|b"]);
        check(b"data: a\r", &["|a"]);
        check(b"event: x\n", &[]);
    }

    #[test]
    fn invalid_utf8_is_replaced() {
        check(b"data: a\xFFb\n\n", &["|a\u{FFFD}b"]);
        check(b"event: \xC3\ndata: \xE2\x82\xAC\n\n", &["\u{FFFD}|\u{20AC}"]);
    }

    #[test]
    fn an_oversized_event_is_final_and_what_came_before_is_kept() {
        let too_long = Some(SseError::TooLong { limit: 10 });
        let before = vec![(None, "ok".to_owned())];
        for oversized in ["data: 12345", ": 123456789", "data: 1234\ndata: 1234\ndata: 1234", "xxxxxxxxxxxxxxx"] {
            let input = format!("data: ok\n\n{oversized}\n\ndata: late\n\n");
            assert_eq!(decode(10, [input.as_bytes()]), (before.clone(), too_long), "{oversized}");
        }
        assert_eq!(decode(10, [b"data: 1234\n\n".as_slice()]), (vec![(None, "1234".to_owned())], None));
    }

    #[test]
    fn every_cut_gives_the_same_events() {
        let input =
            "\u{FEFF}event: x\r\ndata: \u{20AC}a\r\n: c\r\ndata: b\r\n\r\ndata: c\rdata: d\r\rdata: e\n\ndata: f";
        let whole = decode(1000, [input.as_bytes()]);
        assert_eq!(whole.0.len(), 4);
        for cut in 0..=input.len() {
            let (head, tail) = input.as_bytes().split_at(cut);
            assert_eq!(decode(1000, [head, tail]), whole, "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(
            lines in prop::collection::vec("(data|data: |data:|event: |: |id: |\u{FEFF})[a:\u{20AC} ]{0,6}|", 0..20),
            ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r", "\r\n"]), 20),
            size in 1_usize..20,
            limit in 0_usize..40,
        ) {
            let input: String = lines.iter().zip(ends).map(|(line, end)| format!("{line}{end}")).collect();
            let whole = decode(limit, [input.as_bytes()]);
            prop_assert_eq!(decode(limit, input.as_bytes().chunks(size)), whole);
        }

        #[test]
        fn the_line_ending_does_not_matter(lines in prop::collection::vec("(data: |event: |: )[ab]{0,4}|", 0..20)) {
            let with = |end: &str| decode(100, [lines.join(end).as_bytes()]);
            prop_assert_eq!(with("\r\n"), with("\n"));
            prop_assert_eq!(with("\r"), with("\n"));
        }

        #[test]
        fn garbage_never_panics_and_is_never_hoarded(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..20),
        ) {
            let mut decoder = SseDecoder::new(32);
            for chunk in &chunks {
                let _final_error_comes_again = decoder.feed(chunk, &mut |event| assert!(event.data.len() <= 32 * 3));
                for held in [&decoder.partial, &decoder.event.name, &decoder.event.data] {
                    prop_assert!(held.as_slice().len() <= 32);
                }
            }
        }
    }
}
