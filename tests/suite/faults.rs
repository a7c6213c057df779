//! What each fault of a model server comes to: on both wires, at the first request of a task and at a later one.
//! `cargo test -p llmx-tests faults -- --nocapture` prints the table.

use llmx_tests::world::{Answer, Event, ModelServer, Setup, deserted_url, shown};
use serde_json::{Value, json};
use std::time::Instant;

const TEXT: &str = "Hello.";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    Responses,
    Chat,
}

/// The answers that a good server gives, in pieces that a bad one is made of.
impl Wire {
    fn setting(self) -> &'static str {
        match self {
            Self::Responses => "'responses'",
            Self::Chat => "'chat'",
        }
    }

    /// A message under way.
    fn beginning(self) -> Vec<Value> {
        match self {
            Self::Responses => {
                let delta = |text: &str| json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "delta": text});
                let created = json!({"type": "response.created", "response": {"id": "resp_1"}});
                vec![created, delta("Hel"), delta("lo.")]
            }
            Self::Chat => {
                let delta = |text: &str| json!({"id": "c1", "choices": [{"index": 0, "delta": {"content": text}}]});
                vec![delta("Hel"), delta("lo.")]
            }
        }
    }

    /// What makes it complete.
    fn completion(self) -> Vec<Value> {
        match self {
            Self::Responses => {
                let content = json!([{"type": "output_text", "text": TEXT}]);
                let item = json!({"type": "message", "id": "msg_1", "role": "assistant", "content": content});
                vec![
                    json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
                    json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed"}}),
                ]
            }
            Self::Chat => vec![json!({"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})],
        }
    }

    /// What a server closes its stream with.
    fn farewell(self) -> &'static [u8] {
        match self {
            Self::Responses => b"",
            Self::Chat => b"data: [DONE]\n\n",
        }
    }

    fn begun(self) -> Answer {
        Answer::stream().events(self.beginning())
    }

    fn hello(self) -> Answer {
        self.ended(self.begun().events(self.completion()))
    }

    fn ended(self, answer: Answer) -> Answer {
        if self.farewell().is_empty() { answer.ends() } else { answer.bytes(self.farewell()).ends() }
    }

    /// A call of `shell` that makes a later request necessary.
    fn call(self, script: &str) -> Answer {
        let arguments = json!({"command": ["sh", "-c", script]}).to_string();
        let events = match self {
            Self::Responses => {
                let item =
                    json!({"type": "function_call", "call_id": "call_1", "name": "shell", "arguments": arguments});
                vec![
                    json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
                    json!({"type": "response.completed", "response": {"id": "resp_0", "status": "completed"}}),
                ]
            }
            Self::Chat => {
                let function = json!({"name": "shell", "arguments": arguments});
                let call = json!({"index": 0, "id": "call_1", "type": "function", "function": function});
                let choice = json!({"index": 0, "delta": {"tool_calls": [call]}});
                let end = json!({"index": 0, "delta": {}, "finish_reason": "tool_calls"});
                vec![json!({"choices": [choice]}), json!({"choices": [end]})]
            }
        };
        self.ended(Answer::stream().events(events))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The task completes; nothing was asked twice.
    NoMatter,
    /// The task completes with the second request.
    TriedAgain,
    /// The same. The UI hears of it only where it was not a kept connection that was lost.
    ConnectedAgain,
    /// The task ends at once, with an error that has these words.
    Fatal(&'static str),
}

use Outcome::{ConnectedAgain, Fatal, NoMatter, TriedAgain};

type Fault = (&'static str, Outcome, fn(Wire) -> Answer);

/// `Retry-After` as a date: one that has passed.
const LONG_AGO: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

const FAULTS: &[Fault] = &[
    ("reset", ConnectedAgain, |_| Answer::hangup()),
    ("408", TriedAgain, |_| refusal(408, &[])),
    ("409", TriedAgain, |_| refusal(409, &[])),
    ("429", TriedAgain, |_| refusal(429, &[])),
    ("429, Retry-After: 0", TriedAgain, |_| refusal(429, &[("retry-after", "0")])),
    ("429, Retry-After: a date", TriedAgain, |_| refusal(429, &[("retry-after", LONG_AGO)])),
    (
        "429, Retry-After: 2 h",
        Fatal("429 Too Many Requests (server: no): the server asks to be left alone for 7200 s"),
        |_| refusal(429, &[("retry-after", "7200")]),
    ),
    ("500", TriedAgain, |_| refusal(500, &[])),
    ("502 with a page", TriedAgain, |_| page(502)),
    ("401", Fatal("unexpected status 401"), |_| refusal(401, &[])),
    ("400, context overflow", Fatal("ran out of room in the model's context window"), |_| {
        Answer::refusal(400, &[], r#"{"error":{"code":"context_length_exceeded","message":"too long"}}"#)
    }),
    ("429, no quota", Fatal("Quota exceeded"), |_| {
        Answer::refusal(429, &[], r#"{"error":{"code":"insufficient_quota","message":"pay"}}"#)
    }),
    ("garbage", TriedAgain, |_| Answer::stream().bytes(b"\x00\xff{]\n\ndata: nonsense\n\n").ends()),
    ("half an event", TriedAgain, |wire| wire.begun().bytes(b"data: {\"type\":\"resp").ends()),
    ("half an event, then more", TriedAgain, |wire| {
        wire.ended(wire.begun().bytes(b"data: {\"half\": \"an event\n\n").events(wire.completion()))
    }),
    ("cut", TriedAgain, |wire| wire.begun().cuts()),
    ("stall", TriedAgain, |wire| wire.begun().stalls()),
    ("no answer", TriedAgain, |_| Answer::never()),
    ("slow drip", NoMatter, drip),
    ("end without completion", TriedAgain, |wire| wire.begun().ends()),
    ("completion twice", NoMatter, |wire| wire.ended(wire.begun().events(wire.completion()).events(wire.completion()))),
    ("completion, then more", NoMatter, |wire| {
        wire.ended(wire.begun().events(wire.completion()).events(wire.beginning()))
    }),
    ("completion, then an open connection", NoMatter, |wire| wire.begun().events(wire.completion()).stalls()),
    ("wrong content type", TriedAgain, |_| page(200)),
    ("redirect", Fatal("unexpected status 307"), |_| refusal(307, &[("location", "http://127.0.0.1:9/")])),
    ("gzip", Fatal("content-encoding gzip"), |_| {
        let headers = [("content-type", "text/event-stream"), ("content-encoding", "gzip")];
        Answer::whole(200, &headers, b"\x1f\x8b\x08\x00\x00\x00\x00\x00")
    }),
];

fn refusal(status: u16, headers: &[(&str, &str)]) -> Answer {
    Answer::refusal(status, headers, r#"{"error":{"message":"no"}}"#)
}

fn page(status: u16) -> Answer {
    Answer::whole(status, &[("content-type", "text/html")], b"<html><body>Bad Gateway</body></html>")
}

/// Byte by byte.
fn drip(wire: Wire) -> Answer {
    let events = wire.beginning().into_iter().chain(wire.completion());
    let text: String = events.map(|event| format!("data: {event}\n\n")).collect();
    text.bytes().fold(Answer::stream(), |answer, byte| answer.bytes(&[byte])).ends()
}

fn patient(server_url: &str, wire: Wire) -> Setup {
    let setup = Setup::with_model_at(server_url).provider("wire_api", wire.setting());
    setup
        .provider("stream_idle_timeout_ms", "1000")
        .provider("request_max_retries", "1")
        .provider("stream_max_retries", "1")
}

fn count(events: &[Event], kind: &str) -> usize {
    events.iter().filter(|event| event.kind() == kind).count()
}

/// The fault after `earlier` good answers; a line of the table.
async fn suffer((name, expected, fault): &Fault, wire: Wire, earlier: Vec<Answer>) -> String {
    let before = earlier.len();
    let place = if before == 0 { "first" } else { "later" };
    let script = earlier.into_iter().chain([fault(wire), wire.hello()]);
    let server = ModelServer::start(script).await;
    let mut ui = patient(&server.url(), wire).configured().await;
    let began = Instant::now();
    let events = ui.task("u1", "hello").await;
    let took = began.elapsed();
    let case = format!("{name}, {wire:?}, {place} request; {}", ui.story());
    let last = events.last().unwrap();
    let (requests, retries) = (server.count() - before, count(&events, "stream_error"));
    match expected {
        NoMatter => assert_eq!((last.kind(), requests, retries), ("task_complete", 1, 0), "{case}"),
        TriedAgain => assert_eq!((last.kind(), requests, retries), ("task_complete", 2, 1), "{case}"),
        ConnectedAgain => {
            assert_eq!((last.kind(), requests, retries), ("task_complete", 2, usize::from(before == 0)), "{case}");
        }
        Fatal(words) => {
            assert_eq!((last.kind(), requests, retries), ("error", 1, 0), "{case}");
            assert!(last.text("message").contains(words), "{words:?} is not said: {case}");
        }
    }
    let on_screen = if matches!(expected, Fatal(_)) { "" } else { TEXT };
    assert_eq!(shown(&events), on_screen, "{case}");
    assert_eq!(count(&events, "agent_message"), usize::from(!on_screen.is_empty()), "{case}");
    ui.ends_with(0).await;
    format!("| {name} | {wire:?} | {place} | {expected:?} | {requests} | {} ms |\n", took.as_millis())
}

#[expect(clippy::print_stdout, reason = "the table is what a person runs this for")]
async fn suffer_all(wire: Wire, earlier: impl Fn() -> Vec<Answer>) {
    let mut table = String::from("| fault | wire | request | outcome | requests | time |\n|---|---|---|---|---|---|\n");
    for fault in FAULTS {
        table.push_str(&suffer(fault, wire, earlier()).await);
    }
    println!("{table}");
}

#[tokio::test]
async fn faults_of_the_first_request_on_responses() {
    suffer_all(Wire::Responses, Vec::new).await;
}

#[tokio::test]
async fn faults_of_a_later_request_on_responses() {
    suffer_all(Wire::Responses, || vec![Wire::Responses.call("true")]).await;
}

#[tokio::test]
async fn faults_of_the_first_request_on_chat() {
    suffer_all(Wire::Chat, Vec::new).await;
}

#[tokio::test]
async fn faults_of_a_later_request_on_chat() {
    suffer_all(Wire::Chat, || vec![Wire::Chat.call("true")]).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again_and_named() {
    for wire in [Wire::Responses, Wire::Chat] {
        let mut ui = patient(&deserted_url().await, wire).configured().await;
        let events = ui.task("u1", "hello").await;
        let last = events.last().unwrap();
        assert!(last.kind() == "error" && last.text("message").contains("refused"), "{wire:?}: {last:?}");
        assert_eq!(count(&events, "stream_error"), 1);
        ui.ends_with(0).await;
    }
}

#[tokio::test]
async fn a_server_that_goes_away_during_a_task_is_tried_again_and_named() {
    for wire in [Wire::Responses, Wire::Chat] {
        let waits = wire.call("while [ ! -e gone ]; do sleep 0.01; done").cuts();
        let server = ModelServer::start([waits]).await;
        let mut ui = patient(&server.url(), wire).configured().await;
        ui.say("u1", "hello").await;
        ui.until("exec_command_begin").await;
        drop(server);
        ui.workspace.write("gone", "");
        let events = ui.until_the_end_of("u1").await;
        let last = events.last().unwrap();
        assert!(last.kind() == "error" && last.text("message").contains("refused"), "{wire:?}: {}", ui.story());
        ui.ends_with(0).await;
    }
}

/// An event of 50 MB, which no server sends in earnest, costs what an event may be long and not what it is.
#[tokio::test]
async fn an_event_without_end_is_refused_and_not_kept() {
    const MEGABYTE: usize = 1 << 20;
    for wire in [Wire::Responses, Wire::Chat] {
        let piece = vec![b'x'; MEGABYTE];
        let endless = (0..50).fold(wire.begun().bytes(b"data: {\"type\":\""), |answer, _| answer.bytes(&piece));
        let server = ModelServer::start([endless.bytes(b"\"}\n\n").ends(), wire.hello()]).await;
        let mut ui = patient(&server.url(), wire).configured().await;
        let before = ui.memory();
        let events = ui.task("u1", "hello").await;
        let last = events.last().unwrap();
        assert!(last.kind() == "error" && last.text("message").contains("larger than"), "{wire:?}: {last:?}");
        let grown = (ui.memory().peak - before.peak) / MEGABYTE as u64;
        assert!(grown < 40, "{wire:?}: {grown} MB more");
        assert_eq!(ui.task("u2", "again").await.last().unwrap().kind(), "task_complete");
        ui.ends_with(0).await;
    }
}
