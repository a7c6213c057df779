//! The Chat answers of real servers come to the outcome that `fixtures/real-streams/README.md` gives them, however the
//! network cuts them.

use llmx_protocol::{
    model::{Failure, FailureKind, ItemBody, ModelEvent, chat::ChatDecoder, responses::DecodeLimits},
    wire::usage::TokenUsage,
};
use proptest::prelude::*;
use std::{fs, path::PathBuf};

type Outcome = (Vec<ModelEvent>, Result<(), Failure>);

const ANSWERS: [&str; 7] = [
    "llama.cpp/chat-text",
    "llama.cpp/chat-text-nostream",
    "llama.cpp/chat-tool",
    "litellm-llama.cpp/local-chat.chat-text",
    "litellm-llama.cpp/local-chat.chat-tool",
    "litellm-llama.cpp/local-openai.chat-text",
    "litellm-llama.cpp/local-openai.chat-tool",
];
const REFUSALS: [&str; 2] = ["llama.cpp/chat-context-overflow", "llama.cpp/chat-error"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/real-streams")
}

fn capture(name: &str) -> Vec<u8> {
    let path = folder().join(name).with_added_extension("body");
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = ChatDecoder::new(DecodeLimits::default());
    let mut events = Vec::new();
    let fed: Result<(), Failure> = chunks.into_iter().try_for_each(|chunk| decoder.feed(chunk, &mut events));
    let result = fed.and_then(|()| decoder.finish(&mut events));
    (events, result)
}

fn skipped_events(body: &[u8]) -> u64 {
    let mut decoder = ChatDecoder::new(DecodeLimits::default());
    let read = decoder.feed(body, &mut Vec::new());
    read.map_or(u64::MAX, |()| decoder.skipped_events())
}

fn check(name: &str, item: &ItemBody, [input_tokens, cached_input_tokens, output_tokens]: [i64; 3]) {
    let (events, result) = decode([capture(name).as_slice()]);
    assert_eq!((result, skipped_events(&capture(name))), (Ok(()), 0), "{name}");
    let items: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            ModelEvent::ItemDone { item, .. } => Some(item.body()),
            _ => None,
        })
        .collect();
    assert_eq!(items, [item], "{name}");
    let usage = TokenUsage {
        input_tokens,
        cached_input_tokens,
        cache_write_input_tokens: 0,
        output_tokens,
        reasoning_output_tokens: 0,
        total_tokens: input_tokens + output_tokens,
    };
    let completed = ModelEvent::Completed { response_id: None, usage: Some(usage), incomplete: None };
    assert_eq!(events.last(), Some(&completed), "{name}");
}

fn check_message(name: &str, text: &str, tokens: [i64; 3]) {
    check(name, &ItemBody::Message { role: "assistant".into(), text: text.into() }, tokens);
    let (events, _) = decode([capture(name).as_slice()]);
    let streamed: String = events
        .iter()
        .filter_map(|event| match event {
            ModelEvent::TextDelta { delta, .. } => Some(delta.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(streamed, text, "{name}");
}

fn check_call(name: &str, call_id: &str) {
    let arguments = r#"{"command": ["pwd"]}"#.into();
    check(name, &ItemBody::FunctionCall { call_id: call_id.into(), name: "shell".into(), arguments }, [396, 395, 30]);
}

#[test]
fn every_chat_capture_is_named_here() {
    let mut found = Vec::new();
    for server in ["llama.cpp", "litellm-llama.cpp"] {
        for entry in fs::read_dir(folder().join(server)).unwrap() {
            let file = entry.unwrap().file_name().to_string_lossy().into_owned();
            let is_chat = file.starts_with("chat-") || file.contains(".chat-");
            found.extend(file.strip_suffix(".body").filter(|_| is_chat).map(|name| format!("{server}/{name}")));
        }
    }
    let mut named: Vec<_> = ANSWERS.iter().chain(&REFUSALS).map(ToString::to_string).collect();
    found.sort();
    named.sort();
    assert_eq!(found, named);
}

#[test]
fn a_text_answer_is_one_message_with_usage() {
    check_message("llama.cpp/chat-text", "I'm glad you're here!", [38, 0, 8]);
    check_message("llama.cpp/chat-text-nostream", "I'm glad you're here!", [38, 37, 8]);
    let litellm = "I'm glad you're here! I'm glad to have you as a creative AI.";
    check_message("litellm-llama.cpp/local-chat.chat-text", litellm, [38, 37, 19]);
    check_message("litellm-llama.cpp/local-openai.chat-text", litellm, [38, 26, 19]);
}

#[test]
fn a_tool_answer_is_one_call_under_whatever_id() {
    check_call("llama.cpp/chat-tool", "K1xQPo1VJ7BU1LRrU3wmreJt0qDLsP2N");
    check_call("litellm-llama.cpp/local-chat.chat-tool", "TeoYjQQ1ms1Jon1pcz7yUby5cBp8w68n");
    check_call("litellm-llama.cpp/local-openai.chat-tool", "9RJsSzZDOkyDmdl68cvp74HDCJcRrFgS");
}

#[test]
fn refusals_are_failures_even_where_an_answer_was_expected() {
    for (name, kind) in REFUSALS.into_iter().zip([FailureKind::ContextOverflow, FailureKind::BadRequest]) {
        let (events, result) = decode([capture(name).as_slice()]);
        assert_eq!((events, result.map_err(|failure| failure.kind)), (vec![], Err(kind)), "{name}");
    }
}

#[test]
fn every_cut_of_a_capture_gives_the_same_outcome() {
    for name in ["llama.cpp/chat-tool", "llama.cpp/chat-text-nostream"] {
        let body = capture(name);
        let whole = decode([body.as_slice()]);
        for cut in 0..body.len() {
            let (head, tail) = body.split_at(cut);
            assert_eq!(decode([head, tail]), whole, "{name} cut at {cut}");
        }
    }
}

#[test]
fn a_body_that_ends_early_is_cut_until_the_reason_to_stop_was_heard() {
    let body = capture("llama.cpp/chat-tool");
    let text = String::from_utf8_lossy(&body);
    let finish = text.find(r#""finish_reason":"tool_calls""#).unwrap();
    let heard = finish + text[finish..].find("\n").unwrap();
    for end in (0..body.len()).filter(|end| end % 7 == 0 || end.abs_diff(heard) < 3) {
        let (events, result) = decode([&body[..end]]);
        // The last line end may be missing, not more.
        let is_whole = end >= heard;
        assert_eq!(result.is_ok(), is_whole, "{end} of {}: {result:?}", body.len());
        assert_eq!(events.iter().any(|event| matches!(event, ModelEvent::ItemDone { .. })), is_whole, "{end}");
    }
}

#[test]
fn single_bytes_line_endings_and_comments_do_not_matter() {
    for name in ANSWERS {
        let body = String::from_utf8(capture(name)).unwrap();
        let plain = decode([body.as_bytes()]);
        assert_eq!(decode(body.as_bytes().chunks(1)), plain, "{name}");
        for variant in [
            body.replace('\n', "\r\n"),
            body.replace('\n', "\r"),
            body.replace("data:", ": keep-alive\nid: 1\ndata:"),
            body.trim_end().to_owned(),
            format!("\n\n{body}"),
            body.replace("data: [DONE]\n", ""),
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
        let mut body = capture(ANSWERS[which.index(ANSWERS.len())]);
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let mut decoder = ChatDecoder::new(DecodeLimits::default());
        let mut events = Vec::new();
        let result = decoder.feed(&body, &mut events).and_then(|()| decoder.finish(&mut events));
        let completed = events.iter().filter(|event| matches!(event, ModelEvent::Completed { .. })).count();
        prop_assert_eq!(completed, usize::from(result.is_ok()));
        prop_assert!(decoder.is_done());
    }
}
