use super::*;
use crate::{ids::ResponseId, model::ItemBody, wire::usage::TokenUsage};
use proptest::prelude::*;

const LIMITS: DecodeLimits = DecodeLimits { max_event_bytes: 4096, max_items: 8 };

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<ModelEvent>, Result<(), Failure>, u64) {
    let mut decoder = ResponsesDecoder::new(LIMITS);
    let mut out = Vec::new();
    let fed: Result<(), Failure> = chunks.into_iter().try_for_each(|chunk| decoder.feed(chunk, &mut out));
    let result = fed.and_then(|()| decoder.finish(&mut out));
    assert!(decoder.is_done());
    (out, result, decoder.skipped_events())
}

fn stream(events: &[&str]) -> String {
    events.iter().map(|data| format!("data: {data}\n\n")).collect()
}

/// One word an event: `+0:Message`, `0"text"`, `0~summary`, `0|`, `0*raw`, `=0`, `created:id`, `completed:id:why`.
fn shown(event: &ModelEvent) -> String {
    let id = |id: &Option<ResponseId>| id.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    match event {
        ModelEvent::Notice(_) | ModelEvent::RateLimits(_) => "notice".to_owned(),
        ModelEvent::Created { response_id } => format!("created:{}", id(response_id)),
        ModelEvent::ItemStarted { slot, kind } => format!("+{slot}:{kind:?}"),
        ModelEvent::TextDelta { slot, delta } => format!("{slot}{delta:?}"),
        ModelEvent::ReasoningSummaryDelta { slot, delta } => format!("{slot}~{delta}"),
        ModelEvent::ReasoningSectionBreak { slot } => format!("{slot}|"),
        ModelEvent::ReasoningTextDelta { slot, delta } => format!("{slot}*{delta}"),
        ModelEvent::ItemDone { slot, .. } => format!("={slot}"),
        ModelEvent::Completed { response_id, incomplete, .. } => {
            format!("completed:{}:{}", id(response_id), incomplete.as_deref().unwrap_or("-"))
        }
    }
}

fn check(events: &[&str], expected: &str) {
    let (out, result, skipped) = decode([stream(events).as_bytes()]);
    let words: Vec<_> = out.iter().map(shown).collect();
    assert_eq!((words.join(" ").as_str(), result, skipped), (expected, Ok(()), 0));
}

fn check_failure(events: &[&str], kind: FailureKind, text: &str) {
    let (_, result, _) = decode([stream(events).as_bytes()]);
    let failure = result.unwrap_err();
    assert_eq!((failure.kind, failure.to_string().as_str()), (kind, text));
}

const COMPLETED: &str = r#"{"type":"response.completed","response":{"id":"r"}}"#;

#[test]
fn a_response_is_told_step_by_step() {
    check(
        &[
            r#"{"type":"response.created","response":{"id":"r","error":null}}"#,
            r#"{"type":"response.in_progress","response":{"id":"r"}}"#,
            r#"{"type":"response.output_item.added","output_index":0,"item":{"id":"rs","type":"reasoning","summary":[]}}"#,
            r#"{"type":"response.reasoning_summary_part.added","item_id":"rs","output_index":0,"summary_index":0}"#,
            r#"{"type":"response.reasoning_summary_text.delta","item_id":"rs","output_index":0,"delta":"short"}"#,
            r#"{"type":"response.reasoning_text.delta","item_id":"rs","output_index":0,"delta":"long"}"#,
            r#"{"type":"response.output_item.done","output_index":0,"item":{"id":"rs","type":"reasoning","summary":[]}}"#,
            r#"{"type":"response.output_item.added","output_index":1,"item":{"id":"m","type":"message"}}"#,
            r#"{"type":"response.output_text.delta","item_id":"m","output_index":1,"delta":"say \"hi\"","logprobs":[]}"#,
            r#"{"type":"response.output_text.delta","item_id":"m","output_index":1,"delta":""}"#,
            r#"{"type":"response.output_item.done","output_index":1,"item":{"id":"m","type":"message","content":[]}}"#,
            COMPLETED,
            "[DONE]",
        ],
        r#"created:r +0:Reasoning 0| 0~short 0*long =0 +1:Message 1"say \"hi\"" =1 completed:r:-"#,
    );
}

#[test]
fn what_is_not_announced_begins_by_itself() {
    check(
        &[
            r#"{"type":"response.reasoning_text.delta","delta":"a"}"#,
            r#"{"type":"response.output_text.delta","delta":"b"}"#,
            r#"{"type":"response.output_text.delta","delta":"c"}"#,
            r#"{"type":"response.output_item.done","item":{"id":"rs","type":"reasoning"}}"#,
            r#"{"type":"response.output_item.done","item":{"id":"m","type":"message","content":[]}}"#,
            r#"{"type":"response.output_item.done","item":{"type":"function_call","call_id":"c","name":"n"}}"#,
            r#"{"type":"response.output_item.done","item":{"type":"function_call","call_id":"d","name":"n"}}"#,
            COMPLETED,
        ],
        r#"+0:Reasoning 0*a +1:Message 1"b" 1"c" =0 =1 +2:FunctionCall =2 +3:FunctionCall =3 completed:r:-"#,
    );
}

#[test]
fn late_and_repeated_events_change_nothing() {
    let done = r#"{"type":"response.output_item.done","item":{"id":"m","type":"message","content":[]}}"#;
    let delta = r#"{"type":"response.output_text.delta","item_id":"m","delta":"late"}"#;
    check(&[done, delta, done, COMPLETED, done, "{\"error\":\"late\"}", COMPLETED], "+0:Message =0 completed:r:-");
}

#[test]
fn the_name_of_the_sse_event_stands_in_for_a_missing_type() {
    let body = b"event: response.output_text.delta\ndata: {\"delta\":\"a\"}\n\nevent: response.completed\ndata: {}\n\n";
    let (out, result, _) = decode([body.as_slice()]);
    let words: Vec<_> = out.iter().map(shown).collect();
    assert_eq!((words.join(" ").as_str(), result), ("+0:Message 0\"a\" completed:-:-", Ok(())));
}

#[test]
fn items_that_only_the_last_event_holds_are_not_lost() {
    let completed = r#"{"type":"response.completed","response":{"id":"r","output":[
        {"id":"m","type":"message","content":[{"type":"output_text","text":"hi"}]},
        {"id":"f","type":"function_call","call_id":"c","name":"n","arguments":"{}"}]}}"#
        .replace('\n', "");
    check(&[&completed], "+0:Message =0 +1:FunctionCall =1 completed:r:-");
    let delta = r#"{"type":"response.output_text.delta","delta":"hi"}"#;
    check(&[delta, &completed], "+0:Message 0\"hi\" =0 completed:r:-");
    let call =
        r#"{"type":"response.output_item.done","item":{"id":"f","type":"function_call","call_id":"c","name":"n"}}"#;
    check(&[call, &completed], "+0:FunctionCall =0 completed:r:-");
}

#[test]
fn a_response_that_was_cut_short_says_why() {
    let incomplete = |details: &str| format!(r#"{{"type":"response.incomplete","response":{{"id":"r"{details}}}}}"#);
    check(&[&incomplete(r#","incomplete_details":{"reason":"max_output_tokens"}"#)], "completed:r:max_output_tokens");
    check(&[&incomplete("")], "completed:r:incomplete");
}

#[test]
fn usage_is_read_as_far_as_it_goes() {
    let check = |given: &str, expected: Option<[i64; 5]>| {
        let completed = format!(r#"{{"type":"response.completed","response":{{"id":"","usage":{given}}}}}"#);
        let (out, ..) = decode([stream(&[&completed]).as_bytes()]);
        let usage = expected.map(
            |[input_tokens, cached_input_tokens, output_tokens, reasoning_output_tokens, total_tokens]| TokenUsage {
                input_tokens,
                cached_input_tokens,
                cache_write_input_tokens: if given.contains("write") { 4 } else { 0 },
                output_tokens,
                reasoning_output_tokens,
                total_tokens,
            },
        );
        assert_eq!(out, [ModelEvent::Completed { response_id: None, usage, incomplete: None }]);
    };
    check("null", None);
    check("{}", Some([0; 5]));
    check(r#"{"input_tokens":2,"output_tokens":3}"#, Some([2, 0, 3, 0, 5]));
    check(
        r#"{"input_tokens":2,"input_tokens_details":{"cached_tokens":1},"output_tokens":3,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":9}"#,
        Some([2, 1, 3, 2, 9]),
    );
    check(r#"{"input_tokens":9,"input_tokens_details":{"cache_write_tokens":4}}"#, Some([9, 0, 0, 0, 9]));
}

#[test]
fn errors_in_the_stream_end_it() {
    let cut = |detail: &str| format!("stream disconnected before completion: {detail}");
    check_failure(&[], FailureKind::Cut, &cut("stream closed before response.completed"));
    check_failure(
        &[r#"{"type":"response.failed","response":{"error":{"code":"server_error","message":"oops"}}}"#, COMPLETED],
        FailureKind::Server,
        &cut("oops"),
    );
    check_failure(
        &[r#"{"type":"response.completed","response":{"status":"failed","error":{"message":"oops"}}}"#],
        FailureKind::Server,
        &cut("oops"),
    );
    check_failure(&[r#"{"type":"response.failed"}"#], FailureKind::Server, &cut("response failed without a reason"));
    check_failure(&[r#"{"type":"error","code":"server_error","message":"oops"}"#], FailureKind::Server, &cut("oops"));
    check_failure(&[r#"{"type":"error","error":{"message":"oops"}}"#], FailureKind::Server, &cut("oops"));
    check_failure(
        &[r#"{"error":{"message":"litellm","type":"None","param":"None","code":"500"}}"#],
        FailureKind::Server,
        &cut("litellm"),
    );
    check_failure(&[r#"{"error":"oops"}"#], FailureKind::Server, &cut("oops"));
    check_failure(
        &[r#"{"type":"response.output_item.done","item":{"type":"function_call","arguments":"{}"}}"#],
        FailureKind::Garbage,
        &cut("model sent an unusable item: function_call has no call_id"),
    );
}

#[test]
fn limits_are_final_failures() {
    let huge = format!(r#"{{"type":"response.output_text.delta","delta":"{}"}}"#, "x".repeat(4096));
    check_failure(&[&huge], FailureKind::TooLarge, "server-sent event is larger than 4096 bytes");
    let added = r#"{"type":"response.output_item.added","item":{"type":"message"}}"#;
    check_failure(&[added; 9], FailureKind::TooLarge, "response has too many items");
    let (_, result, _) = decode([stream(&[COMPLETED, &huge]).as_bytes()]);
    assert_eq!(result, Ok(()), "after the end nothing counts");
}

#[test]
fn what_cannot_be_read_is_skipped_and_counted() {
    let events =
        ["nonsense", "[]", "5", r#"{"type":7}"#, r#"{"type":"response.output_item.done"}"#, "{}", "", COMPLETED];
    let (out, result, skipped) = decode([stream(&events).as_bytes()]);
    assert_eq!((out.len(), result, skipped), (1, Ok(()), 5));
}

#[test]
fn an_event_that_is_broken_off_ends_the_stream() {
    check_failure(
        &[r#"{"type":"response.output_te"#, COMPLETED],
        FailureKind::Garbage,
        "stream disconnected before completion: an event of the stream is broken JSON",
    );
}

#[test]
fn items_are_authoritative_over_deltas() {
    let (out, ..) = decode([stream(&[
        r#"{"type":"response.output_text.delta","delta":"wrong"}"#,
        r#"{"type":"response.output_item.done","item":{"type":"message","content":[{"type":"output_text","text":"right"}]}}"#,
        COMPLETED,
    ])
    .as_bytes()]);
    let ModelEvent::ItemDone { slot: 0, item } = &out[2] else { panic!("{out:?}") };
    assert_eq!(item.body(), &ItemBody::Message { role: "assistant".into(), text: "right".into() });
}

/// Events of all kinds, named and nameless, in any order.
fn any_event() -> impl Strategy<Value = String> {
    let id = prop::sample::select(vec!["", r#""id":"a","#, r#""id":"b","#, r#""id":"","#]);
    let index = prop::sample::select(vec!["", r#""output_index":0,"#, r#""output_index":1,"#]);
    let kind = prop::sample::select(vec!["message", "reasoning", "function_call", "new"]);
    (id, index, kind, 0..7).prop_map(|(id, index, kind, event)| {
        let item_id = id.replace("id", "item_id");
        match event {
            0 => format!(r#"{{{item_id}{index}"type":"response.output_text.delta","delta":"\u00e9"}}"#),
            1 => format!(r#"{{{item_id}{index}"type":"response.reasoning_text.delta","delta":"é"}}"#),
            2 => format!(r#"{{{item_id}{index}"type":"response.reasoning_summary_part.added"}}"#),
            3 => format!(r#"{{{index}"type":"response.output_item.added","item":{{{id}"type":"{kind}"}}}}"#),
            4 => format!(
                r#"{{{index}"type":"response.output_item.done","item":{{{id}"type":"{kind}","call_id":"c","name":"n"}}}}"#
            ),
            5 => format!(r#"{{"type":"response.completed","response":{{"output":[{{{id}"type":"{kind}","call_id":"c","name":"n"}}]}}}}"#),
            _ => "garbage".to_owned(),
        }
    })
}

proptest! {
    #[test]
    fn every_item_starts_once_ends_once_and_only_then(events in prop::collection::vec(any_event(), 0..20)) {
        let body: String = events.iter().map(|data| format!("data: {data}\n\n")).collect();
        let (out, ..) = decode([body.as_bytes()]);
        let mut open = Vec::new();
        for (at, event) in out.iter().enumerate() {
            match event {
                ModelEvent::Created { .. } | ModelEvent::Notice(_) | ModelEvent::RateLimits(_) => {}
                ModelEvent::ItemStarted { slot, .. } => {
                    prop_assert_eq!(*slot as usize, open.len(), "slots are counted up");
                    open.push(true);
                }
                ModelEvent::TextDelta { slot, .. }
                | ModelEvent::ReasoningTextDelta { slot, .. }
                | ModelEvent::ReasoningSummaryDelta { slot, .. }
                | ModelEvent::ReasoningSectionBreak { slot } => prop_assert!(open[*slot as usize]),
                ModelEvent::ItemDone { slot, .. } => prop_assert!(std::mem::take(&mut open[*slot as usize])),
                ModelEvent::Completed { .. } => prop_assert_eq!(at, out.len() - 1, "nothing follows the end"),
            }
        }
    }

    #[test]
    fn chunks_do_not_matter(events in prop::collection::vec(any_event(), 0..12), size in 1_usize..50) {
        let body: String = events.iter().map(|data| format!("data: {data}\n\n")).collect();
        prop_assert_eq!(decode(body.as_bytes().chunks(size)), decode([body.as_bytes()]));
    }

    #[test]
    fn garbage_never_panics(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..10)) {
        let (out, result, _) = decode(chunks.iter().map(Vec::as_slice));
        prop_assert!(out.is_empty() && result.is_err());
    }

    #[test]
    fn any_json_of_the_right_names_never_panics(
        kind in "response\\.(created|completed|failed|incomplete|output_item\\.(added|done)|output_text\\.delta)|error",
        members in prop::collection::vec(
            ("item|response|error|delta|item_id|output_index", r#"null|0|-1|1e9|"x"|\[\]|\{\}|\{"id":7,"type":"message","output":\[5\],"error":\[\]\}"#),
            0..4,
        ),
    ) {
        let members: String = members.iter().map(|(name, value)| format!(r#","{name}":{value}"#)).collect();
        let (out, ..) = decode([format!("data: {{\"type\":\"{kind}\"{members}}}\n\n").as_bytes()]);
        prop_assert!(out.len() <= 3);
    }
}
