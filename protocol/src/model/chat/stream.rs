//! The answer to a Chat Completions request (`reference/model-wire.md` §7).
//!
//! Chat has deltas only: the items are put together here, and come when the answer is whole. Real servers differ in
//! nearly everything (`reference/users-and-parts.md` §2.4): every member is optional, and what cannot be read is
//! counted and skipped. An object that is broken off in the middle is a damaged stream: what it said is lost.

mod answer;
mod part;

use self::answer::Answer;
use crate::{
    framing::BoundedBuffer,
    model::{
        Failure, ModelEvent,
        responses::DecodeLimits,
        sse::{SseDecoder, SseError},
    },
};

/// Decodes the body of one answer, streamed or not. Memory is bounded by the limits: the whole answer is collected, and
/// may be as large as one event.
///
/// Feed it until [`is_done`](Self::is_done), an error, or the end of the body, and call [`finish`](Self::finish) only
/// for the last. Nothing comes after the end, whatever is fed.
#[derive(Debug)]
pub struct ChatDecoder {
    body: Body,
    answer: Answer,
    limits: DecodeLimits,
}

/// What the body is, known from its first byte.
#[derive(Debug)]
enum Body {
    Unknown,
    Stream(SseDecoder),
    /// One JSON object, from a server that does not stream.
    Whole(BoundedBuffer),
}

impl ChatDecoder {
    /// A decoder at the beginning of a body.
    #[must_use]
    pub fn new(limits: DecodeLimits) -> Self {
        Self { body: Body::Unknown, answer: Answer::new(limits), limits }
    }

    /// Takes the next bytes of the body and appends what they say to `out`.
    ///
    /// # Errors
    ///
    /// A failure that the server reports, or that makes the rest of the stream useless. It ends the answer; the events
    /// before it are in `out`.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), Failure> {
        if self.is_done() {
            return Ok(());
        }
        let chunk = self.recognize(chunk);
        let answer = &mut self.answer;
        let read = match &mut self.body {
            Body::Unknown => Ok(()),
            Body::Stream(sse) => sse.feed(chunk, &mut |event| answer.take(event, out)),
            Body::Whole(body) => body.push(chunk).map_err(|_| SseError::TooLong { limit: self.limits.max_event_bytes }),
        };
        answer.outcome(read)
    }

    /// The body has ended, or broke off: an answer of which only the closing words are missing is complete.
    ///
    /// # Errors
    ///
    /// As for [`feed`](Self::feed), and [`Cut`](crate::model::FailureKind::Cut) if the answer was not complete.
    pub fn finish(&mut self, out: &mut Vec<ModelEvent>) -> Result<(), Failure> {
        if self.is_done() {
            return Ok(());
        }
        let answer = &mut self.answer;
        let read = match &mut self.body {
            Body::Unknown => Ok(()),
            Body::Stream(sse) => sse.finish(&mut |event| answer.take(event, out)),
            Body::Whole(body) => {
                answer.take_whole(&String::from_utf8_lossy(body.as_slice()), out);
                Ok(())
            }
        };
        answer.outcome(read)?;
        answer.end_of_body(out);
        answer.outcome(Ok(()))
    }

    /// Whether the answer is over, completed or failed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.answer.is_over
    }

    /// Whether all was said but for the count of tokens and the closing words, which some servers never send.
    #[must_use]
    pub fn lacks_only_its_end(&self) -> bool {
        self.answer.finish_reason.is_some() && !self.is_done()
    }

    /// How many events could not be read and were skipped; worth a line in a log.
    #[must_use]
    pub fn skipped_events(&self) -> u64 {
        self.answer.skipped
    }

    /// Blank lines before the body mean nothing: some servers send them while they wait.
    fn recognize<'c>(&mut self, chunk: &'c [u8]) -> &'c [u8] {
        let Body::Unknown = self.body else {
            return chunk;
        };
        let chunk = chunk.trim_ascii_start();
        self.body = match chunk.first() {
            None => Body::Unknown,
            Some(b'{') => Body::Whole(BoundedBuffer::new(self.limits.max_event_bytes)),
            Some(_) => Body::Stream(SseDecoder::new(self.limits.max_event_bytes)),
        };
        chunk
    }
}

#[cfg(test)]
mod tests;
