//! What goes out, on whatever way: a session's events, or what a client is told.

use bytes::Bytes;
use llmx_actors::{app_server::Outgoing, outbox::Delivery};
use std::borrow::Cow;

/// What is gathered for one write, in bytes.
const WRITE: usize = 256 * 1024;

/// What a writer is given.
pub(crate) enum Line {
    Events(Delivery),
    Told(Outgoing),
    /// Nothing follows.
    End,
}

/// Whole lines, with the credit that their writing gives back.
pub(crate) enum Chunk {
    Events(Delivery),
    Told(Outgoing),
}

impl Chunk {
    pub(crate) fn bytes(&self) -> &Bytes {
        match self {
            Self::Events(delivery) => delivery.lines(),
            Self::Told(outgoing) => &outgoing.bytes,
        }
    }
}

/// What goes out in one write. Dropping it gives its credits back.
pub(crate) struct Batch {
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) last: bool,
}

impl Batch {
    /// With as much as there is at once, up to a limit.
    pub(crate) fn gather(first: Line, mut more: impl FnMut() -> Option<Line>) -> Self {
        let mut batch = Self { chunks: Vec::new(), last: false };
        let mut size = 0;
        let mut next = Some(first);
        while let Some(line) = next {
            let chunk = match line {
                Line::Events(delivery) => Chunk::Events(delivery),
                Line::Told(outgoing) => Chunk::Told(outgoing),
                Line::End => {
                    batch.last = true;
                    return batch;
                }
            };
            size += chunk.bytes().len();
            batch.chunks.push(chunk);
            if size >= WRITE {
                return batch;
            }
            next = more();
        }
        batch
    }

    /// Of lines that nobody waits for.
    pub(crate) fn of(lines: Vec<u8>) -> Self {
        let outgoing = Outgoing { bytes: Bytes::from(lines), credit: None };
        Self { chunks: vec![Chunk::Told(outgoing)], last: true }
    }

    pub(crate) fn bytes(&self) -> Cow<'_, [u8]> {
        match &self.chunks[..] {
            [one] => Cow::Borrowed(one.bytes()),
            many => Cow::Owned(many.iter().map(|chunk| &chunk.bytes()[..]).collect::<Vec<_>>().concat()),
        }
    }
}
