//! The provider `replay`, through a whole engine: what a UI hears of a recording, good or bad.
#![expect(clippy::unwrap_used, reason = "a set-up that fails must fail its test")]

use llmx_actors::{
    config::{ConfigSources, load},
    engine::{Engine, EngineHandle, EngineOptions},
    executor::process::HelperPath,
    outbox::{EventStream, event_stream},
};
use llmx_protocol::wire::{
    event::{Event, EventMsg},
    submission::Submission,
};
use std::{io::Write, path::Path, time::Duration};

const HELLO: &str = concat!(
    r#"{"request":{"contains":["hi there"]},"response":{"events":["#,
    r#"{"data":{"type":"response.output_item.done","output_index":0,"item":{"type":"message","role":"assistant","#,
    r#""content":[{"type":"output_text","text":"hello"}]}}},"#,
    r#"{"data":{"type":"response.completed","response":{"id":"resp_{{n}}"}}}]}}"#,
);

fn recording(lines: &[&str]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(lines.join("\n").as_bytes()).unwrap();
    file
}

fn engine(recording: Option<&Path>) -> EngineHandle {
    let recording = recording.map(|path| format!("model_providers.replay.recording='{}'", path.display()));
    let overrides = [Some("model_provider=replay".to_owned()), recording].into_iter().flatten().collect();
    let loaded = load(&ConfigSources { overrides, ..ConfigSources::default() }).unwrap();
    Engine::launch(EngineOptions::configured(loaded.config, vec![], vec![], HelperPath::this_program()))
}

/// Opens a session, submits `text` and gives back what the task's events are, its own input left out.
async fn ask(engine: &EngineHandle, text: &str) -> Vec<EventMsg> {
    let (subscriber, events) = event_stream();
    let session = engine.open_session(subscriber).await.unwrap();
    let lines = [
        r#"{"id":"c","op":{"type":"configure_session","cwd":"/"}}"#.to_owned(),
        format!(r#"{{"id":"u","op":{{"type":"user_input","items":[{{"type":"text","text":"{text}"}}]}}}}"#),
    ];
    for line in lines {
        session.submit(Submission::parse(line.as_bytes())).await.unwrap();
    }
    session.no_more_input().await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), task_events(events)).await.unwrap()
}

async fn task_events(mut events: EventStream) -> Vec<EventMsg> {
    let mut said = Vec::new();
    while let Some(delivery) = events.next().await {
        let lines = delivery.lines().split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        said.extend(lines.map(|line| serde_json::from_slice::<Event>(line).unwrap()));
    }
    let input = |msg: &EventMsg| {
        matches!(msg, EventMsg::ItemStarted(_) | EventMsg::ItemCompleted(_) | EventMsg::UserMessage { .. })
    };
    said.into_iter().filter(|event| event.id.as_str() == "u" && !input(&event.msg)).map(|event| event.msg).collect()
}

/// Expects that the task fails at once, without another try, for a reason that holds these words.
async fn check_failure(recording: Option<&Path>, words: &[&str]) {
    let events = ask(&engine(recording), "hi there").await;
    let [EventMsg::TaskStarted { .. }, EventMsg::Error { message }] = &events[..] else {
        panic!("{events:?}");
    };
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
}

#[actix::test]
async fn every_session_hears_the_recording_from_its_start() {
    let file = recording(&[HELLO]);
    let engine = engine(Some(file.path()));
    for _ in 0..2 {
        let events = ask(&engine, "hi there").await;
        let done = EventMsg::TaskComplete { last_agent_message: Some("hello".into()) };
        assert_eq!(events.last(), Some(&done), "{events:?}");
    }
}

#[actix::test]
async fn a_recording_that_cannot_be_used_is_one_error_that_says_where() {
    check_failure(None, &["model_providers.replay.recording"]).await;
    check_failure(Some(Path::new("/nowhere/r.jsonl")), &["/nowhere/r.jsonl", "No such file"]).await;
    let bad = recording(&[HELLO, r#"{"answer":1}"#]);
    check_failure(Some(bad.path()), &[bad.path().to_str().unwrap(), "line 2", "unknown field `answer`"]).await;
}

#[actix::test]
async fn a_request_that_was_not_recorded_is_one_error_that_says_what_was_expected() {
    let other = HELLO.replace("hi there", "good morning");
    check_failure(Some(recording(&[&other]).path()), &["exchange 1 expects", "contains", "good morning"]).await;
    check_failure(Some(recording(&[]).path()), &["every exchange was used"]).await;
}
