//! What `record = "FILE"` writes, `recording = "FILE"` plays again, offline.

use llmx_tests::world::{Answer, Event, Gate, ModelServer, Response, Setup, Ui, Workspace};
use serde_json::{Value, json};
use std::{fs, path::Path};
use tempfile::TempDir;

const KEY: &str = "sk-very-secret";
const URL_KEY: &str = "url-very-secret";

fn recorded_at(server: &ModelServer, file: &Path) -> Setup {
    let setup = Setup::with(server).provider("record", &format!("'{}'", file.display()));
    let setup = setup.provider("query_params", &format!("{{ 'api-key' = '{URL_KEY}' }}"));
    setup.provider("env_key", "'SCRIPTED_API_KEY'").variable("SCRIPTED_API_KEY", KEY)
}

/// The same provider, without a server.
fn replayed(file: &Path, wire_api: &str) -> Setup {
    let setup = Setup::with_model_at("replay:").provider("recording", &format!("'{}'", file.display()));
    setup.provider("wire_api", wire_api).provider("recorded_pauses", "false")
}

/// Events without what no two runs share: the session and bookmarks named after it, the directories (in a chunk they are base64), how long things
/// took.
fn told(events: &[Event], workspace: &Workspace) -> Vec<String> {
    let settle = |event: &Event| {
        let mut msg = event.msg.clone();
        forget(&mut msg, &["session_id", "thread_id", "duration", "formatted_output", "chunk", "response_id"]);
        let directory = workspace.path().display().to_string();
        format!("{} {}", event.id, msg.to_string().replace(&directory, "<cwd>"))
    };
    events.iter().map(settle).collect()
}

fn forget(json: &mut Value, members: &[&str]) {
    match json {
        Value::Object(object) => {
            object.retain(|name, _| !members.contains(&name.as_str()));
            object.values_mut().for_each(|value| forget(value, members));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| forget(item, members)),
        _ => {}
    }
}

fn exchanges(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A conversation with a failure, a broken answer, a command and an interrupt.
fn eventful() -> (Vec<Answer>, Gate) {
    let busy = format!(r#"{{"error":{{"message":"slow down, {KEY}, {URL_KEY}"}}}}"#);
    let gate = Gate::default();
    let script = vec![
        Answer::refusal(429, &[("retry-after", "0"), ("set-cookie", "account=1")], &busy),
        Response::of("resp_lost").begins_to_say(&["Hel"]).so_far().cuts(),
        Response::of("resp_1").says(&["I ", "look, {{n}}."]).runs("call_1", &["pwd"]).completed(),
        Response::of("resp_2").says(&["Done: {{n}}."]).completed(),
        Response::of("resp_3").begins_to_say(&["On and"]).so_far().waits_for(&gate),
        Response::of("resp_4").says(&["Well."]).completed(),
    ];
    (script, gate)
}

async fn drive(ui: &mut Ui) -> Vec<Event> {
    let mut events = ui.task("u1", "look around").await;
    ui.say("u2", "go on").await;
    loop {
        let event = ui.next().await;
        let speaks = event.kind() == "agent_message_delta";
        events.push(event);
        if speaks {
            break;
        }
    }
    ui.interrupt().await;
    events.extend(ui.until_the_end_of("u2").await);
    events.extend(ui.task("u3", "how are you?").await);
    events
}

#[tokio::test]
async fn a_recorded_conversation_is_played_again_offline_event_by_event() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("talk.jsonl");
    let (script, _gate) = eventful();
    let server = ModelServer::start(script).await;
    let mut ui = recorded_at(&server, &file).configured().await;
    let first = drive(&mut ui).await;
    assert_eq!(first.last().unwrap().text("last_agent_message"), "Well.", "{}", ui.story());
    let expected = told(&first, &ui.workspace);
    ui.ends_with(0).await;
    drop(server);
    assert_eq!(exchanges(&file).len(), 6);

    let mut ui = replayed(&file, "'responses'").configured().await;
    let again = drive(&mut ui).await;
    let again = told(&again, &ui.workspace);
    // How a connection broke is told in other words by other servers.
    let compared =
        |lines: &[String]| lines.iter().filter(|line| !line.contains("stream_error")).cloned().collect::<Vec<_>>();
    assert_eq!(compared(&again), compared(&expected), "{}", ui.story());
    assert_eq!(again.len(), expected.len());
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_recording_has_requests_whole_and_no_secrets() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("talk.jsonl");
    let (script, _gate) = eventful();
    let server = ModelServer::start(script).await;
    let mut ui = recorded_at(&server, &file).configured().await;
    drive(&mut ui).await;
    ui.ends_with(0).await;
    let text = fs::read_to_string(&file).unwrap();
    assert!([KEY, URL_KEY, "account=1"].iter().all(|secret| !text.contains(secret)), "{text}");
    let exchanges = exchanges(&file);
    for (number, exchange) in (1..).zip(&exchanges) {
        assert_eq!(exchange["request"]["body"], server.request(number).await.body, "exchange {number}");
    }
    let said = |member: &str| exchanges.iter().map(|e| e["response"][member].clone()).collect::<Vec<_>>();
    assert_eq!(said("status"), [429, 200, 200, 200, 200, 200]);
    assert_eq!(exchanges[0]["response"]["headers"]["retry-after"], "0");
    let (yes, no) = (json!(true), Value::Null);
    assert_eq!(said("cut"), [&no, &yes, &no, &no, &no, &no].map(Value::clone));
    assert_eq!(said("left"), [&no, &no, &no, &no, &yes, &no].map(Value::clone));
}

#[tokio::test]
async fn chat_completions_are_recorded_and_played_too() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("talk.jsonl");
    let delta = |content: &str| json!({"choices": [{"index": 0, "delta": {"content": content}}]});
    let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    let answer = Answer::stream().events([delta("Hel"), delta("lo."), end]).bytes(b"data: [DONE]\n\n").ends();
    let missing = Answer::refusal(404, &[], r#"{"detail":"Not Found"}"#);
    let server = ModelServer::start([missing, answer]).await;
    let mut ui = recorded_at(&server, &file).provider("wire_api", "'auto'").configured().await;
    let first = ui.task("u1", "hello").await;
    assert_eq!(first.last().unwrap().text("last_agent_message"), "Hello.", "{}", ui.story());
    let expected = told(&first, &ui.workspace);
    ui.ends_with(0).await;
    drop(server);
    let mut ui = replayed(&file, "'auto'").configured().await;
    let again = ui.task("u1", "hello").await;
    assert_eq!(told(&again, &ui.workspace), expected, "{}", ui.story());
    ui.ends_with(0).await;
}

#[tokio::test]
async fn the_first_request_that_differs_is_told_with_the_difference() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("talk.jsonl");
    let server = ModelServer::start([
        Response::of("resp_1").says(&["One."]).completed(),
        Response::of("resp_2").says(&["Two."]).completed(),
    ])
    .await;
    let mut ui = recorded_at(&server, &file).configured().await;
    ui.task("u1", "one").await;
    ui.task("u2", "two").await;
    ui.ends_with(0).await;
    let mut ui = replayed(&file, "'responses'").configured().await;
    assert_eq!(ui.task("u1", "one").await.last().unwrap().kind(), "task_complete");
    let events = ui.task("u2", "twice").await;
    let error = events.last().unwrap().text("message").to_owned();
    for words in ["exchange 2 differs", "input[3].content[0].text was", "two", "twice"] {
        assert!(error.contains(words), "{words:?} is not in {error}");
    }
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_told_before_anything_is_asked() {
    let server = ModelServer::start([]).await;
    let mut ui = recorded_at(&server, Path::new("/nonexistent/talk.jsonl")).configured().await;
    let events = ui.task("u1", "hello").await;
    let error = events.last().unwrap();
    assert!(error.kind() == "error" && error.text("message").contains("/nonexistent/talk.jsonl"), "{error:?}");
    assert_eq!(server.count(), 0);
    ui.ends_with(0).await;
}

/// A command can put a link where the next recording will be.
#[tokio::test]
async fn a_recording_is_not_written_where_a_link_leads() {
    let server = ModelServer::start([]).await;
    let directory = TempDir::new().unwrap();
    let (victim, link) = (directory.path().join("victim"), directory.path().join("talk.jsonl"));
    fs::write(&victim, "intact").unwrap();
    std::os::unix::fs::symlink(&victim, &link).unwrap();
    let mut ui = recorded_at(&server, &link).configured().await;
    let events = ui.task("u1", "hello").await;
    assert_eq!(events.last().unwrap().kind(), "error", "{}", ui.story());
    assert_eq!((server.count(), fs::read_to_string(&victim).unwrap().as_str()), (0, "intact"));
    ui.ends_with(0).await;
}
