//! The body of a Chat Completions request (`reference/model-wire.md` §6).

use super::{messages, tools};
use crate::model::{ResponseItem, json_text::OpenObject, responses::RequestHead};
use serde_json::json;

/// In what one provider's Chat differs from another's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChatOptions {
    /// The longest answer to ask for, in tokens. `None` leaves it to the server, or, for a model whose API insists on
    /// a limit, to llmx.
    pub max_tokens: Option<u64>,
    /// Whether the limit is called `max_completion_tokens`: OpenAI's own server refuses the older name for models that
    /// reason, other servers do not know the newer one.
    pub newer_limit_name: bool,
}

/// The member that has Anthropic's API keep the prompt up to where it stands, for the price of a tenth from then on. Other APIs
/// keep prompts by themselves, and some refuse members that they do not know.
pub(super) const CACHE_MARK: &str = r#""cache_control":{"type":"ephemeral"}"#;

/// What is asked of models whose API insists on a limit: proxies fill in a much smaller one (LiteLLM 4096).
const LIMIT_WHERE_REQUIRED: u64 = 20_480;

/// The bytes to send for the whole conversation in `items`: there is no server-side memory to build on, so
/// `previous_response_id`, `store` and `prompt_cache_key` of the head have no counterpart. A member that is not set is
/// left out; so are `tool_choice` and an empty `tools`, which OpenAI refuses.
///
/// The items' strings are copied as they stand in their JSON; the work is one scan of it.
#[must_use]
pub fn body(head: &RequestHead, options: ChatOptions, items: &[&ResponseItem]) -> Vec<u8> {
    let may_call = head.may_call || items.iter().any(|item| item.body().call_id().is_some());
    let mut object = opening(head, options, may_call);
    object.raw_member("messages", "");
    let items_len: usize = items.iter().map(|item| item.json().len() + 64).sum();
    object.json.reserve(items_len + head.instructions.len());
    messages::write(&head.instructions, items, is_anthropic(&head.model), &mut object.json);
    object.close().into_bytes()
}

/// Everything but the messages, which come last: what the server has cached is a prefix. Some APIs (Anthropic's, Bedrock's)
/// take no conversation with calls unless the tools are offered too; `tools`: whether they are.
fn opening(head: &RequestHead, options: ChatOptions, tools: bool) -> OpenObject {
    let mut object = OpenObject::new();
    object.member("model", &head.model.as_str().into());
    object.member("stream", &true.into());
    object.member("stream_options", &json!({"include_usage": true}));
    if let Some(tools) = tools::functions(&head.tools).filter(|_| tools) {
        object.raw_member("tools", &if is_anthropic(&head.model) { last_marked(tools) } else { tools });
        object.member("tool_choice", &if head.may_call { "auto" } else { "none" }.into());
        if head.parallel_tool_calls && head.may_call {
            object.member("parallel_tool_calls", &true.into());
        }
    }
    if let Some(effort) = head.reasoning.and_then(|reasoning| reasoning.effort) {
        object.member("reasoning_effort", &json!(effort));
    }
    if let Some(verbosity) = head.verbosity {
        object.member("verbosity", &json!(verbosity));
    }
    if let Some(limit) = options.max_tokens.or_else(|| required_limit(&head.model)) {
        object.member(options.limit_name(), &limit.into());
    }
    if let Some(schema) = &head.output_schema {
        object.raw_member("response_format", &format_by_schema(schema));
    }
    object
}

impl ChatOptions {
    fn limit_name(self) -> &'static str {
        if self.newer_limit_name { "max_completion_tokens" } else { "max_tokens" }
    }
}

/// Anthropic's API takes no request without a limit.
fn required_limit(model: &str) -> Option<u64> {
    is_anthropic(model).then_some(LIMIT_WHERE_REQUIRED)
}

/// Whether a proxy is asked for a model of Anthropic's.
fn is_anthropic(model: &str) -> bool {
    model.starts_with("anthropic/") || model.contains("claude")
}

/// An array of objects, the last of them with the mark.
fn last_marked(mut array: String) -> String {
    if let Some(at) = array.rfind("}]") {
        array.insert_str(at, &format!(",{CACHE_MARK}"));
    }
    array
}

fn format_by_schema(schema: &str) -> String {
    let mut named = OpenObject::new();
    named.member("name", &"llmx_output_schema".into());
    named.member("strict", &true.into());
    named.raw_member("schema", schema);
    let mut format = OpenObject::new();
    format.member("type", &"json_schema".into());
    format.raw_member("json_schema", &named.close());
    format.close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::responses::Reasoning,
        wire::policy::{ReasoningEffort, Verbosity},
    };
    use serde_json::Value;

    fn plain() -> RequestHead {
        RequestHead {
            model: "m".into(),
            instructions: "be \"brief\"\n".into(),
            tools: "[]".into(),
            may_call: true,
            parallel_tool_calls: true,
            reasoning: None,
            store: true,
            previous_response_id: Some("resp_1".into()),
            prompt_cache_key: Some("session".into()),
            verbosity: None,
            output_schema: None,
        }
    }

    fn check(head: &RequestHead, options: ChatOptions, expected: &Value) {
        let hello = ResponseItem::message("user", "hello");
        let body = body(head, options, &[&hello]);
        assert_eq!(&serde_json::from_slice::<Value>(&body).unwrap(), expected);
    }

    fn messages() -> Value {
        json!([{"role": "system", "content": "be \"brief\"\n"}, {"role": "user", "content": "hello"}])
    }

    #[test]
    fn a_plain_request_leaves_out_what_is_not_set() {
        let expected =
            json!({"model": "m", "stream": true, "stream_options": {"include_usage": true}, "messages": messages()});
        check(&plain(), ChatOptions::default(), &expected);
    }

    #[test]
    fn a_full_request_has_every_field() {
        let head = RequestHead {
            tools: r#"[{"type":"function","name":"f","parameters":{}}]"#.into(),
            reasoning: Some(Reasoning { effort: Some(ReasoningEffort::High), summary: None }),
            verbosity: Some(Verbosity::Low),
            output_schema: Some(r#"{"type":"object"}"#.into()),
            ..plain()
        };
        let expected = json!({"model": "m", "stream": true, "stream_options": {"include_usage": true},
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
            "tool_choice": "auto", "parallel_tool_calls": true,
            "reasoning_effort": "high", "verbosity": "low", "max_tokens": 7,
            "response_format": {"type": "json_schema",
                "json_schema": {"name": "llmx_output_schema", "strict": true, "schema": {"type": "object"}}},
            "messages": messages()});
        check(&head, ChatOptions { max_tokens: Some(7), newer_limit_name: false }, &expected);
    }

    #[test]
    fn a_limit_is_sent_where_it_is_wanted_by_the_name_that_is_known() {
        let limit = |model: &str, max_tokens: Option<u64>, newer_limit_name: bool| {
            let head = RequestHead { model: model.to_owned(), ..plain() };
            let body = body(&head, ChatOptions { max_tokens, newer_limit_name }, &[]);
            let body: Value = serde_json::from_slice(&body).unwrap();
            (body["max_tokens"].as_u64(), body["max_completion_tokens"].as_u64())
        };
        assert_eq!(limit("gpt-4o", None, true), (None, None));
        assert_eq!(limit("gpt-4o", Some(5), true), (None, Some(5)));
        assert_eq!(limit("qwen3", Some(5), false), (Some(5), None));
        assert_eq!(limit("anthropic/claude-sonnet-4-20250514", None, false), (Some(20_480), None));
        assert_eq!(limit("bedrock/eu.anthropic.claude-x", Some(9), false), (Some(9), None));
    }

    #[test]
    fn a_proxy_of_anthropic_s_is_asked_to_keep_the_prompt() {
        let tool = |name: &str| json!({"type": "function", "name": name, "parameters": {}});
        let marks = |model: &str, items: &[&ResponseItem]| {
            let tools = json!([tool("f"), tool("g")]).to_string();
            let head = RequestHead { model: model.to_owned(), tools: tools.into(), ..plain() };
            let body: Value = serde_json::from_slice(&body(&head, ChatOptions::default(), items)).unwrap();
            let marked = |member: &str| -> String {
                let mark = |one: &Value| if one["cache_control"]["type"] == "ephemeral" { 'x' } else { '-' };
                body[member].as_array().unwrap().iter().map(mark).collect()
            };
            format!("{} {}", marked("tools"), marked("messages"))
        };
        let [a, b, c] = ["user", "assistant", "user"].map(|role| ResponseItem::message(role, "a}]"));
        assert_eq!(marks("anthropic/claude-sonnet-4-20250514", &[&a, &b, &c]), "-x x--x");
        assert_eq!(marks("bedrock/eu.anthropic.claude-x", &[&a]), "-x xx");
        assert_eq!(marks("claude-x", &[]), "-x x");
        assert_eq!(marks("gpt-4o", &[&a, &b, &c]), "-- ----");
    }

    #[test]
    fn tools_that_may_not_be_called_are_offered_only_where_they_were_called_before() {
        let tools = r#"[{"type":"function","name":"f","parameters":{}}]"#;
        let head = RequestHead { tools: tools.into(), may_call: false, ..plain() };
        let call = r#"{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}"#;
        let [said, call] = [ResponseItem::message("user", "a"), ResponseItem::from_model(call).unwrap()];
        let choice = |items: &[&ResponseItem]| {
            let body: Value = serde_json::from_slice(&body(&head, ChatOptions::default(), items)).unwrap();
            (body["tools"].is_array(), body["tool_choice"].clone())
        };
        assert_eq!(choice(&[&said]), (false, Value::Null));
        assert_eq!(choice(&[&said, &call]), (true, json!("none")));
    }
}
