//! A conversation is summed up when the UI says so or it has outgrown its limit; what was there before stays good.

use llmx_tests::world::{Answer, Event, ModelServer, Request, Response, Setup};
use serde_json::{Value, json};

const FULL: i64 = 900;

fn hello(id: &str) -> Answer {
    Response::of(id).says(&["Hello."]).completed()
}

fn summary() -> Answer {
    Response::of("resp_summary").says(&["They ", "said hello."]).completed()
}

fn setup(server: &ModelServer) -> Setup {
    Setup::with(server).setting("model_context_window", "1000")
}

fn compact() -> Value {
    json!({"type": "compact"})
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(Event::kind).collect()
}

/// What the model is told after its instructions and the environment; of a summary and of the wish for one the first words.
fn told(request: &Request) -> Vec<String> {
    let short = |line: String| {
        let is_ours =
            line.starts_with("user: The conversation up to here") || line.starts_with("user: Write a hand-off");
        if is_ours { line.split_whitespace().take(3).collect::<Vec<_>>().join(" ") } else { line }
    };
    request.conversation().into_iter().map(short).collect()
}

const WISH: &str = "user: Write a";
const SUMMARY: &str = "user: The conversation";

#[tokio::test]
async fn a_conversation_is_summed_up_when_the_ui_says_so() {
    for wire_api in ["'responses'", "'chat'"] {
        let answers = |texts: [&str; 3]| -> Vec<Answer> {
            match wire_api {
                "'chat'" => texts.map(said_in_chat).into(),
                _ => texts.map(|text| Response::of(text).says(&[text]).completed()).into(),
            }
        };
        let server = ModelServer::start(answers(["Hello.", "They said hello.", "Yes."])).await;
        let mut ui = setup(&server).provider("wire_api", wire_api).configured().await;
        ui.task("u1", "hello").await;
        ui.send("k1", compact()).await;
        let events = ui.until_the_end_of("k1").await;
        let expected = [
            "task_started",
            "context_compaction_begin",
            "token_count",
            "context_compaction_end",
            "agent_message",
            "warning",
            "turn_complete",
            "task_complete",
        ];
        assert_eq!(kinds(&events), expected, "{wire_api}");
        assert_eq!(events[4].text("message"), "Compact task completed");
        assert_eq!(events[7].msg["last_agent_message"], json!(null));
        ui.task("u2", "again").await;
        let asked = server.request(2).await;
        assert!(asked.body["tools"].as_array().is_none_or(Vec::is_empty), "{}", asked.body);
        if wire_api == "'responses'" {
            assert_eq!(told(&asked), ["user: hello", "assistant: Hello.", WISH]);
            assert_eq!(told(&server.request(3).await), ["user: hello", SUMMARY, "user: again"]);
        }
        assert!(server.request(3).await.body.to_string().contains("They said hello."));
        ui.ends_with(0).await;
    }
}

fn said_in_chat(text: &str) -> Answer {
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"});
    Answer::refusal(200, &[], &json!({"choices": [choice], "usage": usage}).to_string())
}

#[tokio::test]
async fn a_full_conversation_is_summed_up_between_two_turns() {
    let server = ModelServer::start([
        Response::of("resp_1").runs("call_1", &["true"]).completed_at(FULL),
        summary(),
        hello("resp_2"),
    ])
    .await;
    let mut ui = setup(&server).configured().await;
    let events = ui.task("u1", "go").await;
    let last = [
        "turn_complete",
        "background_event",
        "context_compaction_begin",
        "token_count",
        "context_compaction_end",
        "warning",
        "turn_complete",
    ];
    assert!(kinds(&events).windows(last.len()).any(|part| part == last), "{}", ui.story());
    assert_eq!(events.last().unwrap().text("last_agent_message"), "Hello.");
    assert_eq!(told(&server.request(3).await), ["user: go", SUMMARY]);
    assert!(server.request(3).await.body.to_string().contains("They said hello."));
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_full_conversation_is_summed_up_before_new_input_which_stays_as_it_is() {
    let full = Response::of("resp_1").says(&["Hello."]).completed_at(FULL);
    let server = ModelServer::start([full, summary(), hello("resp_2"), hello("resp_3")]).await;
    let mut ui = setup(&server).configured().await;
    let bookmark = ui.task("u1", "hello").await;
    let bookmark = bookmark.iter().find(|e| e.kind() == "turn_complete").unwrap().text("response_id").to_owned();
    ui.task("u2", "again").await;
    assert_eq!(told(&server.request(2).await), ["user: hello", "assistant: Hello.", WISH]);
    assert_eq!(told(&server.request(3).await), ["user: hello", SUMMARY, "user: again"]);
    // A fork from before the summary has all that was said, but it is full again.
    let items = json!([{"type": "text", "text": "fork"}]);
    server.and_then([hello("resp_4")]);
    ui.send("u3", json!({"type": "user_input", "items": items, "last_response_id": bookmark})).await;
    ui.until_the_end_of("u3").await;
    assert_eq!(told(&server.request(4).await), ["user: hello", "assistant: Hello.", WISH]);
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_fork_from_before_a_summary_has_the_whole_conversation() {
    let server = ModelServer::start([hello("resp_1"), summary(), hello("resp_2")]).await;
    let mut ui = setup(&server).configured().await;
    ui.task("u1", "hello").await;
    ui.send("k1", compact()).await;
    ui.until_the_end_of("k1").await;
    let items = json!([{"type": "text", "text": "fork"}]);
    ui.send("u2", json!({"type": "user_input", "items": items, "last_response_id": "resp_1"})).await;
    ui.until_the_end_of("u2").await;
    assert_eq!(told(&server.request(3).await), ["user: hello", "assistant: Hello.", "user: fork"]);
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_summary_that_fails_is_one_error_and_loses_nothing() {
    let refused = Answer::refusal(400, &[], r#"{"error":{"message":"no such thing"}}"#);
    let mute = Response::of("resp_x").completed();
    for (failed, why) in [(refused, "no such thing"), (mute, "the model gave no summary")] {
        let server = ModelServer::start([hello("resp_1"), failed, hello("resp_2")]).await;
        let mut ui = setup(&server).configured().await;
        ui.task("u1", "hello").await;
        ui.send("k1", compact()).await;
        let events = ui.until_the_end_of("k1").await;
        let error = events.last().unwrap().text("message").to_owned();
        assert!(error.starts_with("failed to compact the conversation: ") && error.contains(why), "{error}");
        assert_eq!(events.iter().filter(|e| e.kind() == "error").count(), 1);
        ui.task("u2", "again").await;
        assert_eq!(told(&server.request(3).await), ["user: hello", "assistant: Hello.", "user: again"]);
        ui.ends_with(0).await;
    }
}

#[tokio::test]
async fn a_summary_can_be_interrupted() {
    let halfway = Response::of("resp_x").begins_to_say(&["They"]).so_far().stalls();
    let server = ModelServer::start([hello("resp_1"), halfway, hello("resp_2")]).await;
    let mut ui = setup(&server).configured().await;
    ui.task("u1", "hello").await;
    ui.send("k1", compact()).await;
    server.request(2).await;
    ui.interrupt().await;
    let events = ui.until_the_end_of("k1").await;
    assert_eq!(kinds(&events), ["task_started", "context_compaction_begin", "turn_aborted", "error"], "{}", ui.story());
    server.closed_by_client(2).await;
    ui.task("u2", "again").await;
    assert_eq!(told(&server.request(3).await), ["user: hello", "assistant: Hello.", "user: again"]);
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_lost_summary_is_asked_for_again_and_calls_in_one_do_not_run() {
    let cut = Response::of("resp_x").begins_to_say(&["They"]).so_far().cuts();
    let calls = Response::of("resp_y").runs_script("call_1", "touch ran").says(&["They said hello."]).completed();
    let server = ModelServer::start([hello("resp_1"), cut, calls]).await;
    let mut ui = setup(&server).configured().await;
    ui.task("u1", "hello").await;
    ui.send("k1", compact()).await;
    let events = ui.until_the_end_of("k1").await;
    let errors: Vec<_> = events.iter().filter(|e| e.kind() == "stream_error").collect();
    assert!(errors.len() == 1 && errors[0].msg["superseded"].is_null(), "{errors:?}");
    assert_eq!(events.last().unwrap().kind(), "task_complete");
    assert!(!ui.workspace.at("ran").exists());
    ui.ends_with(0).await;
}

#[tokio::test]
async fn what_is_too_long_to_be_summed_up_loses_its_oldest_part() {
    let overflow = || Answer::refusal(400, &[], r#"{"error":{"code":"context_length_exceeded","message":"too long"}}"#);
    let server = ModelServer::start([hello("resp_1"), overflow(), summary(), hello("resp_2")]).await;
    let mut ui = setup(&server).configured().await;
    ui.task("u1", "hello").await;
    ui.send("k1", compact()).await;
    let events = ui.until_the_end_of("k1").await;
    assert!(kinds(&events).contains(&"background_event"), "{}", ui.story());
    assert_eq!(events.last().unwrap().kind(), "task_complete");
    assert!(server.request(3).await.input().len() < server.request(2).await.input().len());
    ui.task("u2", "again").await;
    assert_eq!(told(&server.request(4).await), ["user: hello", SUMMARY, "user: again"]);
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_summary_that_does_not_help_ends_the_task() {
    let calls = |n: u32| Response::of(&format!("resp_{n}")).runs(&format!("call_{n}"), &["true"]).completed_at(FULL);
    let server = ModelServer::start([calls(1), summary(), calls(2)]).await;
    let mut ui = setup(&server).configured().await;
    let events = ui.task("u1", "go").await;
    let last = events.last().unwrap();
    assert!(last.kind() == "error" && last.text("message").contains("takes 900 tokens"), "{last:?}");
    assert_eq!(server.count(), 3);
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_conversation_that_overflowed_is_summed_up_before_the_next_input() {
    let overflow = Answer::refusal(400, &[], r#"{"error":{"code":"context_length_exceeded","message":"too long"}}"#);
    let server = ModelServer::start([hello("resp_1"), overflow, summary(), hello("resp_2")]).await;
    let mut ui = setup(&server).configured().await;
    ui.task("u1", "hello").await;
    let events = ui.task("u2", "again").await;
    let full = events.iter().find(|e| e.kind() == "token_count").unwrap();
    assert_eq!(full.msg["info"]["last_token_usage"]["total_tokens"], 1000);
    assert!(events.last().unwrap().text("message").starts_with("LLMX ran out of room"), "{events:?}");
    ui.task("u3", "once more").await;
    assert_eq!(told(&server.request(4).await), ["user: hello", "user: again", SUMMARY, "user: once more"]);
    ui.ends_with(0).await;
}

#[tokio::test]
async fn the_words_that_ask_for_a_summary_and_the_limit_can_be_chosen() {
    let server = ModelServer::start([hello("resp_1"), summary(), hello("resp_2"), hello("resp_3")]).await;
    let own = setup(&server).setting("compact_prompt", "'Sum up.'").setting("model_auto_compact_token_limit", "15");
    let mut ui = own.configured().await;
    ui.task("u1", "hello").await;
    ui.task("u2", "again").await;
    assert_eq!(told(&server.request(2).await).last().unwrap(), "user: Sum up.");
    ui.configure(json!({"compact_prompt": "Now sum up."})).await;
    ui.send("k1", compact()).await;
    ui.until_the_end_of("k1").await;
    assert_eq!(told(&server.request(4).await).last().unwrap(), "user: Now sum up.");
    ui.ends_with(0).await;
}

#[tokio::test]
async fn there_must_be_something_to_sum_up() {
    let server = ModelServer::start([]).await;
    let mut ui = setup(&server).configured().await;
    ui.send("k1", compact()).await;
    let event = ui.next().await;
    assert_eq!((event.kind(), event.id.as_str()), ("error", "k1"));
    assert!(event.text("message").contains("no conversation to compact"), "{event:?}");
    ui.ends_with(0).await;
}
