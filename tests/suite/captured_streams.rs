//! The answers of real model servers, byte for byte, through the real binary: the outcomes that
//! `protocol/tests/fixtures/real-streams/README.md` gives them.

use llmx_tests::world::{Answer, Event, ModelServer, Response, Setup, Ui};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

const HELLO: &str = "Hello, I'm here to help with any creative endeavors.";

fn capture(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../protocol/tests/fixtures/real-streams"));
    let path = folder.join(format!("{name}.body"));
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn stream(name: &str) -> Answer {
    Answer::whole(200, &[("content-type", "text/event-stream")], &capture(name))
}

fn refusal(status: u16, name: &str) -> Answer {
    Answer::whole(status, &[("content-type", "application/json; charset=utf-8")], &capture(name))
}

/// Lets the captured answer be the first of `script` and gives back what the UI saw, and how many requests were made.
async fn play(script: Vec<Answer>) -> (Vec<Event>, ModelServer) {
    let server = ModelServer::start(script).await;
    let setup = Setup::with(&server).provider("request_max_retries", "1").provider("stream_max_retries", "0");
    let mut ui = setup.configured().await;
    let events = ui.task("u1", "hello").await;
    ui.ends_with(0).await;
    (events, server)
}

#[tokio::test]
async fn a_text_answer_is_one_message_with_usage() {
    let cases = [
        ("llama.cpp/responses-text", HELLO, 36),
        ("llama.cpp/responses-nonfunction-tool", "Hello! I'm an AI assistant designed", 182),
        ("llama.cpp/responses-tool-followup", "<tool_response>\n\"a.txt\"\n\"b.txt\"\n</tool_response>", 289),
        ("litellm-llama.cpp/local-openai.responses-text", HELLO, 36),
        ("litellm-llama.cpp/local-chat.responses-text", HELLO, 36),
        ("litellm-llama.cpp/bridge-openai.responses-text", HELLO, 36),
    ];
    for (name, text, tokens) in cases {
        let (events, _) = play(vec![stream(name)]).await;
        let messages: Vec<_> =
            events.iter().filter(|e| e.kind() == "agent_message").map(|e| e.text("message")).collect();
        assert_eq!(messages, [text], "{name}");
        let deltas: String =
            events.iter().filter(|e| e.kind() == "agent_message_delta").map(|e| e.text("delta")).collect();
        assert_eq!(deltas, text, "{name}");
        let usage = events.iter().find(|e| e.kind() == "token_count").unwrap();
        assert_eq!(usage.msg["info"]["last_token_usage"]["total_tokens"], tokens, "{name}");
        let bookmark = events.iter().find(|e| e.kind() == "turn_complete").unwrap().text("response_id");
        assert!(!bookmark.is_empty(), "{name}");
        assert_eq!(events.last().unwrap().text("last_agent_message"), text, "{name}");
    }
}

#[tokio::test]
async fn a_tool_answer_runs_its_command() {
    for name in [
        "llama.cpp/responses-tool",
        "litellm-llama.cpp/local-openai.responses-tool",
        "litellm-llama.cpp/local-chat.responses-tool",
        "litellm-llama.cpp/bridge-openai.responses-tool",
    ] {
        let (events, server) = play(vec![stream(name), Response::of("resp_2").says(&["There."]).completed()]).await;
        let begun: Vec<_> = events.iter().filter(|e| e.kind() == "exec_command_begin").collect();
        assert_eq!(begun.len(), 1, "{name}");
        assert_eq!(begun[0].msg["command"], json!(["pwd"]), "{name}");
        let output = server.request(2).await.command_output(begun[0].text("call_id"));
        assert_eq!(output["output"], json!(format!("{}\n", begun[0].text("cwd"))), "{name}");
        let messages = events.iter().filter(|e| e.kind() == "agent_message").count();
        assert_eq!((messages, events.last().unwrap().kind()), (1, "task_complete"), "{name}");
    }
}

#[tokio::test]
async fn refusals_that_are_final_are_told_at_once() {
    let room = "LLMX ran out of room in the model's context window.";
    for (name, words) in [
        ("llama.cpp/responses-context-overflow", room),
        ("litellm-llama.cpp/local-openai.responses-context-overflow", room),
        ("llama.cpp/responses-error", "unexpected status 400"),
        ("llama.cpp/responses-codex-shaped", "unexpected status 400"),
    ] {
        let (events, server) = play(vec![refusal(400, name)]).await;
        let last = events.last().unwrap();
        assert!(last.kind() == "error" && last.text("message").starts_with(words), "{name}: {last:?}");
        assert_eq!(server.count(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_proxy_that_fails_is_asked_again() {
    let failed = refusal(500, "litellm-llama.cpp/local-openai.responses-error");
    let (events, server) = play(vec![failed, stream("llama.cpp/responses-text")]).await;
    assert_eq!((events.last().unwrap().text("last_agent_message"), server.count()), (HELLO, 2));
}

#[tokio::test]
async fn another_dialect_ends_in_one_clear_error() {
    for name in ["llama.cpp/chat-text", "llama.cpp/chat-tool", "litellm-llama.cpp/local-chat.chat-text"] {
        let (events, _) = play(vec![stream(name), stream(name)]).await;
        let last = events.last().unwrap();
        assert!(last.kind() == "error" && last.text("message").starts_with("stream disconnected"), "{name}: {last:?}");
        assert!(events.iter().all(|e| e.kind() != "agent_message_delta"), "{name}");
    }
}

/// A conversation that `tests/live` had with a real server (`tests/fixtures/recorded/README.md`), played again.
async fn recorded(name: &str) -> Ui {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/recorded/").to_owned() + name + ".jsonl";
    let wire = if name.ends_with("chat") { "'chat'" } else { "'responses'" };
    let setup = Setup::with_model_at("replay:").provider("recording", &format!("'{file}'")).provider("wire_api", wire);
    setup.provider("recorded_pauses", "false").provider("stream_max_retries", "0").configured().await
}

fn last_counted(events: &[Event]) -> &Value {
    let counted = events.iter().rfind(|e| e.kind() == "token_count").unwrap();
    &counted.msg["info"]["last_token_usage"]
}

/// A task's answer, which its deltas add up to.
fn answer(events: &[Event], name: &str) -> String {
    let last = events.last().unwrap();
    assert_eq!(last.kind(), "task_complete", "{name}: {last:?}");
    let said = last.text("last_agent_message").to_owned();
    let deltas: String = events.iter().filter(|e| e.kind() == "agent_message_delta").map(|e| e.text("delta")).collect();
    assert!(!said.is_empty() && deltas == said, "{name}: {deltas:?}, {said:?}");
    said
}

#[tokio::test]
async fn a_real_conversation_with_a_call_an_interrupt_and_a_summary_is_played_again() {
    let conversations = [
        ("llama.cpp-responses", "You are exit code 0.", Some("Good night, welcome to my website.")),
        ("llama.cpp-chat", "You are exiting.", Some("Good night, good night.")),
        ("litellm-local-responses", "You are exit code 0.", None),
        ("litellm-local-chat", "You're here to help with your questions.", None),
        ("litellm-bridge-responses", "You're here to help with your questions.", None),
    ];
    for (name, said_of_the_output, said_from_the_bookmark) in conversations {
        let mut ui = recorded(name).await;
        let hello = ui.task("u1", "Say hello to me in one short sentence.").await;
        assert!(answer(&hello, name).starts_with("Hello, "), "{name}");
        let bookmark = hello.iter().find(|e| e.kind() == "turn_complete").unwrap().text("response_id").to_owned();

        let events = ui.task("call", "Run pwd").await;
        assert_eq!(answer(&events, name), said_of_the_output, "{name}");
        let ended = events.iter().find(|e| e.kind() == "exec_command_end").unwrap();
        let directory = format!("{}\n", ui.workspace.path().display());
        assert_eq!((ended.text("stdout"), &ended.msg["exit_code"]), (&*directory, &json!(0)), "{name}");
        assert_eq!(events.iter().filter(|e| e.kind() == "turn_complete").count(), 2, "{name}");

        ui.say("u3", "Tell me a long story about a fox, a hen and a farmer.").await;
        ui.until("agent_message_delta").await;
        ui.interrupt().await;
        assert_eq!(ui.until_the_end_of("u3").await.last().unwrap().text("message"), "interrupted", "{name}");

        ui.send("sum", json!({"type": "compact"})).await;
        let summed_up = ui.until_the_end_of("sum").await;
        let after = ui.task("after", "Say good night.").await;
        assert_eq!(answer(&after, name), "Good night.", "{name}");
        let sent = [&summed_up, &after].map(|events| last_counted(events)["input_tokens"].as_i64().unwrap());
        assert!(sent[0] > sent[1] && sent[1] > 0, "{name}: {sent:?}");

        if let Some(said) = said_from_the_bookmark {
            let op = json!({"type": "user_input", "items": [{"type": "text", "text": "Say good night."}], "last_response_id": bookmark});
            ui.send("u5", op).await;
            assert_eq!(answer(&ui.until_the_end_of("u5").await, name), said, "{name}");
        }
        if name == "llama.cpp-responses" {
            let last = ui.task("u6", &"word ".repeat(6000)).await.pop().unwrap();
            assert!(last.kind() == "error" && last.text("message").contains("context window"), "{name}: {last:?}");
        }
        ui.ends_with(0).await;
    }
}
