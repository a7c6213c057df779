//! The conversation as a tree that shares its trunk: going on, forking at a bookmark and keeping both costs nothing.

use crate::{ids::ResponseId, model::item::ResponseItem};
use std::sync::Arc;

/// A conversation up to some point. Cloning is one reference count; histories that have a beginning in common share it.
#[derive(Clone, Default)]
pub struct History(Option<Arc<Node>>);

struct Node {
    before: History,
    items: Vec<ResponseItem>,
    /// The id under which the model's server keeps everything up to and including this node, if it does.
    stored_as: Option<ResponseId>,
    /// The size of everything up to and including this node in tokens, where the server counted it.
    tokens: Option<i64>,
}

/// What was added to a history at once.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'h> {
    /// What was said.
    pub items: &'h [ResponseItem],
    /// The id under which the server keeps everything up to here, if it does.
    pub stored_as: Option<&'h ResponseId>,
    /// The size of everything up to here in tokens, where the server counted it.
    pub tokens: Option<i64>,
}

/// What is sent with a request.
#[derive(Clone, Default)]
pub struct Prompt {
    /// What the server already has.
    pub previous: Option<ResponseId>,
    from: History,
    all: bool,
}

impl History {
    /// This history and then `items`. `stored_as`: the id under which the server keeps all of it.
    #[must_use]
    pub fn with(&self, items: Vec<ResponseItem>, stored_as: Option<ResponseId>) -> Self {
        self.with_counted(items, stored_as, None)
    }

    /// As [`with`](Self::with); `tokens`: what the server says that all of it takes of the model's window.
    #[must_use]
    pub fn with_counted(&self, items: Vec<ResponseItem>, stored_as: Option<ResponseId>, tokens: Option<i64>) -> Self {
        if items.is_empty() && stored_as.is_none() && tokens.is_none() {
            return self.clone();
        }
        Self(Some(Arc::new(Node { before: self.clone(), items, stored_as, tokens })))
    }

    /// What this history takes of the model's window, in tokens, as far as a server has counted.
    #[must_use]
    pub fn tokens(&self) -> Option<i64> {
        self.nodes().find_map(|node| node.tokens)
    }

    /// The history before the last addition, and what that added.
    #[must_use]
    pub fn before_last(&self) -> (Self, Vec<ResponseItem>) {
        match &self.0 {
            Some(last) => (last.before.clone(), last.items.clone()),
            None => (Self::default(), Vec::new()),
        }
    }

    /// A history whose beginning only the server has.
    #[must_use]
    pub fn kept_by_server(id: ResponseId) -> Self {
        Self::default().with(Vec::new(), Some(id))
    }

    /// Whether both are the very same conversation, not only equal ones.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.address() == other.address()
    }

    /// Tells conversations that are alive at the same time apart: two have the same one just when they are the same.
    #[must_use]
    pub fn address(&self) -> usize {
        self.0.as_ref().map_or(0, |node| Arc::as_ptr(node).addr())
    }

    /// What was added piece by piece after the latest place that is `known`, oldest first, and that place; the empty
    /// history where none is.
    #[must_use]
    pub fn pieces_since(&self, known: impl Fn(&Self) -> bool) -> (Self, Vec<Piece<'_>>) {
        let mut pieces = Vec::new();
        let mut at = self;
        while let Some(node) = at.0.as_deref().filter(|_| !known(at)) {
            pieces.push(Piece { items: &node.items, stored_as: node.stored_as.as_ref(), tokens: node.tokens });
            at = &node.before;
        }
        pieces.reverse();
        (at.clone(), pieces)
    }

    /// Whether nothing was said yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// What to send so that the model knows this history: all of it, or where `use_stored` allows only what the server
    /// does not have.
    #[must_use]
    pub fn prompt(&self, use_stored: bool) -> Prompt {
        let previous = if use_stored { self.nodes().find_map(|n| n.stored_as.clone()) } else { None };
        Prompt { all: previous.is_none(), previous, from: self.clone() }
    }

    /// Whether everything that was said is here, and none of it at a server only.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.nodes().last().is_none_or(|first| !first.items.is_empty())
    }

    /// The items, oldest first.
    #[must_use]
    pub fn items(&self) -> Vec<&ResponseItem> {
        let mut newest_first: Vec<&Node> = self.nodes().collect();
        newest_first.reverse();
        newest_first.into_iter().flat_map(|n| &n.items).collect()
    }

    fn nodes(&self) -> impl Iterator<Item = &Node> {
        std::iter::successors(self.0.as_deref(), |n| n.before.0.as_deref())
    }
}

impl Prompt {
    /// The items to send, oldest first.
    #[must_use]
    pub fn items(&self) -> Vec<&ResponseItem> {
        if self.all {
            return self.from.items();
        }
        let mut newest_first: Vec<&Node> = self.from.nodes().take_while(|n| n.stored_as.is_none()).collect();
        newest_first.reverse();
        newest_first.into_iter().flat_map(|n| &n.items).collect()
    }

    /// The same conversation with nothing left to the server's memory.
    #[must_use]
    pub fn in_full(&self) -> Self {
        self.from.prompt(false)
    }
}

impl Drop for Node {
    /// A long history is a long chain; dropped one inside the other it would overflow the stack.
    fn drop(&mut self) {
        let mut next = self.before.0.take();
        while let Some(mut node) = next.and_then(Arc::into_inner) {
            next = node.before.0.take();
        }
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "History({} items)", self.items().len())
    }
}

impl std::fmt::Debug for Prompt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prompt({} items after {:?})", self.items().len(), self.previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(texts: &[&str]) -> Vec<ResponseItem> {
        texts.iter().map(|t| ResponseItem::message("user", t)).collect()
    }

    fn texts(items: &[&ResponseItem]) -> Vec<String> {
        items.iter().map(|i| i.json().split('"').rev().nth(1).unwrap().to_owned()).collect()
    }

    #[test]
    fn a_fork_leaves_the_trunk_alone() {
        let trunk = History::default().with(said(&["a"]), None);
        let left = trunk.with(said(&["b"]), Some("r1".into()));
        let right = trunk.with(said(&["c"]), None);
        assert_eq!(left.items().len(), 2);
        assert_eq!(right.items().len(), 2);
        assert_eq!(trunk.items().len(), 1);
    }

    #[test]
    fn only_what_the_server_lacks_is_sent() {
        let all = History::default().with(said(&["a"]), Some("r1".into())).with(said(&["b", "c"]), None);
        let prompt = all.prompt(true);
        assert_eq!(prompt.previous.as_ref().map(ResponseId::as_str), Some("r1"));
        assert_eq!(prompt.items().len(), 2, "{:?}", texts(&prompt.items()));
        assert_eq!(prompt.in_full().items().len(), 3);
        assert_eq!(all.prompt(false).previous, None);
    }

    #[test]
    fn a_history_that_only_a_server_has_is_not_whole() {
        let kept = History::kept_by_server("r1".into()).with(said(&["a"]), None);
        assert!(!kept.is_whole());
        assert!(History::default().is_whole());
        assert!(History::default().with(said(&["a"]), Some("r1".into())).is_whole());
    }

    #[test]
    fn the_size_is_what_a_server_counted_last() {
        let counted = History::default().with_counted(said(&["a"]), None, Some(7));
        let longer = counted.with(said(&["b", "c"]), None);
        assert_eq!((History::default().tokens(), counted.tokens(), longer.tokens()), (None, Some(7), Some(7)));
        let (before, last) = longer.before_last();
        assert_eq!((before.items().len(), last.len()), (1, 2));
        assert_eq!(longer.with_counted(Vec::new(), None, Some(9)).tokens(), Some(9));
    }

    #[test]
    fn a_very_long_history_can_be_dropped() {
        let mut history = History::default();
        for _ in 0..200_000 {
            history = history.with(said(&["x"]), None);
        }
        assert!(!history.is_empty());
    }
}
