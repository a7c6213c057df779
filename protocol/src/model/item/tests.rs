use super::*;
use proptest::prelude::*;

fn read(item: &Value) -> ResponseItem {
    ResponseItem::from_model(&item.to_string()).unwrap()
}

fn parsed(item: &ResponseItem) -> Value {
    serde_json::from_str(item.json()).unwrap()
}

fn check(from_server: &Value, sent_back: &Value, body: &ItemBody) {
    let item = read(from_server);
    assert_eq!((&parsed(&item), item.body()), (sent_back, body));
    assert_eq!(ResponseItem::from_model(item.json()), Ok(item), "the form must be stable");
}

fn message(role: &str, text: &str) -> ItemBody {
    ItemBody::Message { role: role.into(), text: text.into() }
}

#[test]
fn a_message_loses_what_only_a_server_can_say() {
    check(
        &json!({"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "phase": "final", "x": null,
            "content": [{"type": "output_text", "text": "a", "annotations": [], "logprobs": []},
                {"type": "output_text", "text": "b"}, {"type": "refusal", "refusal": "no"}]}),
        &json!({"type": "message", "role": "assistant", "phase": "final", "content": [{"type": "output_text", "text": "a"},
            {"type": "output_text", "text": "b"}, {"type": "refusal", "refusal": "no"}]}),
        &message("assistant", "abno"),
    );
    check(
        &json!({"type": "message", "content": "plain"}),
        &json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "plain"}]}),
        &message("assistant", "plain"),
    );
}

#[test]
fn reasoning_goes_back_encrypted_or_else_in_full() {
    let raw = json!([{"type": "reasoning_text", "text": "long"}]);
    let summary = json!([{"type": "summary_text", "text": "short"}]);
    let body = |raw: &[&str]| ItemBody::Reasoning {
        summary: vec!["short".into()],
        raw: raw.iter().map(ToString::to_string).collect(),
    };
    check(
        &json!({"type": "reasoning", "id": "rs_1", "summary": summary, "content": raw, "encrypted_content": "gAAA"}),
        &json!({"type": "reasoning", "summary": summary, "encrypted_content": "gAAA"}),
        &body(&[]),
    );
    check(
        &json!({"type": "reasoning", "id": "rs_1", "summary": summary, "content": raw, "encrypted_content": ""}),
        &json!({"type": "reasoning", "summary": summary, "content": raw}),
        &body(&["long"]),
    );
    check(
        &json!({"type": "reasoning", "summary": summary, "content": null, "encrypted_content": "gAAA"}),
        &json!({"type": "reasoning", "summary": summary, "encrypted_content": "gAAA"}),
        &body(&[]),
    );
    check(
        &json!({"type": "reasoning"}),
        &json!({"type": "reasoning", "summary": []}),
        &ItemBody::Reasoning { summary: vec![], raw: vec![] },
    );
}

#[test]
fn calls_keep_their_pairing_name() {
    let call = |call_id: &str, arguments: &str| ItemBody::FunctionCall {
        call_id: call_id.into(),
        name: "shell".into(),
        arguments: arguments.into(),
    };
    check(
        &json!({"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "shell", "arguments": "{", "status": "completed"}),
        &json!({"type": "function_call", "call_id": "c1", "name": "shell", "arguments": "{"}),
        &call("c1", "{"),
    );
    check(
        &json!({"type": "function_call", "id": "fc_1", "name": "shell", "arguments": {"a": null}}),
        &json!({"type": "function_call", "call_id": "fc_1", "name": "shell", "arguments": "{\"a\":null}"}),
        &call("fc_1", "{\"a\":null}"),
    );
    check(
        &json!({"type": "function_call", "call_id": "c1", "name": "shell"}),
        &json!({"type": "function_call", "call_id": "c1", "name": "shell", "arguments": ""}),
        &call("c1", ""),
    );
    check(
        &json!({"type": "custom_tool_call", "id": "ctc_1", "call_id": "c1", "name": "apply_patch", "input": "*** Begin", "status": "completed"}),
        &json!({"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "*** Begin"}),
        &ItemBody::CustomToolCall { call_id: "c1".into(), name: "apply_patch".into(), input: "*** Begin".into() },
    );
    check(
        &json!({"type": "local_shell_call", "id": "ls_1", "status": "completed", "action": {"type": "exec",
            "command": ["ls", "-l"], "timeout_ms": 5, "working_directory": null, "env": {}}}),
        &json!({"type": "local_shell_call", "call_id": "ls_1", "status": "completed", "action": {"type": "exec",
            "command": ["ls", "-l"], "timeout_ms": 5, "env": {}}}),
        &ItemBody::LocalShellCall {
            call_id: "ls_1".into(),
            command: vec!["ls".into(), "-l".into()],
            timeout_ms: Some(5),
            working_directory: None,
        },
    );
}

#[test]
fn other_items_pass() {
    check(
        &json!({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}),
        &json!({"type": "web_search_call", "action": {"type": "search", "query": "q"}}),
        &ItemBody::WebSearchCall { query: "q".into() },
    );
    check(
        &json!({"type": "from_the_future", "id": "x", "n": 1}),
        &json!({"type": "from_the_future", "n": 1}),
        &ItemBody::Other,
    );
}

#[test]
fn what_nobody_could_answer_is_refused() {
    let refused = |text: &str| ResponseItem::from_model(text).unwrap_err().to_string();
    assert_eq!(refused("[]"), "item is not a JSON object");
    assert_eq!(refused("{"), "item is not a JSON object");
    assert_eq!(refused(r#"{"type":"function_call","name":"x"}"#), "function_call has no call_id");
    assert_eq!(refused(r#"{"type":"function_call","call_id":"c"}"#), "function_call has no name");
    assert_eq!(refused(r#"{"type":"local_shell_call","call_id":"c"}"#), "local_shell_call has no command");
    assert_eq!(refused(r#"{"type":"function_call_output"}"#), "function_call_output has no call_id");
}

#[test]
fn what_we_build_is_in_the_normal_form() {
    let call = CallId::from("c1");
    let parts = [
        ContentPart::Text("look: ".into()),
        ContentPart::Image { url: "data:x".into() },
        ContentPart::Text("!".into()),
    ];
    let cases = [
        (
            ResponseItem::user_message(&parts),
            json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "look: "},
                {"type": "input_image", "image_url": "data:x"}, {"type": "input_text", "text": "!"}]}),
        ),
        (
            ResponseItem::message("assistant", "hi"),
            json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}),
        ),
        (
            ResponseItem::message("developer", "hi"),
            json!({"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "hi"}]}),
        ),
        (
            ResponseItem::function_call_output(&call, "\"out\"\n"),
            json!({"type": "function_call_output", "call_id": "c1", "output": "\"out\"\n"}),
        ),
        (
            ResponseItem::custom_tool_call_output(&call, "out"),
            json!({"type": "custom_tool_call_output", "call_id": "c1", "output": "out"}),
        ),
    ];
    for (item, expected) in cases {
        assert_eq!(parsed(&item), expected);
        assert_eq!(ResponseItem::from_model(item.json()), Ok(item));
    }
}

#[test]
fn only_a_silent_assistant_is_blank() {
    let blank = |role: &str, text: &str| ResponseItem::message(role, text).is_blank();
    assert_eq!(
        [blank("assistant", ""), blank("assistant", "\n "), blank("assistant", "a"), blank("user", "")],
        [true, true, false, false]
    );
    assert!(read(&json!({"type": "message", "role": "assistant", "content": []})).is_blank());
    let refusal = json!({"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]});
    assert!(!read(&refusal).is_blank());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        "[a-z\"\\\\\u{20AC}]{0,4}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let name = "type|text|id|x";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_normal_form_is_stable(
        kind in "message|reasoning|function_call|custom_tool_call|local_shell_call|web_search_call|function_call_output",
        members in prop::collection::btree_map("id|status|role|content|summary|encrypted_content|call_id|name|arguments|action|x", any_json(), 0..8),
    ) {
        let mut item = Value::Object(members.into_iter().collect());
        item["type"] = kind.into();
        if let Ok(item) = ResponseItem::from_model(&item.to_string()) {
            prop_assert_eq!(ResponseItem::from_model(item.json()), Ok(item));
        }
    }
}
