//! What the targets share: how one input says both the bytes and the places where the network cut them, and what holds
//! of the events that a model's answer is decoded to.

use llmx_protocol::model::ModelEvent;
use std::collections::BTreeMap;

/// The chunks that an input's bytes arrive in: its last bytes give their sizes, in turn; the bytes themselves are all of
/// it, so that a captured stream is an input as it is.
pub fn chunks(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let sizes = &input[input.len().saturating_sub(4)..];
    let mut sizes = sizes.iter().map(|size| usize::from(*size) + 1).cycle();
    let mut rest = input;
    std::iter::from_fn(move || {
        let size = sizes.next()?.min(rest.len());
        let (chunk, later) = rest.split_at(size);
        rest = later;
        (!chunk.is_empty()).then_some(chunk)
    })
}

/// The order that [`ModelEvent`] promises.
#[derive(Debug, Default)]
pub struct Order {
    max_items: usize,
    /// The items that began, and whether they are done.
    items: BTreeMap<u32, bool>,
    completed: bool,
}

impl Order {
    /// Of an answer with at most so many items.
    #[must_use]
    pub fn new(max_items: usize) -> Self {
        Self { max_items, ..Self::default() }
    }

    /// Whether the answer is complete.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.completed
    }

    /// # Panics
    /// If the event may not come now.
    pub fn check(&mut self, event: &ModelEvent) {
        assert!(!self.completed, "after the end: {event:?}");
        match event {
            ModelEvent::ItemStarted { slot, .. } => {
                assert_eq!(*slot as usize, self.items.len(), "slots are numbered from 0");
                assert!(self.items.len() < self.max_items);
                self.items.insert(*slot, false);
            }
            ModelEvent::TextDelta { slot, delta }
            | ModelEvent::ReasoningSummaryDelta { slot, delta }
            | ModelEvent::ReasoningTextDelta { slot, delta } => {
                assert!(!delta.is_empty());
                assert_eq!(self.items.get(slot), Some(&false), "{event:?}");
            }
            ModelEvent::ReasoningSectionBreak { slot } => assert_eq!(self.items.get(slot), Some(&false), "{event:?}"),
            ModelEvent::ItemDone { slot, .. } => {
                assert_eq!(self.items.insert(*slot, true), Some(false), "{event:?}");
            }
            ModelEvent::Completed { .. } => self.completed = true,
            ModelEvent::Created { .. } => {}
            ModelEvent::Notice(_) | ModelEvent::RateLimits(_) => panic!("not a decoder's: {event:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_chunks_are_the_input() {
        for input in [&b""[..], b"a", b"data: a\n\ndata: b\n\n\x00\x01\x02\x03"] {
            assert_eq!(super::chunks(input).collect::<Vec<_>>().concat(), input);
        }
    }
}
