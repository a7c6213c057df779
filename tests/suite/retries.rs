//! A lost model request is tried again within limits; what a dead attempt had shown is taken back.

use llmx_tests::world::{Answer, Event, ModelServer, Response, Setup, deserted_url, shown};
use serde_json::json;

fn hello() -> Answer {
    Response::of("resp_ok").says(&["Hello."]).completed()
}

fn refusal(status: u16, code: &str, message: &str) -> Answer {
    let body = json!({"error": {"code": code, "type": code, "message": message}});
    Answer::refusal(status, &[], &body.to_string())
}

fn count(events: &[Event], kind: &str) -> usize {
    events.iter().filter(|event| event.kind() == kind).count()
}

/// The last answer of `script` is good; each of the others is lost and tried again.
async fn check_recovers(script: Vec<Answer>, setup: impl Fn(Setup) -> Setup) -> Vec<Event> {
    let requests = script.len();
    let server = ModelServer::start(script).await;
    let mut ui = setup(Setup::with(&server)).configured().await;
    let events = ui.task("u1", "hello").await;
    assert_eq!(events.last().unwrap().text("last_agent_message"), "Hello.", "{}", ui.story());
    assert_eq!((server.count(), count(&events, "stream_error")), (requests, requests - 1), "{}", ui.story());
    assert_eq!(shown(&events), "Hello.", "{}", ui.story());
    assert_eq!(count(&events, "agent_message"), 1);
    let input = server.request(1).await.body["input"].clone();
    for number in 2..=requests {
        assert_eq!(server.request(number).await.body["input"], input, "a retry asks the same");
    }
    ui.ends_with(0).await;
    events
}

/// The answer is final: it is not tried again, and the task ends with these words.
async fn check_fatal(answer: Answer, words: &[&str]) {
    let server = ModelServer::start([answer]).await;
    let mut ui = Setup::with(&server).configured().await;
    let events = ui.task("u1", "hello").await;
    let last = events.last().unwrap();
    assert_eq!(last.kind(), "error", "{}", ui.story());
    for word in words {
        assert!(last.text("message").contains(word), "{word:?} is not in {last:?}");
    }
    assert_eq!((server.count(), count(&events, "stream_error")), (1, 0), "{}", ui.story());
    server.and_then([hello()]);
    assert_eq!(ui.task("u2", "again").await.last().unwrap().kind(), "task_complete", "the session goes on");
    ui.ends_with(0).await;
}

fn as_is(setup: Setup) -> Setup {
    setup
}

#[tokio::test]
async fn a_connection_that_is_reset_is_made_again() {
    check_recovers(vec![Answer::hangup(), hello()], as_is).await;
}

#[tokio::test]
async fn a_failing_server_is_asked_again() {
    let failing = || Answer::refusal(500, &[], "{}");
    let events = check_recovers(vec![failing(), failing(), hello()], as_is).await;
    let counted: Vec<_> =
        events.iter().filter(|e| e.kind() == "stream_error").map(|e| e.text("message")[..19].to_owned()).collect();
    assert_eq!(counted, ["Reconnecting... 1/4", "Reconnecting... 2/4"]);
}

#[tokio::test]
async fn a_server_that_asks_for_patience_gets_what_it_asks_for() {
    let busy = |header, value| Answer::refusal(429, &[(header, value)], r#"{"error":{"message":"slow down"}}"#);
    let events = check_recovers(vec![busy("retry-after", "0"), busy("retry-after-ms", "1"), hello()], as_is).await;
    for event in events.iter().filter(|e| e.kind() == "stream_error") {
        assert!(event.text("message").contains("in 0.0 s"), "{event:?}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again_and_taken_back() {
    let partial = || Response::of("resp_lost").begins_to_say(&["Hel", "lo."]).so_far();
    for lost in [partial().cuts(), partial().resets(), partial().ends()] {
        let events = check_recovers(vec![lost, hello()], as_is).await;
        let error = events.iter().find(|e| e.kind() == "stream_error").unwrap();
        assert_eq!(error.msg["superseded"].as_array().map(Vec::len), Some(1), "{error:?}");
    }
}

#[tokio::test]
async fn a_whole_message_of_a_lost_answer_is_taken_back_too() {
    let server = ModelServer::start([Response::of("resp_lost").says(&["Hi."]).so_far().cuts(), hello()]).await;
    let mut ui = Setup::with(&server).configured().await;
    let events = ui.task("u1", "hello").await;
    assert_eq!(shown(&events), "Hello.");
    server.and_then([hello()]);
    ui.task("u2", "again").await;
    assert_eq!(server.request(3).await.conversation(), ["user: hello", "assistant: Hello.", "user: again"]);
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_silent_answer_is_given_up_and_asked_for_again() {
    let silent = Response::of("resp_lost").begins_to_say(&["Hm"]).so_far().stalls();
    check_recovers(vec![silent, hello()], |setup| setup.provider("stream_idle_timeout_ms", "1000")).await;
    check_recovers(vec![Answer::never(), hello()], |setup| setup.provider("stream_idle_timeout_ms", "1000")).await;
}

#[tokio::test]
async fn a_failure_within_the_stream_is_tried_again_if_it_may_pass() {
    let failed = |code, message| Response::of("resp_lost").failed(code, message);
    check_recovers(vec![failed("server_error", "sorry"), hello()], as_is).await;
    check_recovers(vec![failed("rate_limit_exceeded", "Please try again in 1ms."), hello()], as_is).await;
}

#[tokio::test]
async fn calls_of_a_lost_answer_never_run() {
    let lost = Response::of("resp_lost").runs_script("call_1", "touch ran").so_far().cuts();
    let server = ModelServer::start([lost, hello()]).await;
    let mut ui = Setup::with(&server).configured().await;
    let events = ui.task("u1", "hello").await;
    assert_eq!((events.last().unwrap().kind(), count(&events, "exec_command_begin")), ("task_complete", 0));
    assert!(!ui.workspace.at("ran").exists());
    ui.ends_with(0).await;
}

#[tokio::test]
async fn retries_come_to_an_end() {
    let cut = || Response::of("resp_lost").begins_to_say(&["Hel"]).so_far().cuts();
    let failing = || Answer::refusal(500, &[], "{}");
    let cases = [
        (failing as fn() -> Answer, "We're currently experiencing high demand"),
        (cut, "stream disconnected before completion: "),
        (|| Answer::refusal(503, &[], "{}"), "exceeded retry limit, last status: 503"),
    ];
    for (lost, words) in cases {
        let server = ModelServer::start([lost(), lost()]).await;
        let setup = Setup::with(&server).provider("request_max_retries", "1").provider("stream_max_retries", "1");
        let mut ui = setup.configured().await;
        let events = ui.task("u1", "hello").await;
        let last = events.last().unwrap();
        assert!(last.kind() == "error" && last.text("message").starts_with(words), "{last:?}");
        assert_eq!((server.count(), count(&events, "stream_error")), (2, 1));
        server.and_then([hello()]);
        assert_eq!(ui.task("u2", "again").await.last().unwrap().kind(), "task_complete", "the session goes on");
        ui.ends_with(0).await;
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let setup = Setup::with_model_at(&deserted_url().await).provider("request_max_retries", "2");
    let mut ui = setup.configured().await;
    let events = ui.task("u1", "hello").await;
    let last = events.last().unwrap();
    assert!(last.kind() == "error" && last.text("message").starts_with("Connection failed: "), "{last:?}");
    assert!(last.text("message").contains("refused"), "{last:?}");
    assert_eq!(count(&events, "stream_error"), 2);
    ui.ends_with(0).await;
}

#[tokio::test]
async fn what_cannot_get_better_is_not_tried_again() {
    let room = "LLMX ran out of room in the model's context window.";
    check_fatal(refusal(400, "context_length_exceeded", "too long"), &[room]).await;
    check_fatal(Response::of("resp_1").failed("context_length_exceeded", "too long"), &[room]).await;
    check_fatal(refusal(401, "invalid_api_key", "wrong key"), &["unexpected status 401", "wrong key"]).await;
    check_fatal(refusal(400, "bad", "no such thing"), &["unexpected status 400", "no such thing"]).await;
    check_fatal(refusal(404, "not_found", "no such page"), &["unexpected status 404", "no such page"]).await;
    check_fatal(refusal(429, "insufficient_quota", "pay"), &["Quota exceeded. Check your plan and billing details."])
        .await;
    check_fatal(Answer::refusal(307, &[("location", "http://127.0.0.1:9/")], ""), &["unexpected status 307"]).await;
}

#[tokio::test]
async fn an_answer_cut_short_by_its_length_is_a_warning_and_its_calls_do_not_run() {
    let server = ModelServer::start([
        Response::of("resp_1").says(&["So"]).runs_script("call_1", "touch ran").incomplete("max_output_tokens"),
        hello(),
    ])
    .await;
    let mut ui = Setup::with(&server).configured().await;
    let events = ui.task("u1", "hello").await;
    let warning = events.iter().find(|e| e.kind() == "warning").unwrap();
    assert!(warning.text("message").contains("max_output_tokens"), "{warning:?}");
    assert!(server.request(2).await.output_of("call_1").contains("cut short"));
    assert!(!ui.workspace.at("ran").exists());
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_response_that_the_server_forgot_is_told_in_full() {
    let server = ModelServer::start([
        Response::of("resp_1").says(&["One."]).completed(),
        refusal(400, "previous_response_not_found", "Previous response with id 'resp_1' not found."),
        hello(),
    ])
    .await;
    let mut ui = Setup::with(&server).provider("store_responses", "true").configured().await;
    ui.task("u1", "one").await;
    let events = ui.task("u2", "two").await;
    assert_eq!(events.last().unwrap().kind(), "task_complete", "{}", ui.story());
    assert_eq!(server.request(2).await.body["previous_response_id"], "resp_1");
    let full = server.request(3).await;
    assert_eq!(full.body["previous_response_id"], json!(null));
    assert_eq!(full.conversation(), ["user: one", "assistant: One.", "user: two"]);
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_missing_key_is_named_and_nothing_is_sent() {
    let server = ModelServer::start([]).await;
    let instructions = "'Get one at the counter.'";
    let setup = Setup::with(&server).provider("env_key", "'SCRIPTED_API_KEY'");
    let mut ui = setup.provider("env_key_instructions", instructions).configured().await;
    let events = ui.task("u1", "hello").await;
    let last = events.last().unwrap();
    let expected = ("error", "Missing environment variable: `SCRIPTED_API_KEY`. Get one at the counter.");
    assert_eq!((last.kind(), last.text("message")), expected);
    assert_eq!(server.count(), 0);
    ui.ends_with(0).await;
}

#[tokio::test]
async fn the_key_goes_to_the_server_and_nowhere_else() {
    let key = "sk-very-secret";
    let server = ModelServer::start([refusal(401, "invalid_api_key", "wrong key")]).await;
    let setup = Setup::with(&server).provider("env_key", "'SCRIPTED_API_KEY'").variable("SCRIPTED_API_KEY", key);
    let mut ui = setup.variable("LLMX_LOG", "trace").configured().await;
    ui.task("u1", "hello").await;
    let request = server.request(1).await;
    assert_eq!(request.header("authorization"), Some("Bearer sk-very-secret"));
    assert_eq!(
        (request.line.as_str(), request.header("accept")),
        ("POST /v1/responses HTTP/1.1", Some("text/event-stream"))
    );
    assert!(!request.body.to_string().contains(key) && !ui.story().contains(key));
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_request_that_cannot_be_made_is_told_at_once() {
    let server = ModelServer::start([]).await;
    let bad_header = Setup::with(&server).provider("http_headers", "{ 'no name' = 'x' }");
    for (setup, words) in [(bad_header, "header name"), (Setup::with_model_at("127.0.0.1:9/v1"), "URL")] {
        let mut ui = setup.configured().await;
        let events = ui.task("u1", "hello").await;
        let last = events.last().unwrap();
        assert!(last.kind() == "error" && last.text("message").contains(words), "{last:?}");
        assert_eq!((server.count(), count(&events, "stream_error")), (0, 0), "{}", ui.story());
        ui.ends_with(0).await;
    }
}

#[tokio::test]
async fn a_server_is_named_without_the_key_in_its_url() {
    let url = deserted_url().await;
    let setup = Setup::with_model_at(&url).provider("query_params", "{ 'api-key' = 'very-secret' }");
    let mut ui = setup.provider("request_max_retries", "1").configured().await;
    let events = ui.task("u1", "hello").await;
    let (story, last) = (ui.story(), events.last().unwrap());
    assert!(last.text("message").contains(&url) && !story.contains("very-secret"), "{story}");
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_failure_is_called_the_last_only_when_it_is() {
    let busy = || refusal(429, "rate_limit_exceeded", "slow down");
    let server = ModelServer::start([busy(), busy()]).await;
    let mut ui = Setup::with(&server).provider("request_max_retries", "1").configured().await;
    let events = ui.task("u1", "hello").await;
    let retry = events.iter().find(|event| event.kind() == "stream_error").unwrap().text("message");
    assert!(retry.ends_with(": 429 Too Many Requests (server: slow down)"), "{retry}");
    let last = events.last().unwrap().text("message");
    assert_eq!(last, "exceeded retry limit, last status: 429 Too Many Requests (server: slow down)");
    ui.ends_with(0).await;
}

#[tokio::test]
async fn an_api_that_a_server_lacks_is_named_with_what_would_help() {
    for (wire_api, other) in [("responses", "chat"), ("chat", "responses")] {
        let server = ModelServer::start([Answer::refusal(404, &[], r#"{"detail":"Not Found"}"#)]).await;
        let mut ui = Setup::with(&server).provider("wire_api", &format!("'{wire_api}'")).configured().await;
        let events = ui.task("u1", "hello").await;
        let said = events.last().unwrap().text("message");
        let hint = format!("`wire_api = \"{other}\"` or `\"auto\"`");
        assert!(said.starts_with("unexpected status 404 Not Found") && said.contains(&hint), "{said}");
        ui.ends_with(0).await;
    }
}

/// With the time-out for silence that providers have by default: five minutes.
#[tokio::test]
async fn an_answer_is_complete_although_its_server_keeps_the_connection() {
    let chunk = |delta: serde_json::Value, reason: Option<&str>| json!({"id": "c1", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]});
    let said = [chunk(json!({"content": "Hello."}), None), chunk(json!({}), Some("stop"))];
    let server = ModelServer::start([Answer::stream().events(said).stalls()]).await;
    let mut ui = Setup::with(&server).provider("wire_api", "'chat'").configured().await;
    let events = ui.task("u1", "hello").await;
    assert_eq!(events.last().unwrap().text("last_agent_message"), "Hello.", "{}", ui.story());
    assert_eq!(count(&events, "stream_error"), 0);
    ui.ends_with(0).await;
}
