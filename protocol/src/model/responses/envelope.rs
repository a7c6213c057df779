//! The JSON of the stream's events, as little of it as is used. Every member may be missing.

use super::slots::ItemName;
use crate::{
    ids::ResponseId,
    model::{Failure, ItemKind, json_text::Text},
    wire::usage::TokenUsage,
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

/// The members of all events together: each is parsed once, and what is large only where it is used.
#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) item_id: Option<Text<'a>>,
    pub(super) output_index: Option<u64>,
    #[serde(borrow)]
    pub(super) delta: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) item: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) response: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

/// The `response` of an event. Nothing in it can make it unreadable but its not being an object.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ResponseObject<'a> {
    id: Value,
    pub(super) status: Value,
    pub(super) usage: Value,
    pub(super) error: Value,
    pub(super) incomplete_details: Value,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ItemHead<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
}

impl Envelope<'_> {
    pub(super) fn item_name(&self, kind: ItemKind) -> ItemName<'_> {
        ItemName { id: id_text(self.item_id.as_ref()), index: self.output_index, kind }
    }

    pub(super) fn response(&self) -> ResponseObject<'_> {
        self.response.and_then(|response| serde_json::from_str(response.get()).ok()).unwrap_or_default()
    }

    /// The error that the event holds, or that it is.
    pub(super) fn error_or(&self, data: &str) -> Value {
        serde_json::from_str(self.error.map_or(data, RawValue::get)).unwrap_or_default()
    }
}

impl<'a> ItemHead<'a> {
    pub(super) fn read(item: Option<&'a RawValue>) -> Self {
        item.and_then(|item| serde_json::from_str(item.get()).ok()).unwrap_or_default()
    }

    pub(super) fn name<'n>(&'n self, envelope: &'n Envelope<'_>) -> ItemName<'n> {
        let name = self.name_by(envelope.output_index);
        ItemName { id: name.id.or(id_text(envelope.item_id.as_ref())), ..name }
    }

    pub(super) fn name_by(&self, index: Option<u64>) -> ItemName<'_> {
        let kind = self.kind.as_ref().map_or(ItemKind::Other, |Text(kind)| ItemKind::from_type(kind));
        ItemName { id: id_text(self.id.as_ref()), index, kind }
    }
}

/// An empty id names nothing.
fn id_text<'a>(id: Option<&'a Text<'_>>) -> Option<&'a str> {
    id.map(|Text(id)| id.as_ref()).filter(|id| !id.is_empty())
}

impl<'a> ResponseObject<'a> {
    pub(super) fn id(&self) -> Option<ResponseId> {
        self.id.as_str().filter(|id| !id.is_empty()).map(ResponseId::from)
    }

    pub(super) fn output(&self) -> Vec<&'a RawValue> {
        self.output.and_then(|output| serde_json::from_str(output.get()).ok()).unwrap_or_default()
    }

    pub(super) fn failure(&self) -> Failure {
        match &self.error {
            Value::Null => Failure::from_stream(&json!({"message": "response failed without a reason"})),
            error => Failure::from_stream(error),
        }
    }
}

pub(super) fn usage(usage: &Value) -> Option<TokenUsage> {
    let details = &usage["input_tokens_details"];
    let first = |values: &[&Value]| values.iter().find_map(|value| value.as_i64()).unwrap_or_default();
    let tokens = |value: &Value| value.as_i64().unwrap_or_default();
    let input_tokens = tokens(&usage["input_tokens"]);
    let output_tokens = tokens(&usage["output_tokens"]);
    usage.is_object().then(|| TokenUsage {
        input_tokens,
        cached_input_tokens: first(&[&details["cached_tokens"], &usage["cache_read_input_tokens"]]),
        cache_write_input_tokens: first(&[
            &details["cache_write_tokens"],
            &details["cache_creation_tokens"],
            &usage["cache_creation_input_tokens"],
        ]),
        output_tokens,
        reasoning_output_tokens: tokens(&usage["output_tokens_details"]["reasoning_tokens"]),
        total_tokens: usage["total_tokens"].as_i64().unwrap_or(input_tokens.saturating_add(output_tokens)),
    })
}
