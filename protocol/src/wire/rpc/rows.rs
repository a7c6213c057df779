//! A row of one of the tables, as the schema sees it.

use schemars::{Schema, SchemaGenerator};

/// What is said under a method. Whether its types are read or written depends on the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The row's name; the schema calls the types after it: `…Params`, `…Response`, `…Notification`.
    pub name: &'static str,
    /// The wire name.
    pub method: &'static str,
    /// What it is about, for people.
    pub doc: &'static str,
    /// What goes in.
    pub params: Generate,
    /// What comes out; none of a notification.
    pub result: Option<Generate>,
}

/// Describes a type, and adds those that it is made of to the generator's definitions.
pub type Generate = fn(&mut SchemaGenerator) -> Schema;
