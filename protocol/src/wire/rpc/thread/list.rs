//! Lists of threads.

use super::Thread;
use crate::{ids::SessionId, wire::rpc::Null};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, path::PathBuf};

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SortDirection {
    /// The oldest.
    Asc,
    /// The newest.
    #[default]
    Desc,
}

/// What threads are put in order by; snake case on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThreadSortKey {
    /// When they were made.
    #[default]
    #[serde(alias = "createdAt")]
    #[schemars(extend("x-aliases" = ["createdAt"]))]
    CreatedAt,
    /// When they were last changed.
    #[serde(alias = "updatedAt")]
    #[schemars(extend("x-aliases" = ["updatedAt"]))]
    UpdatedAt,
    /// The same.
    #[serde(alias = "recencyAt")]
    #[schemars(extend("x-aliases" = ["recencyAt"]))]
    RecencyAt,
    /// Where they stand in their section. llmx has no sections and takes the moment that they were made.
    #[serde(alias = "sectionPosition")]
    #[schemars(extend("x-aliases" = ["sectionPosition"]))]
    SectionPosition,
}

/// One or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a path or a list of paths")]
pub enum OneOrMany {
    /// One.
    One(PathBuf),
    /// Several.
    Many(Vec<PathBuf>),
}

optional_params! {
    /// Params of `thread/list`.
    pub struct ThreadListParams {
        /// From the page before.
        pub cursor: Option<String>,
        /// How many at most; 25 without.
        pub limit: Option<u32>,
        /// Only those of these providers; all if empty.
        pub model_providers: Option<Vec<String>>,
        /// Only those that these kinds of clients made; all if empty.
        pub source_kinds: Option<Vec<String>>,
        /// Those that were put away instead of the others.
        pub archived: Option<bool>,
        /// Only those that began in this directory, or in one of these.
        pub cwd: Option<OneOrMany>,
        /// Only those whose name or first message has this in it.
        pub search_term: Option<String>,
        /// What they are put in order by.
        pub sort_key: Option<ThreadSortKey>,
        /// Which end of that order comes first; the newest without.
        pub sort_direction: Option<SortDirection>,
    }

    /// Params of lists that come in pages.
    pub struct PageParams {
        /// From the page before.
        pub cursor: Option<String>,
        /// How many at most.
        pub limit: Option<u32>,
    }
}

wire! {
    /// Result of `thread/list`.
    pub struct ThreadListResponse {
        /// Newest first, without their turns.
        pub data: Vec<Thread>,
        /// What the user has read: llmx does not know.
        pub read_states: BTreeMap<String, Value>,
        /// For the next page.
        pub next_cursor: Option<String>,
        /// Not known to llmx.
        pub backwards_cursor: Null,
    }

    /// Result of `thread/loaded/list`.
    pub struct ThreadLoadedListResponse {
        /// Their ids.
        pub data: Vec<SessionId>,
        /// For the next page.
        pub next_cursor: Option<String>,
    }
}
