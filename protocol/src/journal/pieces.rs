//! The conversation as it is read, item by item; no call without its output and no output without its call.

use crate::{
    history::History,
    ids::CallId,
    model::item::{ItemBody, ResponseItem},
    wire::rollout::ResponseEnd,
};

/// What the model reads where the output of a call is not known.
pub(super) const LOST_OUTPUT: &str = "aborted: the engine ended before the output was known";

/// A conversation that grows.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    history: History,
    items: Vec<ResponseItem>,
    open: Vec<OpenCall>,
}

#[derive(Debug)]
struct OpenCall {
    call: CallId,
    custom: bool,
}

impl Pieces {
    /// One more item. An output whose call is not open is left out.
    pub(super) fn item(&mut self, item: ResponseItem) {
        match item.body() {
            ItemBody::FunctionCall { call_id, .. } | ItemBody::LocalShellCall { call_id, .. } => {
                self.open.push(OpenCall { call: call_id.clone(), custom: false });
            }
            ItemBody::CustomToolCall { call_id, .. } => {
                self.open.push(OpenCall { call: call_id.clone(), custom: true });
            }
            ItemBody::FunctionCallOutput { call_id } | ItemBody::CustomToolCallOutput { call_id } => {
                let Some(at) = self.open.iter().position(|open| open.call == *call_id) else {
                    return;
                };
                self.open.remove(at);
            }
            ItemBody::Message { role, .. } if role == "user" => self.close_calls(),
            _ => {}
        }
        self.items.push(item);
    }

    /// Gives every call that has no output one.
    pub(super) fn close_calls(&mut self) {
        for OpenCall { call, custom } in self.open.drain(..) {
            self.items.push(match custom {
                true => ResponseItem::custom_tool_call_output(&call, LOST_OUTPUT),
                false => ResponseItem::function_call_output(&call, LOST_OUTPUT),
            });
        }
    }

    /// The items up to here are one piece.
    pub(super) fn end_piece(&mut self) {
        self.end_counted_piece(ResponseEnd::default());
    }

    /// The items up to here are one piece, and this is known of it.
    pub(super) fn end_counted_piece(&mut self, end: ResponseEnd) {
        self.history = self.history.with_counted(std::mem::take(&mut self.items), end.stored_as, end.tokens);
    }

    /// What follows goes on from here.
    pub(super) fn restart_at(&mut self, history: History) {
        self.items.clear();
        self.open.clear();
        self.history = history;
    }

    /// As another engine does it: what the user said, then the summary.
    pub(super) fn summed_up(&mut self, summary: &str) {
        self.end_piece();
        let is_users = |item: &&ResponseItem| matches!(item.body(), ItemBody::Message { role, .. } if role == "user");
        let mut kept: Vec<_> = self.history.items().into_iter().filter(is_users).cloned().collect();
        kept.push(ResponseItem::message("user", summary));
        self.restart_at(History::default().with(kept, None));
    }

    /// Items that are not in the file.
    pub(super) fn add(&mut self, items: Vec<ResponseItem>) {
        self.items.extend(items);
    }

    /// Whether there are items after the last piece.
    pub(super) fn has_unfinished_piece(&self) -> bool {
        !self.items.is_empty()
    }

    /// The conversation up to the end of the last piece.
    pub(super) fn history(&self) -> History {
        self.history.clone()
    }
}
