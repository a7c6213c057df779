//! A text of the answer: what the model says, or what it thinks.

use crate::model::{ItemKind, ModelEvent};

/// Text that grows. It is not shown before there is something to read: many servers send blanks before a call.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) slot: Option<u32>,
    pub(super) text: String,
}

impl Part {
    /// The slot and what is new in it, once there is something to read.
    pub(super) fn grow(
        &mut self,
        more: &str,
        slots: &mut u32,
        kind: ItemKind,
        out: &mut Vec<ModelEvent>,
    ) -> Option<(u32, String)> {
        self.text.push_str(more);
        if let Some(slot) = self.slot {
            return Some((slot, more.to_owned()));
        }
        if self.text.trim().is_empty() {
            return None;
        }
        let slot = start(slots, kind, out);
        self.slot = Some(slot);
        Some((slot, self.text.clone()))
    }
}

pub(super) fn start(slots: &mut u32, kind: ItemKind, out: &mut Vec<ModelEvent>) -> u32 {
    let slot = *slots;
    *slots += 1;
    out.push(ModelEvent::ItemStarted { slot, kind });
    slot
}
