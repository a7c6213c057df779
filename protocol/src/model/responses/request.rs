//! The body of a Responses request (`reference/model-wire.md` §2).

use crate::{
    ids::ResponseId,
    model::json_text::OpenObject,
    wire::policy::{ReasoningEffort, ReasoningSummary, Verbosity},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// All of a request but the conversation. A member that is `None` is left out: llama.cpp refuses nulls.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The model's name on the server.
    pub model: String,
    /// The system text, sent with every request.
    pub instructions: String,
    /// The tools as the text of a JSON array. It is copied as it is.
    pub tools: Arc<str>,
    /// Whether the model may call them.
    pub may_call: bool,
    /// Whether the model may make several calls at once.
    pub parallel_tool_calls: bool,
    /// How to think; `None` for a model that does not.
    pub reasoning: Option<Reasoning>,
    /// Whether the server keeps the response, so that a later request can build on it.
    pub store: bool,
    /// The stored response that the items continue.
    pub previous_response_id: Option<ResponseId>,
    /// Names the conversation to the server's prompt cache.
    pub prompt_cache_key: Option<String>,
    /// How long the answers are asked to be.
    pub verbosity: Option<Verbosity>,
    /// The JSON Schema, as JSON text, that the final message must satisfy. It is copied as it is.
    pub output_schema: Option<Arc<str>>,
}

/// How a reasoning model is asked to think.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reasoning {
    /// How hard.
    pub effort: Option<ReasoningEffort>,
    /// How to sum it up.
    pub summary: Option<ReasoningSummary>,
}

/// The bytes to send. `items` are input items as JSON text ([`ResponseItem::json`](crate::model::ResponseItem::json));
/// they are copied, not looked at, into a buffer of exactly the needed size.
#[must_use]
pub fn body<'a>(head: &RequestHead, items: impl Iterator<Item = &'a str> + Clone) -> Vec<u8> {
    const END: &str = "]}";
    let opening = opening(head);
    let items_len: usize = items.clone().map(|item| item.len() + 1).sum();
    let mut body = Vec::with_capacity(opening.len() + items_len.saturating_sub(1) + END.len());
    body.extend_from_slice(opening.as_bytes());
    for (index, item) in items.enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(item.as_bytes());
    }
    body.extend_from_slice(END.as_bytes());
    body
}

/// Everything up to the first item. `input` comes last, so that what the server has cached is a prefix.
fn opening(head: &RequestHead) -> String {
    let mut object = OpenObject::new();
    object.member("model", &head.model.as_str().into());
    object.member("instructions", &head.instructions.as_str().into());
    object.raw_member("tools", if head.may_call { &head.tools } else { "[]" });
    object.member("tool_choice", &"auto".into());
    object.member("parallel_tool_calls", &head.parallel_tool_calls.into());
    if let Some(reasoning) = head.reasoning {
        object.member("reasoning", &reasoning.to_json());
    }
    object.member("store", &head.store.into());
    object.member("stream", &true.into());
    object.member("include", &include(head));
    if let Some(id) = &head.previous_response_id {
        object.member("previous_response_id", &id.as_str().into());
    }
    if let Some(key) = &head.prompt_cache_key {
        object.member("prompt_cache_key", &key.as_str().into());
    }
    if let Some(text) = text_format(head) {
        object.raw_member("text", &text);
    }
    object.raw_member("input", "[");
    object.json
}

fn include(head: &RequestHead) -> Value {
    if head.reasoning.is_some() { json!(["reasoning.encrypted_content"]) } else { json!([]) }
}

fn text_format(head: &RequestHead) -> Option<String> {
    let mut text = OpenObject::new();
    if let Some(verbosity) = head.verbosity {
        text.member("verbosity", &json!(verbosity));
    }
    if let Some(schema) = &head.output_schema {
        text.raw_member("format", &format_by_schema(schema));
    }
    if text.is_empty() { None } else { Some(text.close()) }
}

fn format_by_schema(schema: &str) -> String {
    let mut format = OpenObject::new();
    format.member("type", &"json_schema".into());
    format.member("name", &"llmx_output_schema".into());
    format.member("strict", &true.into());
    format.raw_member("schema", schema);
    format.close()
}

impl Reasoning {
    fn to_json(self) -> Value {
        let mut reasoning = json!({});
        if let Some(effort) = self.effort {
            reasoning["effort"] = json!(effort);
        }
        if let Some(summary) = self.summary {
            reasoning["summary"] = json!(summary);
        }
        reasoning
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> RequestHead {
        RequestHead {
            model: "m".into(),
            instructions: "be \"brief\"\n".into(),
            tools: "[]".into(),
            may_call: true,
            parallel_tool_calls: false,
            reasoning: None,
            store: false,
            previous_response_id: None,
            prompt_cache_key: None,
            verbosity: None,
            output_schema: None,
        }
    }

    fn check(head: &RequestHead, items: &[&str], expected: &Value) {
        let body = body(head, items.iter().copied());
        assert_eq!(&serde_json::from_slice::<Value>(&body).unwrap(), expected);
        assert_eq!(body.capacity(), body.len(), "the size must be known before");
    }

    #[test]
    fn a_plain_request_leaves_out_what_is_not_set() {
        let with_input = |input: Value| {
            json!({"model": "m", "instructions": "be \"brief\"\n", "tools": [], "tool_choice": "auto",
                "parallel_tool_calls": false, "store": false, "stream": true, "include": [], "input": input})
        };
        check(&plain(), &[], &with_input(json!([])));
        check(&plain(), &["{\"a\":1}"], &with_input(json!([{"a": 1}])));
        check(&plain(), &["1", "2", "3"], &with_input(json!([1, 2, 3])));
    }

    #[test]
    fn a_full_request_has_every_field() {
        let head = RequestHead {
            tools: r#"[{"type":"function"}]"#.into(),
            parallel_tool_calls: true,
            reasoning: Some(Reasoning { effort: Some(ReasoningEffort::High), summary: Some(ReasoningSummary::Auto) }),
            store: true,
            previous_response_id: Some("resp_\"1\"".into()),
            prompt_cache_key: Some("session".into()),
            verbosity: Some(Verbosity::Low),
            output_schema: Some(r#"{"type":"object"}"#.into()),
            ..plain()
        };
        let expected = json!({"model": "m", "instructions": "be \"brief\"\n", "tools": [{"type": "function"}],
            "tool_choice": "auto", "parallel_tool_calls": true, "reasoning": {"effort": "high", "summary": "auto"},
            "store": true, "stream": true, "include": ["reasoning.encrypted_content"],
            "previous_response_id": "resp_\"1\"", "prompt_cache_key": "session",
            "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "llmx_output_schema",
                "strict": true, "schema": {"type": "object"}}},
            "input": [{}]});
        check(&head, &["{}"], &expected);
    }

    #[test]
    fn tools_that_may_not_be_called_are_not_offered() {
        let head = RequestHead { tools: r#"[{"type":"function"}]"#.into(), may_call: false, ..plain() };
        let body: Value = serde_json::from_slice(&body(&head, std::iter::empty())).unwrap();
        assert_eq!(body["tools"], json!([]));
    }

    #[test]
    fn parts_of_reasoning_and_text_are_left_out_too() {
        let text = |head: RequestHead| {
            let body: Value = serde_json::from_slice(&body(&head, std::iter::empty())).unwrap();
            (body["reasoning"].clone(), body["text"].clone())
        };
        let quiet = RequestHead { reasoning: Some(Reasoning::default()), verbosity: Some(Verbosity::High), ..plain() };
        assert_eq!(text(quiet), (json!({}), json!({"verbosity": "high"})));
    }
}
