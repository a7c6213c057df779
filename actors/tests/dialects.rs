//! An engine and a real HTTP server: which requests a provider's `wire_api` leads to, and what a UI is told.
#![expect(clippy::unwrap_used, reason = "a set-up that fails must fail its test")]

use llmx_actors::{
    config::{ConfigSources, Environment, load},
    engine::{Engine, EngineHandle, EngineOptions, Placement, SessionHandle},
    executor::process::HelperPath,
    outbox::{EventStream, event_stream},
};
use llmx_protocol::wire::submission::Submission;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const DEADLINE: Duration = Duration::from_secs(30);

/// What the server answers with.
struct Reply {
    status: u16,
    kind: &'static str,
    body: String,
    /// Whether the connection is closed before the body is whole.
    is_cut: bool,
}

fn reply(status: u16, body: impl Into<String>) -> Reply {
    Reply { status, kind: "application/json", body: body.into(), is_cut: false }
}

fn sse(events: &[&str]) -> Reply {
    let body: String = events.iter().map(|data| format!("data: {data}\n\n")).collect();
    Reply { kind: "text/event-stream", ..reply(200, body) }
}

/// A message in Chat.
fn chat_says(text: &str) -> Reply {
    let delta = json!({"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {"content": text}}]}).to_string();
    sse(&[&delta, STOP, r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#, "[DONE]"])
}

/// A message in Responses; the server has no name for the response if `id` is empty.
fn responses_say(text: &str, id: &str) -> Reply {
    let item = json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]});
    let done = json!({"type": "response.output_item.done", "item": item}).to_string();
    sse(&[&done, &json!({"type": "response.completed", "response": {"id": id}}).to_string()])
}

const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

/// A request as the server saw it.
#[derive(Clone, Debug)]
struct Seen {
    path: String,
    body: Value,
}

/// A server on a port of its own that lives as long as the test's runtime.
struct Server {
    base_url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// `answer` is given the path and how many requests there were before.
    async fn start(answer: impl Fn(&str, usize) -> Reply + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let log = seen.clone();
        actix::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let request = read_request(&mut connection).await;
                let (path, before) = {
                    let mut log = log.lock().unwrap();
                    log.push(request.clone());
                    (request.path, log.len() - 1)
                };
                write_reply(&mut connection, &answer(&path, before)).await;
            }
        });
        Self { base_url, seen }
    }

    fn paths(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|seen| seen.path.trim_start_matches("/v1/").to_owned()).collect()
    }

    fn body(&self, n: usize) -> Value {
        self.seen.lock().unwrap()[n].body.clone()
    }
}

async fn read_request(connection: &mut TcpStream) -> Seen {
    let mut reader = BufReader::new(connection);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        if line.trim().is_empty() {
            break;
        }
        head.push(line.to_ascii_lowercase());
    }
    let length = head.iter().find_map(|line| line.strip_prefix("content-length:")).unwrap();
    let mut body = vec![0; length.trim().parse().unwrap()];
    reader.read_exact(&mut body).await.unwrap();
    let path = head[0].split(' ').nth(1).unwrap().to_owned();
    Seen { path, body: serde_json::from_slice(&body).unwrap() }
}

async fn write_reply(connection: &mut TcpStream, reply: &Reply) {
    let Reply { status, kind, body, is_cut } = reply;
    let length = body.len() + usize::from(*is_cut);
    let text = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    connection.write_all(text.as_bytes()).await.unwrap();
    connection.shutdown().await.unwrap();
}

fn engine(server: &Server, wire_api: &str) -> EngineHandle {
    let overrides = [
        "model_provider=mock".to_owned(),
        "model=m".to_owned(),
        // Without a warning of its own.
        "sandbox_mode=danger-full-access".to_owned(),
        "model_providers.mock.name=Mock".to_owned(),
        "model_providers.mock.request_max_retries=0".to_owned(),
        format!("model_providers.mock.base_url={}", server.base_url),
        format!("model_providers.mock.wire_api={wire_api}"),
    ];
    let sources = ConfigSources {
        home: None,
        overrides: overrides.into(),
        environment: [("HOME", "/")].into_iter().collect::<Environment>(),
    };
    let config = load(&sources).unwrap().config;
    let mut options = EngineOptions::configured(config, Vec::new(), Vec::new(), HelperPath::this_program());
    options.placement = Placement::Spread(2);
    Engine::launch(options)
}

/// A UI of one session.
struct Ui {
    /// Kept: an engine that nobody holds ends.
    _engine: EngineHandle,
    session: SessionHandle,
    events: EventStream,
    unread: Vec<Value>,
    submitted: usize,
}

impl Ui {
    async fn open(engine: &EngineHandle) -> Self {
        let (subscriber, events) = event_stream();
        let session = engine.open_session(subscriber).await.unwrap();
        let mut ui = Self { _engine: engine.clone(), session, events, unread: Vec::new(), submitted: 0 };
        ui.submit(json!({"type": "configure_session", "cwd": "/"})).await;
        ui.until(&["session_configured"]).await;
        ui
    }

    async fn submit(&mut self, op: Value) {
        self.submitted += 1;
        let line = json!({"id": self.submitted.to_string(), "op": op}).to_string();
        self.session.submit(Submission::parse(line.as_bytes())).await.unwrap();
    }

    /// The task's events up to its end.
    async fn task(&mut self, text: &str) -> Told {
        self.task_from(text, None).await
    }

    async fn task_from(&mut self, text: &str, bookmark: Option<&str>) -> Told {
        let mut op = json!({"type": "user_input", "items": [{"type": "text", "text": text}]});
        if let Some(bookmark) = bookmark {
            op["last_response_id"] = json!(bookmark);
        }
        self.submit(op).await;
        Told(self.until(&["task_complete", "error"]).await)
    }

    async fn until(&mut self, ends: &[&str]) -> Vec<Value> {
        let mut told = Vec::new();
        loop {
            while !self.unread.is_empty() {
                let event = self.unread.remove(0)["msg"].take();
                let is_end = ends.iter().any(|end| event["type"] == *end);
                told.push(event);
                if is_end {
                    return told;
                }
            }
            let delivery = timeout(DEADLINE, self.events.next()).await.unwrap().unwrap();
            let lines = serde_json::Deserializer::from_slice(delivery.lines()).into_iter::<Value>();
            self.unread.extend(lines.map(Result::unwrap));
        }
    }
}

/// What a UI was told of a task.
#[derive(Debug)]
struct Told(Vec<Value>);

impl Told {
    fn all(&self, kind: &str, member: &str) -> Vec<String> {
        let events = self.0.iter().filter(|event| event["type"] == kind);
        events.map(|event| event[member].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn messages(&self) -> Vec<String> {
        self.all("agent_message", "message")
    }

    fn warnings(&self) -> Vec<String> {
        self.all("warning", "message")
    }

    fn bookmarks(&self) -> Vec<String> {
        self.all("turn_complete", "response_id")
    }

    fn errors(&self) -> Vec<String> {
        self.all("error", "message")
    }

    fn retries(&self) -> usize {
        self.all("stream_error", "message").len()
    }
}

const FALLBACK: &str = "model provider `Mock` has no Responses API: Chat Completions is used instead \
                        (`wire_api = \"chat\"` says so from the start)";

#[actix::test]
async fn responses_is_spoken_where_it_is_named() {
    let server = Server::start(|_, n| responses_say("hi", if n == 0 { "resp_1" } else { "" })).await;
    let mut ui = Ui::open(&engine(&server, "responses")).await;
    let told = [ui.task("a").await, ui.task("b").await];
    assert_eq!(told[0].messages(), ["hi"]);
    assert_eq!(told[0].bookmarks(), ["resp_1"]);
    assert!(told[1].bookmarks()[0].starts_with("llmx_"), "{told:?}");
    assert_eq!(server.paths(), ["responses", "responses"]);
}

#[actix::test]
async fn chat_is_spoken_where_it_is_named_with_tools_usage_and_bookmarks() {
    let call = |index: u32, id: &str| {
        json!({"index": index, "id": id, "type": "function",
            "function": {"name": "update_plan", "arguments": "{\"plan\""}})
    };
    let rest = |index: u32| json!({"index": index, "function": {"arguments": ":[]}"}});
    let chunk = |calls: Value| json!({"choices": [{"index": 0, "delta": {"tool_calls": calls}}]}).to_string();
    let calls = [chunk(json!([call(0, "a"), call(1, "b")])), chunk(json!([rest(1), rest(0)]))];
    let server = Server::start(move |_, n| match n {
        0 => sse(&[&calls[0], &calls[1], STOP, "[DONE]"]),
        _ => chat_says(&format!("answer {n}")),
    })
    .await;
    let mut ui = Ui::open(&engine(&server, "chat")).await;

    let told = ui.task("plan").await;
    assert_eq!(told.messages(), ["answer 1"]);
    assert_eq!((told.warnings(), told.errors()), (vec![], vec![]));
    assert_eq!(told.0.iter().filter(|event| event["type"] == "plan_update").count(), 2);
    let usage = told.0.iter().find(|event| event["type"] == "token_count").unwrap();
    assert_eq!(usage["info"]["last_token_usage"]["total_tokens"], 5);

    assert_eq!(server.paths(), ["chat/completions", "chat/completions"]);
    let body = server.body(1);
    assert_eq!((&body["stream"], &body["stream_options"]), (&json!(true), &json!({"include_usage": true})));
    assert_eq!(body["tools"][0]["function"]["name"], "shell");
    let roles = |n: usize| -> Vec<Value> {
        server.body(n)["messages"].as_array().unwrap().iter().map(|message| message["role"].clone()).collect()
    };
    assert_eq!(roles(0), ["system", "user", "user"]);
    assert_eq!(roles(1), ["system", "user", "user", "assistant", "tool", "tool"]);
    let sent = |message: usize| body["messages"][message].clone();
    assert_eq!(sent(3)["tool_calls"][1]["function"]["arguments"], r#"{"plan":[]}"#);
    assert_eq!(sent(4), json!({"role": "tool", "tool_call_id": "a", "content": "Plan updated"}));
    assert_eq!(sent(5), json!({"role": "tool", "tool_call_id": "b", "content": "Plan updated"}));

    let bookmarks = told.bookmarks();
    assert_eq!(bookmarks.len(), 2);
    assert_ne!(bookmarks[0], bookmarks[1]);
    assert_eq!(ui.task("go on").await.messages(), ["answer 2"]);
    assert_eq!(ui.task_from("go back", Some(&bookmarks[1])).await.messages(), ["answer 3"]);
    assert_eq!(roles(2).len(), 8);
    assert_eq!(roles(3).len(), 8, "the fork does not know the task after its bookmark");
    let unknown = ui.task_from("go where", Some("nowhere")).await;
    assert_eq!(unknown.errors(), ["last_response_id `nowhere` is not known in this session"]);
}

#[actix::test]
async fn auto_falls_back_to_chat_once_and_says_so_once() {
    let words = r#"{"error":{"message":"Unknown request URL: POST /v1/responses","type":"invalid_request_error"}}"#;
    let lm_studio = r#"{"error":"Unexpected endpoint or method. (POST /v1/responses). Returning 200 anyway"}"#;
    let refusals =
        [(404, r#"{"detail":"Not Found"}"#), (405, ""), (501, "<html>"), (400, words), (500, words), (200, lm_studio)];
    for (status, body) in refusals {
        let server = Server::start(move |path, _| match path {
            "/v1/responses" => reply(status, body),
            _ => chat_says("hi"),
        })
        .await;
        let engine = engine(&server, "auto");
        let mut ui = Ui::open(&engine).await;
        let first = ui.task("a").await;
        assert_eq!(first.messages(), ["hi"], "{status} {body}");
        assert_eq!((first.warnings(), first.retries()), (vec![FALLBACK.to_owned()], 0));
        let second = ui.task("b").await;
        assert_eq!((second.messages(), second.warnings()), (vec!["hi".to_owned()], vec![]));
        let elsewhere = Ui::open(&engine).await.task("c").await;
        assert_eq!((elsewhere.messages(), elsewhere.warnings()), (vec!["hi".to_owned()], vec![]));
        let chat = "chat/completions";
        assert_eq!(server.paths(), ["responses", chat, chat, chat], "{status} {body}");
    }
}

#[actix::test]
async fn auto_remembers_chat_that_was_busy() {
    let server = Server::start(|path, n| match (path, n) {
        ("/v1/responses", _) => reply(404, r#"{"detail":"Not Found"}"#),
        (_, 1) => reply(429, r#"{"error":{"message":"slow down"}}"#),
        (_, 2) => reply(400, r#"{"error":{"message":"bad"}}"#),
        (_, 5) => reply(404, ""),
        _ => chat_says("hi"),
    })
    .await;
    let mut ui = Ui::open(&engine(&server, "auto")).await;
    for _ in 0..2 {
        let told = ui.task("a").await;
        assert_eq!((told.errors().len(), told.warnings()), (1, vec![]), "{told:?}");
    }
    for warnings in [vec![FALLBACK.to_owned()], vec![]] {
        let told = ui.task("b").await;
        assert_eq!((told.messages(), told.warnings()), (vec!["hi".to_owned()], warnings));
    }
    let chat = "chat/completions";
    assert_eq!(server.paths(), ["responses", chat, chat, chat, chat]);
    assert_eq!(ui.task("c").await.errors().len(), 1);
    assert_eq!(ui.task("d").await.messages(), ["hi"], "what is gone is looked for again");
    assert_eq!(server.paths()[5..], [chat, "responses", chat]);
}

#[actix::test]
async fn auto_stays_with_responses_where_it_is_understood() {
    let server = Server::start(|path, n| match (path, n) {
        ("/v1/responses", 0) => responses_say("hi", "resp_1"),
        ("/v1/responses", 1) => reply(401, "{}"),
        ("/v1/responses", 2) => reply(503, "{}"),
        ("/v1/responses", 3) => {
            reply(404, r#"{"error":{"message":"The model `m` does not exist","code":"model_not_found"}}"#)
        }
        ("/v1/responses", _) => reply(400, r#"{"error":{"message":"bad"}}"#),
        _ => chat_says("never"),
    })
    .await;
    let mut ui = Ui::open(&engine(&server, "auto")).await;
    assert_eq!(ui.task("a").await.messages(), ["hi"]);
    for text in ["b", "c", "d", "e"] {
        let told = ui.task(text).await;
        assert_eq!((told.errors().len(), told.warnings()), (1, vec![]), "{told:?}");
    }
    assert_eq!(server.paths(), ["responses"; 5]);
}

#[actix::test]
async fn auto_remembers_nothing_of_a_server_that_knows_no_route() {
    let server = Server::start(|path, n| match (path, n) {
        (_, 0 | 1) => reply(404, r#"{"detail":"Not Found"}"#),
        ("/v1/responses", _) => responses_say("up", "resp_1"),
        _ => chat_says("never"),
    })
    .await;
    let mut ui = Ui::open(&engine(&server, "auto")).await;
    let told = ui.task("a").await;
    assert_eq!(
        told.errors(),
        [
            r#"the server has neither a Responses API nor Chat Completions: unexpected status 404 Not Found: {"detail":"Not Found"}"#
        ]
    );
    assert_eq!(ui.task("b").await.messages(), ["up"]);
    assert_eq!(server.paths(), ["responses", "chat/completions", "responses"]);
}

#[actix::test]
async fn a_cut_chat_is_asked_for_again_unless_the_answer_was_whole() {
    let server = Server::start(|_, n| {
        let delta = r#"{"choices":[{"index":0,"delta":{"content":"half"}}]}"#;
        match n {
            0 => Reply { is_cut: true, ..sse(&[delta]) },
            1 => Reply { is_cut: true, ..sse(&[delta, STOP]) },
            _ => chat_says("never"),
        }
    })
    .await;
    let mut ui = Ui::open(&engine(&server, "chat")).await;
    let told = ui.task("a").await;
    assert_eq!((told.messages(), told.retries()), (vec!["half".to_owned()], 1));
    assert_eq!(server.paths().len(), 2);
}

#[actix::test]
async fn thoughts_go_back_to_chat_by_the_name_that_they_came_by() {
    let server = Server::start(move |_, n| match n {
        0 => {
            let call =
                json!([{"index": 0, "id": "a", "function": {"name": "update_plan", "arguments": "{\"plan\":[]}"}}]);
            let chunk = |delta: Value| json!({"choices": [{"index": 0, "delta": delta}]}).to_string();
            sse(&[&chunk(json!({"reasoning": "hm"})), &chunk(json!({"tool_calls": call})), STOP, "[DONE]"])
        }
        _ => chat_says("hi"),
    })
    .await;
    let mut ui = Ui::open(&engine(&server, "chat")).await;
    assert_eq!(ui.task("a").await.messages(), ["hi"]);
    let sent = server.body(1)["messages"].clone();
    let assistant = sent.as_array().unwrap().iter().find(|message| message["role"] == "assistant").unwrap();
    assert_eq!((&assistant["reasoning"], assistant.get("reasoning_content")), (&json!("hm"), None), "{sent}");
}

#[actix::test]
async fn a_content_type_is_known_in_capitals() {
    for wire_api in ["responses", "chat"] {
        let server = Server::start(|path, _| {
            let answer = if path.ends_with("responses") { responses_say("hi", "resp_1") } else { chat_says("hi") };
            Reply { kind: "Text/Event-Stream;Charset=UTF-8", ..answer }
        })
        .await;
        let mut ui = Ui::open(&engine(&server, wire_api)).await;
        assert_eq!(ui.task("a").await.messages(), ["hi"], "{wire_api}");
    }
}

#[actix::test]
async fn a_chat_server_that_does_not_stream_is_understood() {
    let server = Server::start(|_, n| match n {
        0 => reply(200, r#"{"choices":[{"message":{"content":"whole"},"finish_reason":"length"}]}"#),
        _ => reply(200, r#"{"error":{"message":"bad","type":"invalid_request_error"}}"#),
    })
    .await;
    let mut ui = Ui::open(&engine(&server, "chat")).await;
    let told = ui.task("a").await;
    assert_eq!(told.messages(), ["whole"]);
    assert_eq!(told.warnings(), ["the model's answer was cut short: length"]);
    assert_eq!(ui.task("b").await.errors(), ["bad"]);
}
