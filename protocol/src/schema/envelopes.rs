//! What the types of the tables travel in.

use super::{AppServerSchema, MethodSchema, refer_to};
use crate::wire::rpc::{ClientRequest, Row, ServerNotification, ServerRequest};
use serde_json::{Value, json};

/// Every envelope with its name.
pub(super) fn all(schema: &AppServerSchema) -> Vec<(&'static str, Value)> {
    let id = || refer_to("RequestId");
    let error_id = json!({
        "description": "Of the request; null where none could be read.",
        "anyOf": [id(), {"type": "null"}],
    });
    vec![
        (
            "JSONRPCMessage",
            json!({
                "description": "A line, either way. Nobody sends the header of JSON-RPC 2.0; llmx ignores one.",
                "anyOf": [refer_to("JSONRPCRequest"), refer_to("JSONRPCNotification"), refer_to("JSONRPCResponse"),
                    refer_to("JSONRPCError")],
            }),
        ),
        (
            "JSONRPCRequest",
            object(
                "Wants an answer.",
                &json!({"id": id(), "method": {"type": "string"}, "params": true}),
                &["id", "method"],
            ),
        ),
        (
            "JSONRPCNotification",
            object(
                "Wants none.",
                &json!({"method": {"type": "string"}, "params": true, "emittedAtMs": emitted_at()}),
                &["method"],
            ),
        ),
        (
            "JSONRPCResponse",
            object("The result of a request.", &json!({"id": id(), "result": true}), &["id", "result"]),
        ),
        (
            "JSONRPCError",
            object(
                "Why a request has no result.",
                &json!({"id": error_id, "error": refer_to("JSONRPCErrorError")}),
                &["error", "id"],
            ),
        ),
        ("ClientRequest", choice("A request of a client.", ClientRequest::ROWS, &schema.client_requests(), request)),
        (
            "ServerRequest",
            choice("What the server asks of a client.", ServerRequest::ROWS, &schema.server_requests(), request),
        ),
        (
            "ServerNotification",
            choice(
                "What the server tells a client.",
                ServerNotification::ROWS,
                &schema.server_notifications(),
                notification,
            ),
        ),
        (
            "ClientNotification",
            object(
                "The client has heard the server's answer to its handshake.",
                &json!({"method": {"const": "initialized", "type": "string"}}),
                &["method"],
            ),
        ),
    ]
}

fn choice(about: &str, rows: &[Row], methods: &[MethodSchema], each: fn(&Row, &MethodSchema) -> Value) -> Value {
    let each: Vec<_> = rows.iter().zip(methods).map(|(row, method)| each(row, method)).collect();
    json!({"description": about, "oneOf": each})
}

fn request(row: &Row, method: &MethodSchema) -> Value {
    let title = format!("{}Request", row.name);
    let name = json!({"const": method.method, "type": "string", "title": format!("{title}Method")});
    let params = refer_to(&method.params);
    let (params, required): (_, &[&str]) = if method.params_optional {
        (json!({"anyOf": [params, {"type": "null"}]}), &["id", "method"])
    } else {
        (params, &["id", "method", "params"])
    };
    let mut schema =
        object(row.doc.trim(), &json!({"id": refer_to("RequestId"), "method": name, "params": params}), required);
    schema["title"] = json!(title);
    schema
}

fn notification(row: &Row, method: &MethodSchema) -> Value {
    let title = format!("{}Notification", row.name);
    let name = json!({"const": method.method, "type": "string", "title": format!("{title}Method")});
    let members = json!({"method": name, "params": refer_to(&method.params), "emittedAtMs": emitted_at()});
    let mut schema = object(row.doc.trim(), &members, &["emittedAtMs", "method", "params"]);
    // The params have the plain name.
    schema["title"] = json!(format!("{title}Message"));
    schema
}

fn emitted_at() -> Value {
    json!({"description": "When the server said it, in milliseconds from the Unix epoch.", "type": "integer", "format": "int64"})
}

fn object(about: &str, members: &Value, required: &[&str]) -> Value {
    json!({"description": about, "type": "object", "properties": members, "required": required})
}
