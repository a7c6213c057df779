//! Keys that a table has and nobody knows.

use serde::{Deserialize, de::IgnoredAny};
use std::collections::BTreeMap;

/// Whatever keys a table has beyond those of its type.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct OtherKeys(BTreeMap<String, IgnoredAny>);

impl OtherKeys {
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The keys with the name of their table.
    pub(super) fn within<'a>(&'a self, table: &'a str) -> impl Iterator<Item = String> + 'a {
        self.0.keys().map(move |key| format!("{table}.{key}"))
    }
}
