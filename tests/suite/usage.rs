//! What a UI is told of tokens and limits, and what a session costs before anything is said.

use llmx_tests::world::{Answer, Event, ModelServer, Response, Setup};
use serde_json::json;

const LARGEST_EMPTY_PROMPT: usize = 16_000;

fn counts(events: &[Event]) -> Vec<&Event> {
    events.iter().filter(|event| event.kind() == "token_count").collect()
}

#[tokio::test]
async fn each_request_is_counted_and_the_session_is_summed_up() {
    let server = ModelServer::start([
        Response::of("resp_1").runs("call_1", &["true"]).completed(),
        Response::of("resp_2").says(&["Done."]).completed(),
    ])
    .await;
    let mut ui = Setup::with(&server).setting("model_context_window", "1000").configured().await;
    let events = ui.task("u1", "go").await;
    let usage = |times: i64| {
        json!({"input_tokens": 10 * times, "cached_input_tokens": 4 * times, "output_tokens": 5 * times,
            "reasoning_output_tokens": times, "total_tokens": 15 * times})
    };
    let told: Vec<_> = counts(&events).into_iter().map(|event| event.msg["info"].clone()).collect();
    let expected = [1, 2].map(
        |times| json!({"last_token_usage": usage(1), "total_token_usage": usage(times), "model_context_window": 1000}),
    );
    assert_eq!(told, expected);
    ui.ends_with(0).await;
}

#[tokio::test]
async fn the_limits_in_the_headers_of_an_answer_come_with_its_count() {
    let hello = json!({"type": "response.completed", "response": {"id": "resp_1", "usage": {"total_tokens": 3}}});
    let window =
        |used: f64, minutes: Option<i64>| json!({"used_percent": used, "window_minutes": minutes, "resets_at": null});
    let cases = [
        (&[][..], json!(null)),
        (
            &[("x-llmx-primary-used-percent", "12.5"), ("x-llmx-primary-window-minutes", "300")],
            json!({"primary": window(12.5, Some(300)), "secondary": null}),
        ),
        (
            &[("x-ratelimit-limit-tokens", "400"), ("x-ratelimit-remaining-tokens", "300")],
            json!({"primary": null, "secondary": window(25.0, None)}),
        ),
    ];
    for (headers, expected) in cases {
        let server = ModelServer::start([Answer::stream_with(headers).events([hello.clone()]).ends()]).await;
        let mut ui = Setup::with(&server).configured().await;
        let events = ui.task("u1", "hello").await;
        let told: Vec<_> = counts(&events).into_iter().map(|event| event.msg["rate_limits"].clone()).collect();
        assert_eq!(told, [expected], "{headers:?}");
        ui.ends_with(0).await;
    }
}

#[tokio::test]
async fn the_first_request_of_an_empty_session_is_small() {
    for wire_api in ["'responses'", "'chat'"] {
        let server = ModelServer::start([]).await;
        let mut ui = Setup::with(&server).provider("wire_api", wire_api).configured().await;
        ui.task("u1", "hello").await;
        let length = server.request(1).await.body.to_string().len();
        assert!(length < LARGEST_EMPTY_PROMPT, "{wire_api}: {length} bytes");
        ui.ends_with(0).await;
    }
}
