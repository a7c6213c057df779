//! The JSON of the stream's chunks, as little of it as is used. Every member may be missing, and be of any shape.

use crate::{model::json_text::Text, wire::usage::TokenUsage};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};
use std::{borrow::Cow, fmt};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub(super) id: Wording<'a>,
    #[serde(borrow)]
    pub(super) object: Wording<'a>,
    #[serde(borrow)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice<'a> {
    #[serde(borrow)]
    index: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) delta: Option<Said<'a>>,
    /// The whole answer, from servers that do not stream, or that repeat it at the end.
    #[serde(borrow)]
    pub(super) message: Option<Said<'a>>,
    #[serde(borrow)]
    pub(super) finish_reason: Wording<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Said<'a> {
    #[serde(borrow)]
    pub(super) content: Wording<'a>,
    #[serde(borrow)]
    pub(super) refusal: Wording<'a>,
    #[serde(borrow)]
    reasoning_content: Wording<'a>,
    #[serde(borrow)]
    reasoning: Wording<'a>,
    #[serde(borrow)]
    pub(super) tool_calls: Option<Vec<CallFragment<'a>>>,
    /// The form before there were several calls.
    #[serde(borrow)]
    pub(super) function_call: Option<Function<'a>>,
}

/// A piece of a tool call.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct CallFragment<'a> {
    #[serde(borrow)]
    index: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Wording<'a>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    name: Wording<'a>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

impl Choice<'_> {
    /// llmx asks for one choice; a second one would only be a mix-up.
    pub(super) fn is_first(&self) -> bool {
        number(self.index).is_none_or(|index| index == 0)
    }
}

impl Said<'_> {
    /// Servers that know both names say the same under both.
    pub(super) fn thoughts(&self) -> &str {
        if self.reasoning_content.is_empty() { &self.reasoning } else { &self.reasoning_content }
    }

    /// By which name the thoughts came, if by one only.
    pub(super) fn thoughts_name(&self) -> Option<&'static str> {
        match (self.reasoning_content.is_empty(), self.reasoning.is_empty()) {
            (false, true) => Some("reasoning_content"),
            (true, false) => Some("reasoning"),
            _ => None,
        }
    }

    pub(super) fn forget_thoughts(&mut self) {
        self.reasoning_content = Wording::default();
        self.reasoning = Wording::default();
    }
}

impl<'a> CallFragment<'a> {
    pub(super) fn index(&self) -> Option<u64> {
        number(self.index)
    }

    pub(super) fn id(&self) -> Option<&str> {
        Some(&*self.id).filter(|id| !id.is_empty())
    }

    pub(super) fn name(&self) -> &str {
        self.function.as_ref().map_or("", |function| &function.name)
    }

    /// Some servers send the arguments as the object that the text should describe.
    pub(super) fn arguments(&self) -> Cow<'a, str> {
        let Some(raw) = self.function.as_ref().and_then(|function| function.arguments) else {
            return Cow::Borrowed("");
        };
        serde_json::from_str(raw.get()).map_or(Cow::Borrowed(raw.get()), |Text(text)| text)
    }
}

impl<'a> From<Function<'a>> for CallFragment<'a> {
    fn from(function: Function<'a>) -> Self {
        Self { function: Some(function), ..Self::default() }
    }
}

/// `0` and `"0"`.
fn number(raw: Option<&RawValue>) -> Option<u64> {
    raw?.get().trim_matches('"').parse().ok()
}

/// Proxies have Anthropic's names beside OpenAI's, or names of their own for what OpenAI does not count.
pub(super) fn usage(raw: &RawValue) -> Option<TokenUsage> {
    let usage: Value = serde_json::from_str(raw.get()).ok()?;
    let details = &usage["prompt_tokens_details"];
    let tokens = |value: &Value| value.as_i64().unwrap_or_default();
    let first = |values: &[&Value]| values.iter().find_map(|value| value.as_i64()).unwrap_or_default();
    let input_tokens = tokens(&usage["prompt_tokens"]);
    let output_tokens = tokens(&usage["completion_tokens"]);
    usage.is_object().then(|| TokenUsage {
        input_tokens,
        cached_input_tokens: first(&[
            &details["cached_tokens"],
            &usage["cache_read_input_tokens"],
            &usage["prompt_cache_hit_tokens"],
        ]),
        cache_write_input_tokens: first(&[
            &details["cache_write_tokens"],
            &details["cache_creation_tokens"],
            &usage["cache_creation_input_tokens"],
        ]),
        output_tokens,
        reasoning_output_tokens: tokens(&usage["completion_tokens_details"]["reasoning_tokens"]),
        total_tokens: usage["total_tokens"].as_i64().unwrap_or(input_tokens.saturating_add(output_tokens)),
    })
}

/// A text in whatever a server wraps it: a string, an object with `text` or `content`, or a list of these. Anything
/// else says nothing.
#[derive(Debug, Default)]
pub(super) struct Wording<'a>(Cow<'a, str>);

impl std::ops::Deref for Wording<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Wording<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordingVisitor).map(Self)
    }
}

struct WordingVisitor;

impl<'de> Visitor<'de> for WordingVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let mut whole = String::new();
        while let Some(Wording(part)) = parts.next_element()? {
            whole.push_str(&part);
        }
        Ok(Cow::Owned(whole))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut text = Cow::default();
        while let Some(Text(name)) = members.next_key()? {
            if matches!(&*name, "text" | "content") {
                let Wording(wording) = members.next_value()?;
                text = wording;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(text)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Cow::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Cow::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Cow::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Cow::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Cow::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_in_every_wrapping() {
        let check = |json: &str, expected: &str| {
            let wording: Wording<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(&*wording, expected, "{json}");
        };
        check(r#""a""#, "a");
        check(r#""\u00e9\n""#, "é\n");
        check(r#"{"text":"a"}"#, "a");
        check(r#"{"type":"x","content":"a","n":[{}]}"#, "a");
        check(r#"[{"type":"text","text":"a"},"b",{"type":"thinking","thinking":[{"text":"not said"}]},7]"#, "ab");
        for nothing in ["null", "7", "-7", "1.5", "true", "{}", "[]", r#"{"text":null}"#] {
            check(nothing, "");
        }
    }

    #[test]
    fn usage_is_read_as_far_as_it_goes() {
        let check = |json: &str, expected: Option<([i64; 3], [i64; 3])>| {
            let raw: &RawValue = serde_json::from_str(json).unwrap();
            let read = usage(raw).map(|u| {
                let input = [u.input_tokens, u.cached_input_tokens, u.cache_write_input_tokens];
                (input, [u.output_tokens, u.reasoning_output_tokens, u.total_tokens])
            });
            assert_eq!(read, expected, "{json}");
        };
        check("5", None);
        check("{}", Some(([0; 3], [0; 3])));
        check(
            r#"{"prompt_tokens":2,"completion_tokens":3,"prompt_tokens_details":null}"#,
            Some(([2, 0, 0], [3, 0, 5])),
        );
        check(
            r#"{"prompt_tokens":2,"prompt_tokens_details":{"cached_tokens":1},"completion_tokens":3,"completion_tokens_details":{"reasoning_tokens":2},"total_tokens":9}"#,
            Some(([2, 1, 0], [3, 2, 9])),
        );
        // OpenRouter; LiteLLM in front of Anthropic, older and newer; DeepSeek.
        check(r#"{"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":4}}"#, Some(([0, 0, 4], [0; 3])));
        check(r#"{"cache_creation_input_tokens":4,"cache_read_input_tokens":3}"#, Some(([0, 3, 4], [0; 3])));
        check(r#"{"prompt_tokens_details":{"cached_tokens":3,"cache_creation_tokens":4}}"#, Some(([0, 3, 4], [0; 3])));
        check(r#"{"prompt_cache_hit_tokens":3}"#, Some(([0, 3, 0], [0; 3])));
    }
}
