//! What the tables of methods, notifications and requests of the server have in common.

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

/// What a table is for all: a type with a variant a row, and the rows for the schema.
macro_rules! table {
    ($(#[$about:meta])* $table:ident {
        $($(#[doc = $doc:literal])* $name:ident = $method:literal ($params:ty) $(-> $response:ty)?;)*
    }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $table { $($(#[doc = $doc])* $name($params),)* }

        impl $table {
            /// The table, for the schema.
            pub const ROWS: &'static [$crate::wire::rpc::Row] = &[$($crate::wire::rpc::Row {
                name: stringify!($name),
                method: $method,
                doc: concat!($($doc),*),
                params: ::schemars::SchemaGenerator::subschema_for::<$params>,
                result: table!(@result $($response)?),
            },)*];
        }
    };
    (@result) => { None };
    (@result $response:ty) => { Some(::schemars::SchemaGenerator::subschema_for::<$response>) };
}
pub(super) use table;

/// Describes a type, and adds those that it is made of to the generator's definitions.
pub type Generate = fn(&mut SchemaGenerator) -> Schema;
