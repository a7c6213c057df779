//! Where a provider's key comes from, and what becomes of one that the server refuses: it is renewed once.

use llmx_tests::world::{Answer, ModelServer, Response, Setup, Workspace};
use std::fs;

fn hello() -> Answer {
    Response::of("resp_ok").says(&["Hello."]).completed()
}

fn refused() -> Answer {
    Answer::refusal(401, &[], r#"{"error":{"code":"invalid_api_key","message":"token expired"}}"#)
}

/// A program that prints `key-1`, `key-2`, …, a further one each time.
fn setup(server: &ModelServer, workspace: &Workspace, script: &str) -> Setup {
    let program = workspace.at("print-key");
    fs::write(&program, script).unwrap();
    let auth = format!("{{ command = 'sh', args = ['{}'] }}", program.display());
    Setup::with(server).provider("auth", &auth)
}

const COUNTS: &str = "cd \"$(dirname \"$0\")\"\necho x >> asked\necho key-$(wc -l < asked | tr -d ' ')\necho more";

async fn keys_of(server: &ModelServer, requests: usize) -> Vec<String> {
    let mut keys = Vec::new();
    for number in 1..=requests {
        keys.push(server.request(number).await.header("authorization").unwrap_or_default().to_owned());
    }
    keys
}

#[tokio::test]
async fn a_program_prints_the_key_which_is_kept_until_it_is_refused() {
    let workspace = Workspace::empty();
    let server = ModelServer::start([hello(), hello(), refused(), hello()]).await;
    let mut ui = setup(&server, &workspace, COUNTS).configured().await;
    for task in ["u1", "u2", "u3"] {
        let events = ui.task(task, "hello").await;
        assert_eq!(events.last().unwrap().kind(), "task_complete", "{}", ui.story());
        assert!(events.iter().all(|event| event.kind() != "stream_error"), "{}", ui.story());
    }
    assert_eq!(keys_of(&server, 4).await, ["Bearer key-1", "Bearer key-1", "Bearer key-1", "Bearer key-2"]);
    assert!(!ui.story().contains("key-"));
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_key_is_renewed_once_and_then_the_refusal_stands() {
    let workspace = Workspace::empty();
    let server = ModelServer::start([refused(), refused(), hello()]).await;
    let mut ui = setup(&server, &workspace, COUNTS).configured().await;
    let events = ui.task("u1", "hello").await;
    let last = events.last().unwrap();
    assert!(last.kind() == "error" && last.text("message").contains("token expired"), "{last:?}");
    assert_eq!(keys_of(&server, 2).await, ["Bearer key-1", "Bearer key-2"]);
    assert_eq!(server.count(), 2);
    ui.task("u2", "again").await;
    assert_eq!(keys_of(&server, 3).await[2], "Bearer key-2", "the newest key is tried again");
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_program_that_prints_no_key_is_named() {
    let cases = [
        ("exit 3", "exit code 3"),
        ("echo no such account >&2; exit 1", "no such account"),
        ("true", "it printed no key"),
        ("sleep 60", "no key within"),
    ];
    for (script, why) in cases {
        let workspace = Workspace::empty();
        let server = ModelServer::start([]).await;
        let program = workspace.at("print-key");
        fs::write(&program, script).unwrap();
        let auth = format!("{{ command = 'sh', args = ['{}'], timeout_ms = 500 }}", program.display());
        let mut ui = Setup::with(&server).provider("auth", &auth).configured().await;
        let events = ui.task("u1", "hello").await;
        let last = events.last().unwrap();
        assert!(last.kind() == "error" && last.text("message").contains(why), "{script}: {last:?}");
        assert!(last.text("message").contains("`auth.command` sh"), "{last:?}");
        assert_eq!(server.count(), 0);
        assert_eq!(ui.processes().len(), 0, "{script}");
        ui.ends_with(0).await;
    }
}

#[tokio::test]
async fn what_login_left_is_read_again_when_it_is_refused() {
    let server = ModelServer::start([hello(), refused(), refused(), hello()]).await;
    let mut ui = Setup::with(&server).provider("requires_openai_auth", "true").configured().await;
    fs::write(ui.home().join("auth.json"), r#"{"OPENAI_API_KEY":"sk-first"}"#).unwrap();
    ui.task("u1", "hello").await;
    let events = ui.task("u2", "hello").await;
    assert!(events.last().unwrap().text("message").contains("token expired"), "there is no other key");
    assert_eq!(server.count(), 2);
    fs::write(ui.home().join("auth.json"), r#"{"tokens":{"access_token":"at-new"}}"#).unwrap();
    ui.task("u3", "hello").await;
    assert_eq!(server.request(3).await.header("authorization"), Some("Bearer at-new"));
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_renewed_refusal_is_not_in_the_recording() {
    let workspace = Workspace::empty();
    let tape = workspace.at("tape.jsonl");
    let server = ModelServer::start([refused(), hello()]).await;
    let setup = setup(&server, &workspace, COUNTS).provider("record", &format!("'{}'", tape.display()));
    let mut ui = setup.configured().await;
    ui.task("u1", "hello").await;
    ui.ends_with(0).await;
    let text = fs::read_to_string(&tape).unwrap();
    assert!(!text.contains("token expired") && !text.contains("key-") && text.lines().count() >= 1, "{text}");
}
