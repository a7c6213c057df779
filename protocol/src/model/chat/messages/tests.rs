use super::*;
use crate::{ids::CallId, model::ContentPart};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashSet;

fn messages(instructions: &str, items: &[ResponseItem]) -> Vec<Value> {
    let mut text = String::new();
    let items: Vec<_> = items.iter().collect();
    write(instructions, &items, false, &mut text);
    let mut again = String::new();
    write(instructions, &items, false, &mut again);
    assert_eq!(again, text, "what is known of the items by now");
    serde_json::from_str(&text).unwrap()
}

/// Items as JSON, the messages that they become as JSON.
fn check(items: &Value, expected: &Value) {
    let items: Vec<_> = items.as_array().unwrap().iter().map(read).collect();
    assert_eq!(&Value::from(messages("", &items)), expected);
}

fn read(item: &Value) -> ResponseItem {
    ResponseItem::from_model(&item.to_string()).unwrap()
}

fn said(role: &str, text: &str) -> Value {
    json!({"type": "message", "role": role, "content": text})
}

fn call(id: &str) -> Value {
    json!({"type": "function_call", "call_id": id, "name": "f", "arguments": "{\"a\": 1.0}"})
}

fn output(id: &str, output: impl Into<Value>) -> Value {
    json!({"type": "function_call_output", "call_id": id, "output": output.into()})
}

fn sent_call(id: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1.0}"}})
}

fn tool(id: &str, content: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": content})
}

#[test]
fn there_is_one_system_message_and_it_comes_first() {
    let developer = ResponseItem::message("developer", "be\tkind");
    let user = ResponseItem::message("user", "hi \"you\"");
    let hi = json!({"role": "user", "content": "hi \"you\""});
    assert_eq!(messages("rules", &[]), [json!({"role": "system", "content": "rules"})]);
    assert_eq!(
        messages("rules\n", &[developer.clone(), user.clone()]),
        [json!({"role": "system", "content": "rules\n\n\nbe\tkind"}), hi.clone()]
    );
    assert_eq!(messages("", &[user, developer]), [hi, json!({"role": "system", "content": "be\tkind"})]);
}

#[test]
fn text_is_a_string_and_images_are_parts() {
    let message = |parts: &[ContentPart]| messages("", &[ResponseItem::user_message(parts)]);
    let text = |text: &str| ContentPart::Text(text.into());
    let image = || ContentPart::Image { url: "data:image/png;base64,AA==".into() };
    let sent = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}});
    assert_eq!(message(&[text("a"), text("b\u{1}")]), [json!({"role": "user", "content": "a\nb\u{1}"})]);
    assert_eq!(
        message(&[text("a"), image(), text(" \n")]),
        [json!({"role": "user", "content": [{"type": "text", "text": "a"}, sent]})]
    );
    assert_eq!(message(&[image()]), [json!({"role": "user", "content": [sent]})]);
    assert_eq!(message(&[text(" \n")]), Vec::<Value>::new());
    assert_eq!(message(&[]), Vec::<Value>::new());
}

#[test]
fn what_the_model_says_in_one_go_is_one_message() {
    check(
        &json!([said("user", "go"), {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
            said("assistant", "I look."), call("a"), said("assistant", " "), said("assistant", "Twice."), call("b"),
            output("b", "2"), output("a", "1")]),
        &json!([{"role": "user", "content": "go"},
            {"role": "assistant", "content": "I look.\n\nTwice.", "reasoning_content": "hm", "reasoning": "hm",
                "tool_calls": [sent_call("a"), sent_call("b")]},
            tool("a", "1"), tool("b", "2")]),
    );
}

#[test]
fn what_it_says_after_an_output_is_another() {
    check(
        &json!([call("a"), output("a", "1"), call("a"), output("a", "2"), said("assistant", "done")]),
        &json!([{"role": "assistant", "content": "", "tool_calls": [sent_call("a")]}, tool("a", "1"),
            {"role": "assistant", "content": "", "tool_calls": [sent_call("a")]}, tool("a", "2"),
            {"role": "assistant", "content": "done"}]),
    );
}

#[test]
fn there_are_no_orphans() {
    check(
        &json!([
            output("x", "nobody asked"),
            call("a"),
            call("b"),
            said("user", "wait"),
            output("b", "late"),
            output("b", "twice"),
            call("b")
        ]),
        &json!([{"role": "assistant", "content": "", "tool_calls": [sent_call("a"), sent_call("b")]},
            tool("a", "aborted"), tool("b", "late"), {"role": "user", "content": "wait"},
            {"role": "assistant", "content": "", "tool_calls": [sent_call("b")]}, tool("b", "aborted")]),
    );
}

#[test]
fn ids_are_unique_within_a_message() {
    check(
        &json!([call("a"), call("a"), output("a", "1"), output("a", "2")]),
        &json!([{"role": "assistant", "content": "", "tool_calls": [sent_call("a"), sent_call("a_1")]},
            tool("a", "1"), tool("a_1", "2")]),
    );
}

#[test]
fn every_kind_of_call_is_a_function() {
    let function = |name: &str, arguments: &str| {
        let call = json!({"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}});
        json!([{"role": "assistant", "content": "", "tool_calls": [call]}, tool("c", "ok")])
    };
    let call = |arguments: &str| json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments});
    check(
        &json!([{"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": "*** \"x\""},
            {"type": "custom_tool_call_output", "call_id": "c", "output": "ok"}]),
        &function("apply_patch", r#"{"input":"*** \"x\""}"#),
    );
    let action = json!({"type": "exec", "command": ["ls"], "timeout_ms": 5, "working_directory": "/"});
    check(
        &json!([{"type": "local_shell_call", "call_id": "c", "action": action}, output("c", "ok")]),
        &function("shell", r#"{"command":["ls"],"timeout_ms":5,"workdir":"/"}"#),
    );
    check(&json!([call(""), output("c", "ok")]), &function("f", "{}"));
    check(&json!([call("{\"a"), output("c", "ok")]), &function("f", r#"{"invalid_arguments":"{\"a"}"#));
    check(&json!([call("[1]"), output("c", "ok")]), &function("f", r#"{"invalid_arguments":"[1]"}"#));
}

#[test]
fn the_images_of_an_output_come_after_all_outputs() {
    let url = "data:image/png;base64,AA==";
    let parts = json!([{"type": "input_text", "text": "seen"}, {"type": "input_image", "image_url": url}]);
    check(
        &json!([call("a"), call("b"), output("a", parts), output("b", "2")]),
        &json!([{"role": "assistant", "content": "", "tool_calls": [sent_call("a"), sent_call("b")]},
            tool("a", "seen"), tool("b", "2"),
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]),
    );
}

#[test]
fn thoughts_count_only_in_the_turn_that_they_belong_to() {
    let thought = |text: &str| json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": text}]});
    check(
        &json!([
            thought("old"),
            said("assistant", "a"),
            said("user", "b"),
            thought("alone"),
            thought("new"),
            call("c")
        ]),
        &json!([{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"},
            {"role": "assistant", "content": "", "reasoning_content": "alone\n\nnew", "reasoning": "alone\n\nnew",
                "tool_calls": [sent_call("c")]}, tool("c", "aborted")]),
    );
    check(&json!([said("user", "b"), thought("alone")]), &json!([{"role": "user", "content": "b"}]));
}

#[test]
fn thoughts_go_back_by_the_name_that_they_came_by() {
    for (name, other) in [("reasoning", "reasoning_content"), ("reasoning_content", "reasoning")] {
        let [message, _] = &messages("", &[ResponseItem::thoughts("hm", Some(name)), read(&call("c"))])[..] else {
            panic!("a message and an output")
        };
        assert_eq!((&message[name], &message[other]), (&json!("hm"), &Value::Null));
    }
}

#[test]
fn what_the_server_ran_itself_is_left_out() {
    check(
        &json!([{"type": "web_search_call"}, {"type": "new"}, said("user", "b")]),
        &json!([{"role": "user", "content": "b"}]),
    );
}

fn any_item() -> impl Strategy<Value = ResponseItem> {
    let id = prop::sample::select(vec!["a", "b", "a_1"]);
    (0..8, id, "\\PC{0,6}").prop_map(|(kind, id, text)| {
        let call_id = CallId::from(id);
        match kind {
            0 => ResponseItem::message("user", &text),
            1 => ResponseItem::message("assistant", &text),
            2 => ResponseItem::message("developer", &text),
            3 => read(&json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": text}]})),
            4 => read(&json!({"type": "function_call", "call_id": id, "name": "f", "arguments": text})),
            5 => read(&json!({"type": "custom_tool_call", "call_id": id, "name": "f", "input": text})),
            6 => ResponseItem::function_call_output(&call_id, &text),
            _ => ResponseItem::custom_tool_call_output(&call_id, &text),
        }
    })
}

proptest! {
    #[test]
    fn every_call_is_followed_by_exactly_one_output(items in prop::collection::vec(any_item(), 0..16)) {
        let calls = items
            .iter()
            .filter(|item| matches!(item.body(), ItemBody::FunctionCall { .. } | ItemBody::CustomToolCall { .. }))
            .count();
        let mut open = Vec::new();
        let mut sent = 0;
        for message in messages("rules", &items) {
            if message["role"] == "tool" {
                prop_assert!(!open.is_empty(), "an output that nobody asked for");
                prop_assert_eq!(&message["tool_call_id"], &open.remove(0));
                prop_assert!(message["content"].is_string());
                continue;
            }
            prop_assert!(open.is_empty(), "a call without output");
            for call in message["tool_calls"].as_array().into_iter().flatten() {
                let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
                prop_assert!(arguments.is_object());
                open.push(call["id"].clone());
            }
            sent += open.len();
            prop_assert_eq!(open.iter().map(ToString::to_string).collect::<HashSet<_>>().len(), open.len());
        }
        prop_assert!(open.is_empty());
        prop_assert_eq!(sent, calls, "no call is lost");
    }
}
