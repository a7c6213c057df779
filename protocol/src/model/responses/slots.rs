//! Which item an event means. OpenAI names items by id and by index, llama.cpp by id alone, others change the id
//! from event to event or name nothing.

use crate::model::ItemKind;

/// What an event says about its item. Ids and indexes do not reach across kinds.
#[derive(Clone, Copy, Debug)]
pub(super) struct ItemName<'a> {
    pub id: Option<&'a str>,
    pub index: Option<u64>,
    pub kind: ItemKind,
}

/// The items of one response, in order of first appearance.
#[derive(Debug)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    max_items: usize,
}

#[derive(Debug)]
struct Slot {
    id: Option<Box<str>>,
    index: Option<u64>,
    kind: ItemKind,
    is_done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    New(u32),
    Open(u32),
    /// The item is complete; what is still said of it is late.
    Done,
}

#[derive(Debug)]
pub(super) struct TooManyItems;

impl Slots {
    pub(super) fn new(max_items: usize) -> Self {
        Self { slots: Vec::new(), max_items }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn any_open(&self) -> bool {
        self.slots.iter().any(|slot| !slot.is_done)
    }

    /// The item of a delta or an end, begun here if nothing announced it.
    pub(super) fn resolve(&mut self, name: ItemName<'_>) -> Result<Found, TooManyItems> {
        self.find(name).map_or_else(|| self.begin(name), Ok)
    }

    /// The item of a start: another one than any before, unless it bears the same name.
    pub(super) fn announce(&mut self, name: ItemName<'_>) -> Result<Found, TooManyItems> {
        let known = match name.id {
            Some(_) => self.by_id(name),
            None => self.by_index(name).filter(|at| !self.slots[*at].is_done),
        };
        match known {
            Some(at) => Ok(self.found(at)),
            None => self.begin(name),
        }
    }

    pub(super) fn find(&mut self, name: ItemName<'_>) -> Option<Found> {
        let at = self.by_id(name).or_else(|| self.by_index(name)).or_else(|| self.by_order(name))?;
        self.slots[at].learn(name);
        Some(self.found(at))
    }

    pub(super) fn end(&mut self, slot: u32) {
        if let Some(slot) = self.slots.get_mut(slot as usize) {
            slot.is_done = true;
        }
    }

    fn by_id(&self, name: ItemName<'_>) -> Option<usize> {
        let id = name.id?;
        self.last(|slot| slot.kind == name.kind && slot.id.as_deref() == Some(id))
    }

    /// An id that is not known does not count against an open item with the right index.
    fn by_index(&self, name: ItemName<'_>) -> Option<usize> {
        let index = name.index?;
        self.last(|slot| slot.kind == name.kind && slot.index == Some(index) && (!slot.is_done || name.id.is_none()))
    }

    /// The last open item that does not go by another name.
    fn by_order(&self, name: ItemName<'_>) -> Option<usize> {
        self.last(|slot| {
            slot.kind == name.kind
                && !slot.is_done
                && (name.id.is_none() || slot.id.is_none())
                && (name.index.is_none() || slot.index.is_none())
        })
    }

    fn last(&self, is_meant: impl Fn(&Slot) -> bool) -> Option<usize> {
        self.slots.iter().rposition(is_meant)
    }

    fn found(&self, at: usize) -> Found {
        if self.slots[at].is_done { Found::Done } else { Found::Open(at as u32) }
    }

    fn begin(&mut self, name: ItemName<'_>) -> Result<Found, TooManyItems> {
        let at = self.slots.len();
        if at >= self.max_items {
            return Err(TooManyItems);
        }
        self.slots.push(Slot { id: name.id.map(Box::from), index: name.index, kind: name.kind, is_done: false });
        Ok(Found::New(at as u32))
    }
}

impl Slot {
    fn learn(&mut self, name: ItemName<'_>) {
        if self.id.is_none() {
            self.id = name.id.map(Box::from);
        }
        self.index = self.index.or(name.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Found::{Done, New, Open};

    fn message(id: Option<&str>, index: Option<u64>) -> ItemName<'_> {
        ItemName { id, index, kind: ItemKind::Message }
    }

    fn call(id: Option<&str>, index: Option<u64>) -> ItemName<'_> {
        ItemName { kind: ItemKind::FunctionCall, ..message(id, index) }
    }

    #[test]
    fn items_are_told_apart_by_id_first() {
        let mut slots = Slots::new(9);
        assert_eq!(slots.announce(message(Some("a"), Some(0))).unwrap(), New(0));
        assert_eq!(slots.announce(message(Some("b"), Some(0))).unwrap(), New(1), "an index that never changes");
        assert_eq!(slots.announce(message(Some("a"), Some(0))).unwrap(), Open(0));
        assert_eq!(slots.resolve(message(Some("a"), None)).unwrap(), Open(0));
        assert_eq!(slots.resolve(call(Some("a"), None)).unwrap(), New(2), "another kind is another item");
        slots.end(0);
        assert_eq!(slots.resolve(message(Some("a"), Some(0))).unwrap(), Done);
    }

    #[test]
    fn items_are_told_apart_by_index_where_the_id_is_no_help() {
        let mut slots = Slots::new(9);
        assert_eq!(slots.announce(call(Some("a"), Some(0))).unwrap(), New(0));
        assert_eq!(slots.announce(call(Some("b"), Some(1))).unwrap(), New(1));
        assert_eq!(slots.resolve(call(Some("a-again"), Some(0))).unwrap(), Open(0));
        assert_eq!(slots.resolve(call(None, Some(1))).unwrap(), Open(1));
        slots.end(0);
        assert_eq!(slots.resolve(call(None, Some(0))).unwrap(), Done);
        assert_eq!(slots.resolve(call(Some("c"), Some(0))).unwrap(), New(2));
    }

    #[test]
    fn nameless_events_mean_the_last_open_item_of_their_kind() {
        let mut slots = Slots::new(9);
        assert_eq!(slots.resolve(message(None, None)).unwrap(), New(0));
        assert_eq!(slots.announce(call(None, None)).unwrap(), New(1));
        assert_eq!(slots.announce(call(None, None)).unwrap(), New(2));
        assert_eq!(slots.resolve(message(None, None)).unwrap(), Open(0));
        assert_eq!(slots.resolve(call(None, None)).unwrap(), Open(2));
        slots.end(2);
        assert_eq!(slots.resolve(call(None, None)).unwrap(), Open(1));
        assert_eq!(slots.resolve(message(Some("late"), None)).unwrap(), Open(0));
        assert_eq!(slots.resolve(message(Some("late"), None)).unwrap(), Open(0));
        assert_eq!(slots.resolve(message(Some("other"), None)).unwrap(), New(3));
    }

    #[test]
    fn items_are_counted() {
        let mut slots = Slots::new(1);
        assert!(slots.announce(call(None, None)).is_ok());
        assert!(slots.announce(call(None, None)).is_err());
    }
}
