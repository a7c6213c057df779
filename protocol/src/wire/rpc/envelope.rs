//! JSON-RPC 2.0 without its header, one object a line. An incoming `jsonrpc` member is ignored.

use super::{Millis, ServerNotification, ServerRequest};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, value::RawValue};
use std::borrow::Cow;

/// The id of a request: chosen by whoever asks, given back as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RequestId {
    /// A whole number.
    Number(i64),
    /// Text.
    Text(String),
}

/// Why a request cannot be answered with a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "JSONRPCErrorError")]
pub struct RpcError {
    /// One of the five codes of JSON-RPC.
    pub code: i64,
    /// For a person; some clients look for words in it.
    pub message: String,
    /// Further facts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl RpcError {
    /// The line is no JSON.
    pub const PARSE: i64 = -32700;
    /// The line is no request, or cannot be met as things stand.
    pub const INVALID_REQUEST: i64 = -32600;
    /// There is no such method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The params are not those of the method.
    pub const INVALID_PARAMS: i64 = -32602;
    /// llmx failed.
    pub const INTERNAL: i64 = -32603;

    fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// [`Self::PARSE`].
    pub fn parse(why: impl std::fmt::Display) -> Self {
        Self::new(Self::PARSE, format!("Parse error: {why}"))
    }

    /// [`Self::INVALID_REQUEST`].
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(Self::INVALID_REQUEST, message)
    }

    /// [`Self::METHOD_NOT_FOUND`], naming the method.
    #[must_use]
    pub fn method_not_found(method: &str) -> Self {
        Self::new(Self::METHOD_NOT_FOUND, format!("Method not found: {method}"))
    }

    /// [`Self::INVALID_PARAMS`], naming the method.
    pub fn invalid_params(method: &str, why: impl std::fmt::Display) -> Self {
        Self::new(Self::INVALID_PARAMS, format!("Invalid params for {method}: {why}"))
    }

    /// [`Self::INTERNAL`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Self::INTERNAL, message)
    }
}

/// A line of a client. Params and results are not looked at yet.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// It wants an answer.
    Request {
        /// To be given back.
        id: RequestId,
        /// What it wants.
        method: Cow<'a, str>,
        /// With what; absent and `null` are the same.
        params: Option<&'a RawValue>,
    },
    /// It says something.
    Notification {
        /// What.
        method: Cow<'a, str>,
    },
    /// It answers a request of the server's.
    Answer {
        /// Which.
        id: RequestId,
        /// A result, or the error that it sent.
        result: Result<&'a RawValue, RpcError>,
    },
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Value>,
}

/// Tells `null` from absent.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

impl<'a> Incoming<'a> {
    /// Reads one line.
    ///
    /// # Errors
    /// What the client is to be told, and under which id, where one could be read.
    pub fn parse(line: &'a [u8]) -> Result<Self, (Option<RequestId>, RpcError)> {
        let nameless = |error| (None, error);
        let text = std::str::from_utf8(line).map_err(|e| nameless(RpcError::parse(e)))?;
        let line: Line<'a> = serde_json::from_str(text).map_err(|e| nameless(shapeless(&e)))?;
        if !is_object(text) {
            return Err(nameless(RpcError::invalid_request("Invalid request: a message is an object")));
        }
        let id = line.id.map(read_id).transpose().map_err(nameless)?;
        match (line.method, id) {
            (Some(method), Some(id)) => Ok(Self::Request { id, method, params: line.params }),
            (Some(method), None) => Ok(Self::Notification { method }),
            (None, Some(id)) => match (line.result, line.error) {
                (_, Some(error)) => Ok(Self::Answer { id, result: Err(read_error(&error)) }),
                (Some(result), None) => Ok(Self::Answer { id, result: Ok(result) }),
                (None, None) => Err((Some(id), RpcError::invalid_request("Invalid request: missing field `method`"))),
            },
            (None, None) => Err(nameless(RpcError::invalid_request("Invalid request: missing field `method`"))),
        }
    }
}

/// Whether this JSON is an object. serde would also fill a struct from an array, member by member.
pub(super) fn is_object(json: &str) -> bool {
    json.trim_start().starts_with('{')
}

/// JSON that is no message of this wire is another fault than text that is no JSON.
fn shapeless(error: &serde_json::Error) -> RpcError {
    if error.is_data() {
        RpcError::invalid_request(format!("Invalid request: {error}"))
    } else {
        RpcError::parse(error)
    }
}

fn read_id(raw: &RawValue) -> Result<RequestId, RpcError> {
    serde_json::from_str(raw.get())
        .map_err(|_| RpcError::invalid_request("Invalid request: `id` is neither a string nor a whole number"))
}

/// Whatever a client calls an error is one.
fn read_error(error: &Value) -> RpcError {
    let code = error.get("code").and_then(Value::as_i64).unwrap_or(RpcError::INTERNAL);
    let message = error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
    RpcError { code, message, data: error.get("data").cloned() }
}

#[derive(Serialize)]
struct AnswerLine<'a, R> {
    id: &'a RequestId,
    result: &'a R,
}

#[derive(Serialize)]
struct ErrorLine<'a> {
    error: &'a RpcError,
    id: Option<&'a RequestId>,
}

#[derive(Serialize)]
struct RequestLine<'a> {
    method: &'a str,
    id: i64,
    params: &'a Value,
}

/// A result, with its newline.
#[must_use]
pub fn answer_line<R: Serialize>(id: &RequestId, result: &R) -> Vec<u8> {
    line(&AnswerLine { id, result })
}

/// An error, with its newline; without an id where the request had none that could be read.
#[must_use]
pub fn error_line(id: Option<&RequestId>, error: &RpcError) -> Vec<u8> {
    line(&ErrorLine { error, id })
}

/// A request of the server's, with its newline. Its ids count from 0, apart from the client's.
#[must_use]
pub fn request_line(id: i64, request: &ServerRequest) -> Vec<u8> {
    line(&RequestLine { method: request.method(), id, params: &request.params() })
}

/// Appends a notification, with its newline.
pub fn notification_line(notification: &ServerNotification, emitted_at: Millis, line: &mut Vec<u8>) {
    let start = line.len();
    line.extend_from_slice(b"{\"method\":\"");
    line.extend_from_slice(notification.method().as_bytes());
    line.extend_from_slice(b"\",\"params\":");
    if notification.write_params(line).is_err() {
        line.truncate(start);
        return;
    }
    line.extend_from_slice(format!(",\"emittedAtMs\":{emitted_at}}}\n").as_bytes());
}

/// These types have string keys and no floats that JSON lacks: there is nothing to fail.
fn line(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let shown = match Incoming::parse(line.as_bytes()) {
            Ok(Incoming::Request { id, method, params }) => {
                format!("request {id:?} {method} {}", params.map_or("-", RawValue::get))
            }
            Ok(Incoming::Notification { method }) => format!("notification {method}"),
            Ok(Incoming::Answer { id, result }) => match result {
                Ok(result) => format!("answer {id:?} {}", result.get()),
                Err(error) => format!("answer {id:?} error {} {}", error.code, error.message),
            },
            Err((id, error)) => format!("{} {id:?}", error.code),
        };
        assert_eq!(shown, expected, "{line}");
    }

    #[test]
    fn lines_are_told_apart() {
        check(r#"{"id":1,"method":"m","params":{"a":1}}"#, r#"request Number(1) m {"a":1}"#);
        check(r#"{"jsonrpc":"2.0","id":"x","method":"m"}"#, r#"request Text("x") m -"#);
        check(r#"{"id":1,"method":"m","params":null}"#, "request Number(1) m -");
        check(r#"{"method":"initialized"}"#, "notification initialized");
        check(r#"{"id":0,"result":{"decision":"accept"}}"#, r#"answer Number(0) {"decision":"accept"}"#);
        check(r#"{"id":0,"result":null}"#, "answer Number(0) null");
        check(r#"{"id":0,"error":{"code":-32601,"message":"no"}}"#, "answer Number(0) error -32601 no");
        check(r#"{"id":0,"error":"no"}"#, "answer Number(0) error -32603 ");
    }

    #[test]
    fn what_is_no_message_is_named() {
        check("hello", "-32700 None");
        check(r#"{"id":1,"#, "-32700 None");
        check("[1]", "-32600 None");
        check("7", "-32600 None");
        check("{}", "-32600 None");
        check(r#"{"id":1}"#, "-32600 Some(Number(1))");
        check(r#"{"id":1.5,"method":"m"}"#, "-32600 None");
        check(r#"{"id":null,"method":"m"}"#, "-32600 None");
        check(r#"{"id":1,"method":7}"#, "-32600 None");
    }

    #[test]
    fn lines_have_no_header() {
        let id = RequestId::Text("a".into());
        assert_eq!(answer_line(&id, &super::super::Empty {}), b"{\"id\":\"a\",\"result\":{}}\n");
        let error = RpcError::method_not_found("fly");
        let line = b"{\"error\":{\"code\":-32601,\"message\":\"Method not found: fly\"},\"id\":null}\n";
        assert_eq!(error_line(None, &error), line);
    }
}
