//! The answers of real servers come to the outcome that `fixtures/real-streams/README.md` gives them, however the
//! network cuts them.

use llmx_protocol::{
    model::{
        Failure, FailureKind, ItemBody, ModelEvent,
        responses::{DecodeLimits, ResponsesDecoder},
    },
    wire::usage::TokenUsage,
};
use proptest::prelude::*;
use std::{fs, path::PathBuf};

type Outcome = (Vec<ModelEvent>, Result<(), Failure>);

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/real-streams")
}

fn capture(name: &str) -> Vec<u8> {
    let path = folder().join(name).with_added_extension("body");
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every capture, as `folder/name`.
fn captures() -> Vec<String> {
    let mut names = Vec::new();
    for server in ["llama.cpp", "litellm-llama.cpp"] {
        for entry in fs::read_dir(folder().join(server)).into_iter().flatten().flatten() {
            let file = entry.file_name().to_string_lossy().into_owned();
            names.extend(file.strip_suffix(".body").map(|name| format!("{server}/{name}")));
        }
    }
    names.sort();
    names
}

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = ResponsesDecoder::new(DecodeLimits::default());
    let mut events = Vec::new();
    let fed: Result<(), Failure> = chunks.into_iter().try_for_each(|chunk| decoder.feed(chunk, &mut events));
    let result = fed.and_then(|()| decoder.finish(&mut events));
    assert_eq!(decoder.skipped_events(), 0);
    (events, result)
}

fn items(events: &[ModelEvent]) -> Vec<&ItemBody> {
    events
        .iter()
        .filter_map(|event| match event {
            ModelEvent::ItemDone { item, .. } if !item.is_blank() => Some(item.body()),
            _ => None,
        })
        .collect()
}

fn streamed_text(events: &[ModelEvent]) -> String {
    events
        .iter()
        .filter_map(|event| match event {
            ModelEvent::TextDelta { delta, .. } => Some(delta.as_str()),
            _ => None,
        })
        .collect()
}

/// `tokens`: input, cached, output.
fn assert_completed(name: &str, events: &[ModelEvent], tokens: (i64, i64, i64)) {
    let (input_tokens, cached_input_tokens, output_tokens) = tokens;
    let expected = TokenUsage {
        input_tokens,
        cached_input_tokens,
        cache_write_input_tokens: 0,
        output_tokens,
        reasoning_output_tokens: 0,
        total_tokens: input_tokens + output_tokens,
    };
    let (
        Some(ModelEvent::Created { response_id: created }),
        Some(ModelEvent::Completed { response_id, usage, incomplete }),
    ) = (events.first(), events.last())
    else {
        panic!("{name}: {events:?}")
    };
    assert!(created.is_some() && response_id.is_some(), "{name}");
    assert_eq!((*usage, incomplete.as_deref()), (Some(expected), None), "{name}");
}

fn check_message(name: &str, text: &str, tokens: (i64, i64, i64)) {
    let (events, result) = decode([capture(name).as_slice()]);
    assert_eq!(result, Ok(()), "{name}");
    assert_eq!(streamed_text(&events), text, "{name}");
    assert_eq!(items(&events), [&ItemBody::Message { role: "assistant".into(), text: text.into() }], "{name}");
    assert_completed(name, &events, tokens);
}

fn check_call(name: &str, call_id: &str, tokens: (i64, i64, i64)) {
    let (events, result) = decode([capture(name).as_slice()]);
    assert_eq!(result, Ok(()), "{name}");
    let call = ItemBody::FunctionCall {
        call_id: call_id.into(),
        name: "shell".into(),
        arguments: r#"{"command": ["pwd"]}"#.into(),
    };
    assert_eq!(items(&events), [&call], "{name}");
    assert_completed(name, &events, tokens);
}

#[test]
fn a_text_answer_is_one_message_with_usage() {
    let hello = "Hello, I'm here to help with any creative endeavors.";
    check_message("llama.cpp/responses-text", hello, (23, 3, 13));
    check_message("llama.cpp/responses-nonfunction-tool", "Hello! I'm an AI assistant designed", (174, 81, 8));
    let followup = "<tool_response>\n\"a.txt\"\n\"b.txt\"\n</tool_response>";
    check_message("llama.cpp/responses-tool-followup", followup, (265, 200, 24));
    check_message("litellm-llama.cpp/local-openai.responses-text", hello, (23, 3, 13));
    check_message("litellm-llama.cpp/local-chat.responses-text", hello, (23, 22, 13));
    check_message("litellm-llama.cpp/bridge-openai.responses-text", hello, (23, 22, 13));
}

#[test]
fn a_tool_answer_is_one_call_under_whatever_id() {
    check_call("llama.cpp/responses-tool", "call_i1FevGZoZjmt6WS2zUBGntbbKqTFU6DF", (396, 395, 30));
    let proxied = "litellm-llama.cpp/";
    check_call(
        &format!("{proxied}local-openai.responses-tool"),
        "call_0tXwfkIx6jHOX6a1EsOiCxAzWhwiHOU4",
        (396, 395, 30),
    );
    check_call(&format!("{proxied}local-chat.responses-tool"), "call_MG6K1NMPOuwJwODLenZEZcxSFBXKzgZ9", (396, 395, 30));
    check_call(&format!("{proxied}bridge-openai.responses-tool"), "LEekvxNJVeCvdwU0XAf790IPFKplGij6", (396, 395, 30));
}

#[test]
fn a_blank_message_around_a_call_keeps_its_own_slot() {
    let (events, _) = decode([capture("litellm-llama.cpp/bridge-openai.responses-tool").as_slice()]);
    let done: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            ModelEvent::ItemDone { slot, item } => Some((*slot, item.is_blank())),
            _ => None,
        })
        .collect();
    assert_eq!(done, [(1, false), (0, true)]);
}

#[test]
fn refusals_are_classified() {
    let check = |name: &str, status: u16, kind: FailureKind| {
        let failure = Failure::from_http(status, None, None, None, &capture(name), 0);
        assert_eq!(failure.kind, kind, "{name}: {failure}");
    };
    check("llama.cpp/responses-context-overflow", 400, FailureKind::ContextOverflow);
    check("llama.cpp/chat-context-overflow", 400, FailureKind::ContextOverflow);
    check("litellm-llama.cpp/local-openai.responses-context-overflow", 400, FailureKind::ContextOverflow);
    check("llama.cpp/responses-error", 400, FailureKind::BadRequest);
    check("llama.cpp/responses-codex-shaped", 400, FailureKind::BadRequest);
    check("llama.cpp/chat-error", 400, FailureKind::BadRequest);
    check("litellm-llama.cpp/local-openai.responses-error", 500, FailureKind::Server);
}

#[test]
fn no_other_body_is_taken_for_an_answer() {
    let others: Vec<_> = captures()
        .into_iter()
        .filter(|name| {
            name.contains("chat-") || name.contains("error") || name.contains("overflow") || name.contains("codex")
        })
        .filter(|name| !name.contains("local-chat.responses"))
        .collect();
    assert_eq!(others.len(), 14);
    for name in others {
        let (events, result) = decode([capture(&name).as_slice()]);
        assert_eq!((events, result.map_err(|failure| failure.kind)), (vec![], Err(FailureKind::Cut)), "{name}");
    }
}

#[test]
fn every_cut_of_a_capture_gives_the_same_outcome() {
    for name in ["llama.cpp/responses-tool", "litellm-llama.cpp/bridge-openai.responses-tool"] {
        let body = capture(name);
        let whole = decode([body.as_slice()]);
        for cut in 0..body.len() {
            let (head, tail) = body.split_at(cut);
            assert_eq!(decode([head, tail]), whole, "{name} cut at {cut}");
        }
    }
}

#[test]
fn single_bytes_give_the_same_outcome() {
    for name in captures() {
        let body = capture(&name);
        assert_eq!(decode(body.chunks(1)), decode([body.as_slice()]), "{name}");
    }
}

#[test]
fn line_endings_and_comments_do_not_matter() {
    for name in captures() {
        let body = String::from_utf8_lossy(&capture(&name)).into_owned();
        let plain = decode([body.as_bytes()]);
        for variant in [
            body.replace('\n', "\r\n"),
            body.replace('\n', "\r"),
            body.replace("data:", ": keep-alive\nid: 1\ndata:"),
            body.trim_end().to_owned(),
        ] {
            assert_eq!(decode([variant.as_bytes()]), plain, "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damage_never_panics_and_never_completes_twice(
        which in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let names = captures();
        let mut body = capture(&names[which.index(names.len())]);
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let mut decoder = ResponsesDecoder::new(DecodeLimits::default());
        let mut events = Vec::new();
        let result = decoder.feed(&body, &mut events).and_then(|()| decoder.finish(&mut events));
        let completed = events.iter().filter(|event| matches!(event, ModelEvent::Completed { .. })).count();
        prop_assert_eq!(completed, usize::from(result.is_ok()));
        prop_assert!(decoder.is_done());
    }
}
