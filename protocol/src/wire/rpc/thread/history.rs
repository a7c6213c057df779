//! What was said and done in a thread, page by page.

use super::SortDirection;
use crate::{
    ids::{SessionId, SubmissionId},
    wire::rpc::{
        item::ThreadItem,
        turn::{ItemsView, Turn},
    },
};

wire! {
    /// Params of `thread/turns/list` and `thread/items/list`.
    pub struct HistoryParams {
        /// Which.
        #[serde(alias = "thread_id")]
        #[schemars(extend("x-aliases" = ["thread_id"]))]
        pub thread_id: SessionId,
        /// Of items: only those of this turn.
        #[serde(default)]
        pub turn_id: Option<SubmissionId>,
        /// From the page before.
        #[serde(default)]
        pub cursor: Option<String>,
        /// How many at most.
        #[serde(default)]
        pub limit: Option<u32>,
        /// Which end comes first.
        #[serde(default)]
        pub sort_direction: Option<SortDirection>,
        /// Of turns: how many of their items.
        #[serde(default)]
        pub items_view: Option<ItemsView>,
    }

    /// Result of `thread/turns/list`.
    pub struct ThreadTurnsListResponse {
        /// The turns.
        pub data: Vec<Turn>,
        /// For the next page.
        pub next_cursor: Option<String>,
        /// To turn round.
        pub backwards_cursor: Option<String>,
    }

    /// An item with its turn.
    pub struct ThreadItemEntry {
        /// The item.
        pub item: ThreadItem,
        /// Its turn.
        pub turn_id: SubmissionId,
    }

    /// Result of `thread/items/list`.
    pub struct ThreadItemsListResponse {
        /// The items.
        pub data: Vec<ThreadItemEntry>,
        /// For the next page.
        pub next_cursor: Option<String>,
        /// To turn round.
        pub backwards_cursor: Option<String>,
    }
}
