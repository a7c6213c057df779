use super::*;
use crate::model::{FailureKind, ItemBody};
use proptest::prelude::*;
use serde_json::json;

const LIMITS: DecodeLimits = DecodeLimits { max_event_bytes: 4096, max_items: 8 };

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<ModelEvent>, Result<(), Failure>, u64) {
    let mut decoder = ChatDecoder::new(LIMITS);
    let mut out = Vec::new();
    let fed: Result<(), Failure> = chunks.into_iter().try_for_each(|chunk| decoder.feed(chunk, &mut out));
    let result = fed.and_then(|()| decoder.finish(&mut out));
    assert!(decoder.is_done());
    (out, result, decoder.skipped_events())
}

fn stream(chunks: &[impl AsRef<str>]) -> String {
    chunks.iter().map(|data| format!("data: {}\n\n", data.as_ref())).collect()
}

/// One word an event: `+0:Message`, `0"text"`, `0*thought`, `=0:what it is`, `created`, `completed:why`.
fn shown(event: &ModelEvent) -> String {
    match event {
        ModelEvent::Created { response_id: None } => "created".to_owned(),
        ModelEvent::ItemStarted { slot, kind } => format!("+{slot}:{kind:?}"),
        ModelEvent::TextDelta { slot, delta } => format!("{slot}{delta:?}"),
        ModelEvent::ReasoningTextDelta { slot, delta } => format!("{slot}*{delta}"),
        ModelEvent::ItemDone { slot, item } => format!("={slot}:{}", body(item.body())),
        ModelEvent::Completed { response_id: None, incomplete, .. } => {
            format!("completed:{}", incomplete.as_deref().unwrap_or("-"))
        }
        other => panic!("not in Chat: {other:?}"),
    }
}

fn body(body: &ItemBody) -> String {
    match body {
        ItemBody::Message { role, text } => format!("{role}:{text}"),
        ItemBody::Reasoning { summary, raw } => format!("{summary:?}{raw:?}"),
        ItemBody::FunctionCall { call_id, name, arguments } => format!("{call_id}:{name}({arguments})"),
        other => panic!("not in Chat: {other:?}"),
    }
}

fn check(chunks: &[&str], expected: &str) {
    let (out, result, skipped) = decode([stream(chunks).as_bytes()]);
    let words: Vec<_> = out.iter().map(shown).collect();
    assert_eq!((words.join(" ").as_str(), result, skipped), (expected, Ok(()), 0));
}

fn check_failure(chunks: &[&str], kind: FailureKind, text: &str) {
    let (out, result, _) = decode([stream(chunks).as_bytes()]);
    let failure = result.unwrap_err();
    assert_eq!((failure.kind, failure.to_string().as_str()), (kind, text));
    assert!(!out.iter().any(|event| matches!(event, ModelEvent::ItemDone { .. } | ModelEvent::Completed { .. })));
}

/// A chunk with this delta.
fn delta(delta: &str) -> String {
    format!(r#"{{"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{{"index":0,"delta":{delta}}}]}}"#)
}

/// What the calls come to that these `tool_calls` arrays tell, a chunk each.
fn check_calls(fragments: &[&str], expected: &[&str]) {
    let mut chunks: Vec<_> = fragments.iter().map(|calls| delta(&format!(r#"{{"tool_calls":{calls}}}"#))).collect();
    chunks.push(FINISHED.to_owned());
    let (out, result, _) = decode([stream(&chunks).as_bytes()]);
    assert_eq!(result, Ok(()), "{fragments:?}");
    assert_eq!(calls(&out), expected, "{fragments:?}");
}

fn calls(out: &[ModelEvent]) -> Vec<String> {
    out.iter()
        .filter_map(|event| match event {
            ModelEvent::ItemDone { item, .. } => Some(body(item.body())),
            _ => None,
        })
        .collect()
}

const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const FINISHED: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#;

#[test]
fn thoughts_text_and_calls_come_together() {
    check(
        &[
            &delta(r#"{"role":"assistant","content":null}"#),
            &delta(r#"{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]}"#),
            &delta(r#"{"reasoning_content":"hm","reasoning":"hm","content":"say \"hi\""}"#),
            &delta(
                r#"{"content":"!","tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}],"refusal":null}"#,
            ),
            &delta(r#"{"reasoning":{"text":"..."},"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}"#),
            STOP,
            "[DONE]",
        ],
        concat!(
            r#"created +0:FunctionCall +1:Reasoning 1*hm +2:Message 2"say \"hi\"" 2"!" +3:FunctionCall 1*... "#,
            r#"=1:[]["hm..."] =2:assistant:say "hi"! =3:a:f({}) =0:b:g({}) completed:-"#
        ),
    );
}

#[test]
fn the_name_of_thoughts_is_known() {
    let check = |deltas: &[&str], expected: Option<&str>| {
        let mut chunks: Vec<_> = deltas.iter().map(|text| delta(text)).collect();
        chunks.push(STOP.to_owned());
        let (out, ..) = decode([stream(&chunks).as_bytes()]);
        let names: Vec<_> = out
            .iter()
            .filter_map(|event| match event {
                ModelEvent::ItemDone { item, .. } => Some(item.thoughts_name()),
                _ => None,
            })
            .collect();
        assert_eq!(names, [expected], "{deltas:?}");
    };
    check(&[r#"{"reasoning":"a"}"#, r#"{"reasoning":"b"}"#], Some("reasoning"));
    check(&[r#"{"reasoning":"","reasoning_content":null}"#, r#"{"reasoning_content":"a"}"#], Some("reasoning_content"));
    check(&[r#"{"reasoning":"a","reasoning_content":"a"}"#, r#"{"reasoning_content":"b"}"#], None);
}

#[test]
fn blanks_before_a_call_are_no_message() {
    check(
        &[
            &delta(r#"{"content":"\n"}"#),
            &delta(r#"{"content":"\n","reasoning_content":" "}"#),
            &delta(r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}"#),
            FINISHED,
        ],
        "created +0:FunctionCall =0:a:f({}) completed:-",
    );
    check(
        &[&delta(r#"{"content":"\n"}"#), &delta(r#"{"content":"a"}"#), STOP],
        r#"created +0:Message 0"\na" =0:assistant:
a completed:-"#,
    );
}

#[test]
fn text_is_found_where_servers_put_it() {
    let answer = r#"created +0:Message 0"hi" =0:assistant:hi completed:-"#;
    check(&[&delta(r#"{"content":[{"type":"text","text":"hi"}]}"#), STOP], answer);
    check(&[&delta(r#"{"refusal":"hi"}"#), STOP], answer);
    check(&[r#"{"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}]}"#], answer);
    check(&[r#"{"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}"#], answer);
    let second = r#"{"choices":[{"index":1,"delta":{"content":"other"},"finish_reason":"length"}]}"#;
    check(&[&delta(r#"{"content":"hi"}"#), second, STOP], answer);
}

#[test]
fn a_message_at_the_end_adds_only_what_the_deltas_left_out() {
    let message = r#"{"choices":[{"index":0,"message":{"content":"hi","reasoning":"hm","tool_calls":[
        {"id":"a","function":{"name":"f","arguments":{"x":1}}},{"id":"b","function":{"name":"f","arguments":"{}"}}]},
        "finish_reason":"tool_calls"}]}"#
        .replace('\n', "");
    check(
        &[&delta(r#"{"content":"hi"}"#), &message, "[DONE]"],
        concat!(
            r#"created +0:Message 0"hi" +1:Reasoning 1*hm +2:FunctionCall +3:FunctionCall "#,
            r#"=1:[]["hm"] =0:assistant:hi =2:a:f({"x":1}) =3:b:f({}) completed:-"#
        ),
    );
}

#[test]
fn a_body_that_is_no_stream_is_an_answer_too() {
    let whole = r#" {"choices":[{"finish_reason":"length","message":{"role":"assistant","content":"hi"}}],
        "usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    for size in [1, 7, whole.len()] {
        let (out, result, _) = decode(whole.as_bytes().chunks(size));
        let words: Vec<_> = out.iter().map(shown).collect();
        assert_eq!(words.join(" "), r#"created +0:Message 0"hi" =0:assistant:hi completed:length"#);
        assert_eq!(result, Ok(()));
    }
    let (_, result, _) = decode([br#"{"error":{"message":"no","type":"invalid_request_error"}}"#.as_slice()]);
    assert_eq!(result.map_err(|failure| failure.kind), Err(FailureKind::BadRequest));
    let (_, result, _) = decode([&whole.as_bytes()[..whole.len() - 1]]);
    assert_eq!(result.map_err(|failure| failure.kind), Err(FailureKind::Cut));
}

#[test]
fn the_reason_to_stop_says_whether_it_is_all() {
    let check = |reason: &str, expected: Option<&str>| {
        let chunk = format!(r#"{{"choices":[{{"delta":{{"content":"a"}},"finish_reason":"{reason}"}}]}}"#);
        let (out, result, _) = decode([stream(&[&chunk, &chunk, "[DONE]"]).as_bytes()]);
        assert_eq!(result, Ok(()));
        let Some(ModelEvent::Completed { incomplete, .. }) = out.last() else { panic!("{out:?}") };
        assert_eq!(incomplete.as_deref(), expected, "{reason}");
    };
    for reason in ["stop", "tool_calls", "function_call", "eos", "STOP", ""] {
        check(reason, None);
    }
    for reason in ["length", "content_filter", "max_tokens", "model_length"] {
        check(reason, Some(reason));
    }
    check_failure(
        &[r#"{"choices":[{"delta":{},"finish_reason":"error"}]}"#],
        FailureKind::Server,
        "stream disconnected before completion: the answer ended with an error",
    );
}

#[test]
fn usage_counts_whenever_it_comes() {
    let check = |chunks: &[&str], expected: Option<i64>| {
        let (out, result, _) = decode([stream(chunks).as_bytes()]);
        let Some(ModelEvent::Completed { usage, .. }) = out.last() else { panic!("{out:?} {result:?}") };
        assert_eq!(usage.map(|usage| usage.total_tokens), expected, "{chunks:?}");
    };
    let after = r#"{"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":1}}"#;
    let null = r#"{"choices":[{"delta":{"content":"a"}}],"usage":null}"#;
    let running = r#"{"choices":[{"delta":{"content":"a"}}],"usage":{"total_tokens":1}}"#;
    check(&[null, STOP, after, "[DONE]"], Some(3));
    check(&[null, STOP, after], Some(3));
    check(&[running, STOP, after, null], Some(3));
    check(&[running, STOP], Some(1));
    check(&[running, STOP, r#"{"choices":[],"usage":{}}"#], Some(1));
    check(&[after, STOP, "[DONE]", after], Some(3));
    check(&[STOP], None);
}

#[test]
fn a_cut_stream_is_a_cut_stream() {
    let cut = "stream disconnected before completion: ";
    let text = delta(r#"{"content":"a"}"#);
    check_failure(&[&text], FailureKind::Cut, &format!("{cut}stream closed before finish_reason"));
    check_failure(&[], FailureKind::Cut, &format!("{cut}stream closed before finish_reason"));
    check_failure(&["[DONE]"], FailureKind::Cut, &format!("{cut}the stream held no answer"));
    check(&[&text, "[DONE]", &text], r#"created +0:Message 0"a" =0:assistant:a completed:-"#);
    check(&[STOP, "[DONE]"], "created completed:-");
}

#[test]
fn an_answer_lacks_only_its_end_from_the_reason_to_stop_on() {
    let lacks = |chunks: &[&str]| {
        let mut decoder = ChatDecoder::new(LIMITS);
        decoder.feed(stream(chunks).as_bytes(), &mut Vec::new()).unwrap();
        decoder.lacks_only_its_end()
    };
    let text = delta(r#"{"content":"a"}"#);
    assert!(!lacks(&[]) && !lacks(&[&text]));
    assert!(lacks(&[&text, STOP]));
    assert!(!lacks(&[&text, STOP, "[DONE]"]), "that was the end");
}

#[test]
fn errors_in_the_stream_end_it() {
    let text = delta(r#"{"content":"a"}"#);
    let cut = "stream disconnected before completion: oops";
    check_failure(&[&text, r#"{"error":{"message":"oops","code":502}}"#, STOP], FailureKind::Server, cut);
    check_failure(&[r#"{"error":"oops"}"#], FailureKind::Server, cut);
    check_failure(&[r#"{"object":"error","message":"oops","type":"x","code":500}"#], FailureKind::Server, cut);
    check_failure(
        &[
            r#"{"error":{"code":400,"message":"bad","type":"invalid_request_error"},"choices":[{"finish_reason":"error"}]}"#,
        ],
        FailureKind::BadRequest,
        "bad",
    );
    let named = format!("event: error\ndata: {{\"message\":\"oops\"}}\n\n{}", stream(&[STOP]));
    assert_eq!(decode([named.as_bytes()]).1.unwrap_err().to_string(), cut);
    check(&[&text, STOP, r#"{"error":{"message":"late"}}"#], r#"created +0:Message 0"a" =0:assistant:a completed:-"#);
}

#[test]
fn calls_by_the_book_are_told_apart_by_index() {
    check_calls(
        &[
            r#"[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}},{"index":1,"id":"b","function":{"name":"g","arguments":"{\""}}]"#,
            r#"[{"index":1,"function":{"arguments":"x\":"}},{"index":0,"function":{"arguments":"{}"}}]"#,
            r#"[{"index":1,"function":{"arguments":"1}"}}]"#,
        ],
        &["a:f({})", r#"b:g({"x":1})"#],
    );
    check_calls(
        &[
            r#"[{"index":0}]"#,
            r#"[{"index":0,"id":"a"}]"#,
            r#"[{"index":0,"function":{"name":"sh"}}]"#,
            r#"[{"index":0,"function":{"name":"ell","arguments":null}}]"#,
            r#"[{"index":"0","function":{"arguments":"{}"}}]"#,
        ],
        &["a:shell({})"],
    );
}

#[test]
fn calls_of_servers_that_do_not_go_by_the_book() {
    let one_index = [
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]"#,
        r#"[{"index":0,"id":"b","function":{"name":"f","arguments":"{"}}]"#,
        r#"[{"index":0,"function":{"arguments":"}"}}]"#,
    ];
    check_calls(&one_index, &["a:f({})", "b:f({})"]);
    let no_index = one_index.map(|calls| calls.replace(r#""index":0,"#, ""));
    check_calls(&no_index.each_ref().map(String::as_str), &["a:f({})", "b:f({})"]);
    let by_id = [
        r#"[{"id":"a","function":{"name":"f","arguments":"{"}},{"id":"b","function":{"name":"f","arguments":"{"}}]"#,
        r#"[{"id":"a","function":{"arguments":"}"}},{"id":"b","function":{"arguments":"}"}}]"#,
    ];
    check_calls(&by_id, &["a:f({})", "b:f({})"]);
    let no_names_at_all =
        [r#"[{"function":{"name":"f","arguments":"{}"}},{"function":{"name":"f","arguments":"{}"}}]"#];
    check_calls(&no_names_at_all, &["call_0_chatcmpl-1:f({})", "call_1_chatcmpl-1:f({})"]);
    let names_alone = [
        r#"[{"function":{"name":"f","arguments":"{}"}}]"#,
        r#"[{"function":{"name":"g","arguments":""}}]"#,
        r#"[{"function":{"arguments":"{}"}}]"#,
    ];
    check_calls(&names_alone, &["call_0_chatcmpl-1:f({})", "call_1_chatcmpl-1:g({})"]);
    let new_id_each_time = [
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]"#,
        r#"[{"index":0,"id":"b","function":{"name":null,"arguments":"}"}}]"#,
    ];
    check_calls(&new_id_each_time, &["a:f({})"]);
    let all_repeated = [
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]"#,
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"}"}}]"#,
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]"#,
    ];
    check_calls(&all_repeated, &["a:f({})"]);
    let late_index =
        [r#"[{"id":"a","function":{"name":"f","arguments":"{"}}]"#, r#"[{"index":0,"function":{"arguments":"}"}}]"#];
    check_calls(&late_index, &["a:f({})"]);
    let empty_ids = [
        r#"[{"index":0,"id":"","function":{"name":"f","arguments":"{}"}}]"#,
        r#"[{"index":1,"id":"","function":{"name":"f","arguments":"{}"}}]"#,
    ];
    check_calls(&empty_ids, &["call_0_chatcmpl-1:f({})", "call_1_chatcmpl-1:f({})"]);
    let an_object = [r#"[{"index":0,"id":"a","function":{"name":"f","arguments":{"x":[1.0]}}}]"#];
    check_calls(&an_object, &[r#"a:f({"x":[1.0]})"#]);
}

#[test]
fn the_one_call_of_old_is_a_call() {
    let fragment = |call: &str| delta(&format!(r#"{{"function_call":{call}}}"#));
    check(
        &[&fragment(r#"{"name":"f","arguments":""}"#), &fragment(r#"{"arguments":"{}"}"#), FINISHED],
        "created +0:FunctionCall =0:call_0_chatcmpl-1:f({}) completed:-",
    );
}

#[test]
fn a_call_without_a_name_cannot_be_used() {
    let nameless = delta(r#"{"tool_calls":[{"index":0,"id":"a","function":{"arguments":"{"}}]}"#);
    check_failure(
        &[&nameless, FINISHED],
        FailureKind::Garbage,
        "stream disconnected before completion: model sent an unusable item: function_call has no name",
    );
    let cut = FINISHED.replace("tool_calls", "length");
    check(&[&nameless, &cut], "created +0:FunctionCall completed:length");
    check(&[&delta(r#"{"tool_calls":[{"index":0}]}"#), STOP], "created +0:FunctionCall completed:-");
}

#[test]
fn limits_are_final_failures() {
    let text = |len: usize| delta(&format!(r#"{{"content":"{}"}}"#, "x".repeat(len)));
    check_failure(&[&text(4096)], FailureKind::TooLarge, "server-sent event is larger than 4096 bytes");
    check_failure(&[&text(3000), &text(3000), STOP], FailureKind::TooLarge, "response is larger than 4096 bytes");
    let call = r#"{"function":{"name":"f","arguments":"{}"}}"#;
    let calls = delta(&format!(r#"{{"tool_calls":[{}]}}"#, [call; 9].join(",")));
    check_failure(&[&calls], FailureKind::TooLarge, "response has too many items");
    let whole = format!("{{{}", " ".repeat(4096));
    assert_eq!(decode([whole.as_bytes()]).1.unwrap_err().kind, FailureKind::TooLarge);
}

#[test]
fn what_cannot_be_read_is_skipped_and_counted() {
    let events = ["nonsense", "[]", "5", r#"{"choices":7}"#, "{}", "", r#"{"choices":null}"#, STOP];
    let (out, result, skipped) = decode([stream(&events).as_bytes()]);
    assert_eq!((out.len(), result, skipped), (2, Ok(()), 6));
}

#[test]
fn an_event_that_is_broken_off_ends_the_stream() {
    check_failure(
        &[r#"{"choices":[{"delta"#, STOP],
        FailureKind::Garbage,
        "stream disconnected before completion: an event of the stream is broken JSON",
    );
}

/// Calls cut into fragments at any place, the fragments of different calls in any order among each other.
fn any_fragments() -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
    let call = ("[a-z]{1,5}", "\\PC{0,12}", prop::collection::vec(any::<prop::sample::Index>(), 0..5));
    (prop::collection::vec(call, 1..5), any::<u64>(), 1_usize..4).prop_map(|(calls, seed, batch)| {
        let mut whole = Vec::new();
        let mut queues = Vec::new();
        for (index, (name, text, cuts)) in calls.into_iter().enumerate() {
            let arguments = json!({"text": text}).to_string();
            whole.push(format!("id{index}:{name}({arguments})"));
            let mut queue = vec![json!({"index": index, "id": format!("id{index}"), "type": "function",
                "function": {"name": name, "arguments": ""}})];
            let pieces = cut(&arguments, cuts);
            queue.extend(pieces.into_iter().map(|piece| json!({"index": index, "function": {"arguments": piece}})));
            queue.reverse();
            queues.push(queue);
        }
        let mut seed = seed;
        let mut fragments = Vec::new();
        while !queues.is_empty() {
            let at = (seed % queues.len() as u64) as usize;
            seed = seed.rotate_left(7).wrapping_mul(31).wrapping_add(1);
            fragments.extend(queues[at].pop());
            queues.retain(|queue| !queue.is_empty());
        }
        let chunks = fragments.chunks(batch).map(|calls| delta(&json!({"tool_calls": calls}).to_string())).collect();
        (chunks, whole)
    })
}

fn cut(text: &str, cuts: Vec<prop::sample::Index>) -> Vec<&str> {
    let places: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
    let mut cuts: Vec<_> = cuts.into_iter().map(|cut| places[cut.index(places.len())]).collect();
    cuts.extend([0, text.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|ends| &text[ends[0]..ends[1]]).collect()
}

/// Chunks of all kinds in any order.
fn any_chunk() -> impl Strategy<Value = String> {
    let index = prop::sample::select(vec!["", r#""index":0,"#, r#""index":1,"#, r#""index":null,"#]);
    let id = prop::sample::select(vec!["", r#""id":"a","#, r#""id":"b","#, r#""id":"","#]);
    let name = prop::sample::select(vec!["", r#""name":"f","#, r#""name":"g","#]);
    let arguments = prop::sample::select(vec!["null", r#""""#, r#""{}""#, r#""{""#, r#""}""#, "{}"]);
    (index, id, name, arguments, 0..9).prop_map(|(index, id, name, arguments, kind)| match kind {
        0 => delta(r#"{"content":"é"}"#),
        1 => delta(r#"{"reasoning":"é","content":" "}"#),
        2 => STOP.to_owned(),
        3 => r#"{"choices":[],"usage":{}}"#.to_owned(),
        4 => r#"{"choices":[{"message":{"content":"m","tool_calls":[{"function":{"name":"f"}}]}}]}"#.to_owned(),
        5 => "garbage".to_owned(),
        _ => delta(&format!(r#"{{"tool_calls":[{{{index}{id}"function":{{{name}"arguments":{arguments}}}}}]}}"#)),
    })
}

proptest! {
    #[test]
    fn any_split_gives_the_same_calls((chunks, whole) in any_fragments()) {
        let mut chunks = chunks;
        chunks.push(FINISHED.to_owned());
        let (out, result, skipped) = decode([stream(&chunks).as_bytes()]);
        prop_assert_eq!((result, skipped), (Ok(()), 0));
        prop_assert_eq!(calls(&out), whole);
    }

    #[test]
    fn every_item_starts_once_ends_once_and_only_then(chunks in prop::collection::vec(any_chunk(), 0..20)) {
        let (out, result, _) = decode([stream(&chunks).as_bytes()]);
        let mut open = Vec::new();
        for (at, event) in out.iter().enumerate() {
            match event {
                ModelEvent::Created { .. } => prop_assert_eq!(at, 0),
                ModelEvent::ItemStarted { slot, .. } => {
                    prop_assert_eq!(*slot as usize, open.len(), "slots are counted up");
                    open.push(true);
                }
                ModelEvent::TextDelta { slot, delta } | ModelEvent::ReasoningTextDelta { slot, delta } => {
                    prop_assert!(open[*slot as usize] && !delta.is_empty());
                }
                ModelEvent::ItemDone { slot, .. } => prop_assert!(std::mem::take(&mut open[*slot as usize])),
                ModelEvent::Completed { .. } => {
                    prop_assert_eq!(at, out.len() - 1, "nothing follows the end");
                    prop_assert!(result.is_ok());
                }
                other => prop_assert!(false, "not in Chat: {other:?}"),
            }
        }
        prop_assert_eq!(matches!(out.last(), Some(ModelEvent::Completed { .. })), result.is_ok());
    }

    #[test]
    fn network_chunks_do_not_matter(chunks in prop::collection::vec(any_chunk(), 0..12), size in 1_usize..50) {
        let body = stream(&chunks);
        prop_assert_eq!(decode(body.as_bytes().chunks(size)), decode([body.as_bytes()]));
    }

    #[test]
    fn garbage_never_panics(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..10)) {
        let (out, result, _) = decode(chunks.iter().map(Vec::as_slice));
        prop_assert!(out.is_empty() && result.is_err());
    }

    #[test]
    fn any_json_of_the_right_names_never_panics(
        members in prop::collection::vec(
            (
                "id|object|choices|usage|error",
                r#"null|0|-1|1e9|"x"|\[\]|\{\}|\[\{"index":"x","delta":\{"content":\{\},"tool_calls":\[\{"index":-1,"id":5,"function":\{"name":\[\],"arguments":7\}\}\]\},"finish_reason":\{"text":"stop"\}\}\]"#,
            ),
            0..4,
        ),
    ) {
        let members: Vec<_> = members.iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
        let (out, ..) = decode([stream(&[format!("{{{}}}", members.join(","))]).as_bytes()]);
        prop_assert!(out.len() <= 4);
    }

    #[test]
    fn what_is_collected_is_bounded(sizes in prop::collection::vec(1_usize..3000, 1..8)) {
        let chunks: Vec<_> = sizes.iter().map(|len| delta(&format!(r#"{{"content":"{}"}}"#, "x".repeat(*len)))).collect();
        let (out, result, _) = decode([stream(&chunks).as_bytes()]);
        let collected: usize = out.iter().map(|event| match event {
            ModelEvent::TextDelta { delta, .. } => delta.len(),
            _ => 0,
        }).sum();
        prop_assert!(collected <= LIMITS.max_event_bytes);
        let is_too_large = result.is_err_and(|failure| failure.kind == FailureKind::TooLarge);
        prop_assert_eq!(is_too_large, sizes.iter().sum::<usize>() > LIMITS.max_event_bytes);
    }
}
