//! The app-server's wire as JSON Schema and as TypeScript, made of the tables in [`crate::wire::rpc`] and of the types
//! themselves, so that neither can say anything else than the engine does.
//!
//! Types that are read and types that are written are described apart, because llmx accepts more than it says: other
//! spellings, members left out. A type that does both and is not the same in both has two names: `SandboxPolicy` is
//! what llmx says, `AnySandboxPolicy` what it accepts.

mod envelopes;
mod json;
mod names;
mod typescript;

#[cfg(test)]
mod tests;

use crate::wire::rpc::{ClientRequest, Generate, RequestId, Row, RpcError, ServerNotification, ServerRequest};
use names::Described;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Where the definitions of a schema are.
const DEFINITIONS: &str = "#/definitions/";
/// The member of a schema in which a type's other accepted names stand, as its author wrote them.
const ALIASES: &str = "x-aliases";

/// In which folder a type's file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Folder {
    /// Envelopes, and what is in no version's folder.
    Root,
    /// The handshake: in the root too, but that published JSON Schemas have it in `v1`.
    Handshake,
    /// Everything that this version of the protocol is made of.
    V2,
}

/// A named type.
#[derive(Clone, Debug)]
struct Type {
    /// As schemars describes it, references by [`DEFINITIONS`], other spellings under [`ALIASES`].
    schema: Value,
    folder: Folder,
    /// Whether it is params, a result or an envelope, and so has a JSON Schema of its own.
    is_message: bool,
}

/// Every type of the app-server's wire.
#[derive(Clone, Debug)]
pub struct AppServerSchema {
    types: BTreeMap<String, Type>,
}

/// A method as the schema has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodSchema {
    /// The wire name.
    pub method: &'static str,
    /// The name of the type of its params.
    pub params: String,
    /// The name of the type of its result; none of a notification.
    pub result: Option<String>,
    /// Whether it can be sent without params, or with `null`.
    pub params_optional: bool,
}

impl Default for AppServerSchema {
    fn default() -> Self {
        Self::new()
    }
}

impl AppServerSchema {
    /// Describes the tables as they are. It takes some milliseconds: keep it.
    #[must_use]
    pub fn new() -> Self {
        let mut accepted = generator(SchemaSettings::for_deserialize);
        let mut said = generator(SchemaSettings::for_serialize);
        let mut messages = Vec::new();
        let mut describe = |name: String, of: Generate, from: &mut SchemaGenerator, is_accepted: bool| {
            messages.push(Described { name, schema: of(from).to_value(), is_accepted });
        };
        for row in ClientRequest::ROWS {
            describe(params_name(row), row.params, &mut accepted, true);
            describe_result(row, |name, of| describe(name, of, &mut said, false));
        }
        for row in ServerRequest::ROWS {
            describe(params_name(row), row.params, &mut said, false);
            describe_result(row, |name, of| describe(name, of, &mut accepted, true));
        }
        for row in ServerNotification::ROWS {
            describe(notification_name(row), row.params, &mut said, false);
        }
        describe("RequestId".into(), SchemaGenerator::subschema_for::<RequestId>, &mut said, false);
        // Not in a table, but in an envelope.
        describe("JSONRPCErrorError".into(), SchemaGenerator::subschema_for::<RpcError>, &mut said, false);

        let is_message: BTreeSet<String> = messages.iter().map(|m| m.name.clone()).collect();
        let named = names::give(accepted.take_definitions(true), said.take_definitions(true), messages);
        let mut schema = Self { types: BTreeMap::new() };
        for (name, described) in named {
            let (folder, is_message) = (folder_of(&name), is_message.contains(&name));
            schema.types.insert(name, Type { schema: described, folder, is_message });
        }
        for (name, envelope) in envelopes::all(&schema) {
            let folder = Folder::Root;
            schema.types.insert(name.to_owned(), Type { schema: envelope, folder, is_message: true });
        }
        schema
    }

    /// The client's requests.
    #[must_use]
    pub fn client_requests(&self) -> Vec<MethodSchema> {
        self.methods(ClientRequest::ROWS, params_name)
    }

    /// The server's requests.
    #[must_use]
    pub fn server_requests(&self) -> Vec<MethodSchema> {
        self.methods(ServerRequest::ROWS, params_name)
    }

    /// The server's notifications.
    #[must_use]
    pub fn server_notifications(&self) -> Vec<MethodSchema> {
        self.methods(ServerNotification::ROWS, notification_name)
    }

    /// The JSON Schema of a type, complete in itself.
    #[must_use]
    pub fn json(&self, name: &str) -> Option<Value> {
        json::alone(self, name)
    }

    /// The files of `generate-json-schema`, by their paths in the folder that it writes.
    #[must_use]
    pub fn json_files(&self) -> BTreeMap<String, String> {
        json::files(self)
    }

    /// The files of `generate-ts`, by their paths in the folder that it writes.
    #[must_use]
    pub fn typescript_files(&self) -> BTreeMap<String, String> {
        typescript::files(self)
    }

    fn methods(&self, rows: &'static [Row], params_name: fn(&Row) -> String) -> Vec<MethodSchema> {
        let of = |row: &Row| {
            let params = params_name(row);
            let params_optional = self.is_met_by_nothing(&params);
            MethodSchema { method: row.method, result: row.result.map(|_| result_name(row)), params, params_optional }
        };
        rows.iter().map(of).collect()
    }

    /// Whether an object without members is of this type.
    fn is_met_by_nothing(&self, name: &str) -> bool {
        let schema = &self.resolved(name).schema;
        schema["type"] == "object" && schema["required"].is_null()
    }

    /// A type, names that only stand for other names followed.
    fn resolved(&self, name: &str) -> &Type {
        let found = &self.types[name];
        match stands_for(&found.schema) {
            Some(other) => self.resolved(other),
            None => found,
        }
    }
}

fn generator(contract: fn(SchemaSettings) -> SchemaSettings) -> SchemaGenerator {
    let settings = SchemaSettings::draft07().with(|settings| settings.transforms.clear());
    contract(settings).into_generator()
}

fn params_name(row: &Row) -> String {
    format!("{}Params", row.name)
}

fn result_name(row: &Row) -> String {
    format!("{}Response", row.name)
}

fn notification_name(row: &Row) -> String {
    format!("{}Notification", row.name)
}

fn describe_result(row: &Row, describe: impl FnOnce(String, Generate)) {
    if let Some(result) = row.result {
        describe(result_name(row), result);
    }
}

fn folder_of(name: &str) -> Folder {
    match name {
        "RequestId" | "JSONRPCErrorError" => Folder::Root,
        "ClientInfo" => Folder::Handshake,
        _ if name.starts_with("Initialize") => Folder::Handshake,
        _ => Folder::V2,
    }
}

/// The type that a schema refers to.
fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str().and_then(|target| target.strip_prefix(DEFINITIONS))
}

/// The type that a schema is nothing but another name of.
fn stands_for(schema: &Value) -> Option<&str> {
    let alone = schema.as_object().is_some_and(|members| members.keys().all(|key| key == "$ref"));
    reference(schema).filter(|_| alone)
}

fn refer_to(name: &str) -> Value {
    json!({"$ref": format!("{DEFINITIONS}{name}")})
}

/// Calls `act` with every schema below this one, itself included.
fn walk(schema: &mut Value, act: &mut impl FnMut(&mut Value)) {
    act(schema);
    match schema {
        Value::Object(members) => members.values_mut().for_each(|member| walk(member, act)),
        Value::Array(values) => values.iter_mut().for_each(|value| walk(value, act)),
        _ => {}
    }
}

/// The types that a schema refers to directly.
fn references(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(&mut schema.clone(), &mut |schema| {
        found.extend(reference(schema).map(str::to_owned));
    });
    found
}
