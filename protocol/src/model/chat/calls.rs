//! Tool calls, put together from their fragments.
//!
//! By the book a fragment names its call by `index`, the first one brings `id` and `name`, and the others add to the
//! arguments. Real servers leave out the index, use 0 for every call, make up a new id for every fragment, repeat the
//! name, or send no id at all.

use super::chunk::CallFragment;
use crate::model::{ResponseItem, item::ItemError};
use serde::de::IgnoredAny;
use serde_json::json;

/// The calls of one answer, in order of first appearance.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Call>);

#[derive(Debug)]
pub(super) struct Call {
    pub(super) slot: u32,
    index: Option<u64>,
    id: Option<String>,
    name: String,
    arguments: String,
}

impl Calls {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The call that the fragment belongs to, if it does not begin another.
    pub(super) fn find(&mut self, fragment: &CallFragment<'_>) -> Option<&mut Call> {
        let at = match fragment.index() {
            Some(index) => self.by_index(index).or_else(|| self.without_index(fragment)),
            None => self.by_id(fragment).or(self.0.len().checked_sub(1)),
        };
        self.0.get_mut(at?).filter(|call| !call.is_over_before(fragment))
    }

    fn by_index(&self, index: u64) -> Option<usize> {
        self.0.iter().rposition(|call| call.index == Some(index))
    }

    /// A call whose first fragment had no index.
    fn without_index(&self, fragment: &CallFragment<'_>) -> Option<usize> {
        let named = fragment.id();
        self.0.iter().rposition(|call| {
            call.index.is_none() && (named.map_or(fragment.name().is_empty(), |id| call.id.as_deref() == Some(id)))
        })
    }

    fn by_id(&self, fragment: &CallFragment<'_>) -> Option<usize> {
        let id = fragment.id()?;
        self.0.iter().rposition(|call| call.id.as_deref() == Some(id))
    }

    pub(super) fn begin(&mut self, slot: u32) -> &mut Call {
        let call = Call { slot, index: None, id: None, name: String::new(), arguments: String::new() };
        self.0.push_mut(call)
    }

    /// The calls in the order of their indexes; where there are none, or the same, in that of appearance.
    pub(super) fn finish(&mut self) -> Vec<Call> {
        let mut calls = std::mem::take(&mut self.0);
        if calls.iter().all(|call| call.index.is_some()) {
            calls.sort_by_key(|call| call.index);
        }
        calls
    }
}

impl Call {
    /// Whether the fragment begins another call although it goes by the same index, or none: it brings a name of its
    /// own when this call has all it needs, or with another id.
    fn is_over_before(&self, fragment: &CallFragment<'_>) -> bool {
        if fragment.name().is_empty() || self.name.is_empty() {
            return false;
        }
        match (self.id.as_deref(), fragment.id()) {
            (Some(id), Some(other)) => id != other,
            _ => (fragment.name() != self.name || !fragment.arguments().trim().is_empty()) && self.is_whole(),
        }
    }

    fn is_whole(&self) -> bool {
        serde_json::from_str::<IgnoredAny>(&self.arguments).is_ok()
    }

    pub(super) fn add(&mut self, fragment: &CallFragment<'_>) {
        self.index = self.index.or(fragment.index());
        if self.id.is_none() {
            self.id = fragment.id().map(str::to_owned);
        }
        if self.arguments.is_empty() && fragment.name() != self.name {
            self.name.push_str(fragment.name());
        }
        self.arguments.push_str(&fragment.arguments());
    }

    /// Whether nothing of it came.
    pub(super) fn is_empty(&self) -> bool {
        self.name.is_empty() && self.arguments.trim().is_empty()
    }

    /// `answer`: the server's name for the answer, for calls that have no id; `n`: which call of it this is.
    pub(super) fn into_item(self, answer: &str, n: usize) -> Result<ResponseItem, ItemError> {
        let id = self.id.unwrap_or_else(|| format!("call_{n}_{answer}"));
        let arguments = self.arguments;
        let item = json!({"type": "function_call", "call_id": id, "name": self.name, "arguments": arguments});
        ResponseItem::from_model(&item.to_string())
    }
}
