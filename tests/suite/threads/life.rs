//! Resume by path, bookmarks of an earlier process, the lock, the message history.

use super::run::{Home, journalled, to_be_journalled};
use llmx_tests::world::{ModelServer, Response};
use serde_json::json;
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

async fn two_answers() -> ModelServer {
    answers(["resp_1", "resp_2", "resp_3"]).await
}

/// `ids`: the server's names for its responses.
async fn answers(ids: [&str; 3]) -> ModelServer {
    let texts = [["one"], ["two"], ["three"]];
    ModelServer::start(ids.iter().zip(&texts).map(|(id, text)| Response::of(id).says(text).completed())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_goes_on_by_its_path_and_from_a_bookmark() {
    check_bookmark(two_answers().await, "resp_1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bookmark_of_a_server_without_names_is_good_in_a_later_process() {
    check_bookmark(answers(["", "", ""]).await, "llmx_").await;
}

async fn check_bookmark(model: ModelServer, prefix: &str) {
    let home = Home::new(&model);
    let mut run = home.run("life");
    run.configure(None);
    let path = PathBuf::from(run.until("session_configured").text("rollout_path"));
    run.say("u1", "first");
    let bookmark = run.until("turn_complete").text("response_id").to_owned();
    assert!(bookmark.starts_with(prefix), "{bookmark}");
    run.say("u2", "second");
    run.until("task_complete");
    let before = run.leave();

    let mut run = home.run("life");
    run.configure(Some(&path));
    let configured = run.until("session_configured");
    assert_eq!(configured.text("session_id"), before[0].text("session_id"));
    assert_eq!(configured.seq, before.last().unwrap().seq + 1);
    let messages = configured.msg["initial_messages"].as_array().unwrap().iter();
    let said: Vec<_> = messages.filter_map(|m| m["message"].as_str()).collect();
    assert_eq!(said, ["first", "one", "second", "two"]);
    let items = json!([{"type": "text", "text": "third"}]);
    run.send("u3", &json!({"type": "user_input", "items": items, "last_response_id": bookmark}));
    run.until("task_complete");
    let after = run.leave();
    let conversation = model.request(3).await.conversation();
    assert_eq!(conversation, ["user: first", "assistant: one", "user: third"]);

    let read = to_be_journalled(&[before, after].concat());
    assert_eq!(journalled(&path), read);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_told_who_has_the_thread() {
    let model = two_answers().await;
    let home = Home::new(&model);
    let mut first = home.run("lock");
    first.configure(None);
    let path = PathBuf::from(first.until("session_configured").text("rollout_path"));
    let mut second = home.run("lock");
    second.configure(Some(&path));
    let refused = second.until("error");
    assert!(refused.text("message").contains("is open in process "), "{refused:?}");
    first.leave();
    second.configure(Some(&path));
    second.until("session_configured");
    second.leave();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_resumed_is_refused_and_the_session_takes_other_settings() {
    let model = two_answers().await;
    let home = Home::new(&model);
    let mut run = home.run("refused");
    run.configure(Some("/no/such/thread.jsonl".as_ref()));
    assert_eq!(run.until("error").text("message"), "no thread /no/such/thread.jsonl");
    let no_thread = home.0.path().join("config.toml");
    run.configure(Some(&no_thread));
    assert!(run.until("error").text("message").contains("is not a thread"));
    run.configure(None);
    run.until("session_configured");
    run.say("u1", "hello");
    run.until("task_complete");
    run.leave();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_do_not_reach_the_journal_even_when_a_command_prints_them() {
    let model = ModelServer::start([
        Response::of("resp_1").runs_script("call_1", "echo sk-very-secret-key").completed(),
        Response::of("resp_2").says(&["sk-very-secret-key"]).completed(),
    ])
    .await;
    let home = Home::new(&model);
    let mut run = home.run("secret");
    run.configure(None);
    run.say("u1", "tell me");
    run.until("task_complete");
    run.leave();
    let journal = fs::read_to_string(home.journal().unwrap()).unwrap();
    assert!(!journal.contains("very-secret") && journal.contains("[redacted]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_message_history_is_kept_over_sessions() {
    let model = two_answers().await;
    let home = Home::new(&model);
    let mut run = home.run("history");
    run.configure(None);
    run.send("h1", &json!({"type": "add_to_history", "text": "typed before"}));
    run.until("session_configured");
    run.leave();
    let mut run = home.run("history");
    run.configure(None);
    let configured = run.until("session_configured");
    assert_eq!(configured.msg["history_entry_count"], 1);
    let log = configured.msg["history_log_id"].clone();
    run.send("h2", &json!({"type": "get_history_entry_request", "offset": 0, "log_id": log}));
    let answer = run.until("get_history_entry_response");
    assert_eq!((answer.id.as_str(), answer.msg["entry"]["text"].as_str()), ("h2", Some("typed before")));
    run.send("h3", &json!({"type": "get_history_entry_request", "offset": 7, "log_id": log}));
    assert!(run.until("get_history_entry_response").msg.get("entry").is_none());
    run.leave();
}
