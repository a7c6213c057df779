//! The form in which an item goes back to a server (`reference/model-wire.md` §4).
//!
//! Servers refuse what they do not expect: llama.cpp a `null` member, others an `id` they never stored. Known items
//! lose exactly that; members nobody here has heard of stay. The form is its own normal form.

use serde_json::{Map, Value, json};

type Members = Map<String, Value>;

pub(super) fn of(mut item: Members) -> Value {
    let kind = item.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind == "function_call" {
        arguments_as_text(&mut item);
    }
    drop_nulls(&mut item);
    let id = item.remove("id");
    let status = item.remove("status");
    match kind.as_str() {
        "message" => message(&mut item),
        "reasoning" => reasoning(&mut item),
        "function_call" | "custom_tool_call" => adopt_id(&mut item, id),
        "local_shell_call" => local_shell_call(&mut item, id, status),
        _ => {}
    }
    Value::Object(item)
}

fn drop_nulls(members: &mut Members) {
    members.retain(|_, value| !value.is_null());
    members.values_mut().for_each(drop_nulls_within);
}

fn drop_nulls_within(value: &mut Value) {
    match value {
        Value::Object(members) => drop_nulls(members),
        Value::Array(values) => values.iter_mut().for_each(drop_nulls_within),
        _ => {}
    }
}

fn message(item: &mut Members) {
    let role = item.entry("role").or_insert_with(|| "assistant".into());
    let kind = if role == "assistant" { "output_text" } else { "input_text" };
    match item.get_mut("content") {
        Some(Value::Array(parts)) => parts.iter_mut().for_each(output_text),
        Some(content @ Value::String(_)) => {
            *content = json!([{"type": kind, "text": content.take()}]);
        }
        _ => {}
    }
}

/// The model's text goes back as text: annotations and log probabilities are only output.
fn output_text(part: &mut Value) {
    if let Value::Object(part) = part
        && part.get("type").is_some_and(|kind| kind == "output_text")
    {
        part.retain(|member, _| matches!(member.as_str(), "type" | "text"));
    }
}

/// Unabridged text is left out where the encrypted form carries it: that is what such a server wants back. A server
/// without one (llama.cpp, whose `encrypted_content` is empty) refuses a reasoning item without its `content`.
fn reasoning(item: &mut Members) {
    let is_encrypted = item.get("encrypted_content").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let dropped = if is_encrypted { "content" } else { "encrypted_content" };
    if dropped != "content" || item.get("content").is_some_and(has_reasoning_text) {
        item.remove(dropped);
    }
    item.entry("summary").or_insert_with(|| Value::Array(Vec::new()));
}

fn has_reasoning_text(content: &Value) -> bool {
    content.as_array().into_iter().flatten().any(|part| part["type"] == "reasoning_text")
}

/// Some servers send the arguments as the object that the text should describe; a `null` in it means something.
fn arguments_as_text(item: &mut Members) {
    let text = match item.remove("arguments") {
        Some(Value::String(text)) => text,
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    };
    item.insert("arguments".to_owned(), text.into());
}

fn local_shell_call(item: &mut Members, id: Option<Value>, status: Option<Value>) {
    adopt_id(item, id);
    item.insert("status".to_owned(), status.unwrap_or_else(|| "completed".into()));
}

/// A call must have a name that its output can refer to.
fn adopt_id(item: &mut Members, id: Option<Value>) {
    if let Some(id) = id
        && item.get("call_id").and_then(Value::as_str).is_none_or(str::is_empty)
    {
        item.insert("call_id".to_owned(), id);
    }
}
