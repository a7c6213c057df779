//! The replayed model over its real socket: raw HTTP/1.1 in, raw bytes out.
#![expect(clippy::unwrap_used, reason = "a set-up that fails must fail its test")]

use llmx_actors::replay::{
    Exchange, Pace, Recording, ReplayOptions, ReplayServer,
    exchange::{events, plain, shell_call, text_answer, tool_call},
};
use serde_json::{Value, json};
use std::future::Future;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::LocalSet,
};

/// Runs a test that talks to a server of these exchanges.
fn with_server<F: Future>(exchanges: Vec<Exchange>, test: impl FnOnce(ReplayServer) -> F) -> F::Output {
    with_paced_server(Pace::Immediate, exchanges, test)
}

fn with_paced_server<F: Future>(
    pace: Pace,
    exchanges: Vec<Exchange>,
    test: impl FnOnce(ReplayServer) -> F,
) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let server = ReplayServer::start(exchanges.into(), ReplayOptions { pace }).await.unwrap();
        test(server).await
    })
}

fn authority(server: &ReplayServer) -> String {
    let url = server.base_url();
    url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/v1")).unwrap().to_owned()
}

async fn send(authority: &str, method: &str, path: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// A whole response: status line and headers in lower case, and the body without its chunk frames.
struct Reply {
    head: String,
    body: String,
    /// Whether HTTP's own end mark was there.
    whole: bool,
}

impl Reply {
    async fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        // A connection that is cut may be reset instead of closed; what came before counts in both cases.
        let _closed_or_reset = stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8(bytes).unwrap();
        let (head, rest) = text.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        if !head.contains("transfer-encoding: chunked") {
            return Self { head, body: rest.to_owned(), whole: true };
        }
        let (body, whole) = dechunked(rest);
        Self { head, body, whole }
    }

    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn error_message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap().to_owned()
    }

    /// The JSON of the server-sent events; each event's name must be its type.
    fn events(&self) -> Vec<Value> {
        let event = |text: &str| {
            let (name, data) = text.split_once("\ndata: ").unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(Some(name), data["type"].as_str().map(|kind| format!("event: {kind}")).as_deref());
            data
        };
        self.body.split_terminator("\n\n").map(event).collect()
    }

    fn event_types(&self) -> Vec<String> {
        self.events().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    fn response_id(&self) -> Value {
        self.events().last().unwrap()["response"]["id"].clone()
    }
}

fn dechunked(mut rest: &str) -> (String, bool) {
    let mut body = String::new();
    while let Some((size, data)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        body.push_str(&data[..size]);
        rest = &data[size + 2..];
    }
    (body, false)
}

async fn ask(authority: &str, body: &str) -> Reply {
    Reply::read(send(authority, "POST", "/v1/responses", body).await).await
}

/// What one request to a server of one exchange gets.
fn reply_of(exchange: Exchange) -> Reply {
    with_server(vec![exchange], async |server| ask(&authority(&server), "{}").await)
}

fn recorded(response: &str) -> Exchange {
    let line = format!(r#"{{"response":{response}}}"#);
    Recording::parse(&line).unwrap().exchanges.remove(0)
}

#[test]
fn a_stream_has_the_headers_and_the_order_of_the_recording() {
    let data = |n: u32| json!({"type": "response.output_text.delta", "delta": n.to_string()});
    let sent: Vec<Value> = (0..500).map(data).collect();
    let reply = reply_of(events(sent.clone()));
    assert_eq!(reply.status(), 200);
    assert!(reply.head.contains("content-type: text/event-stream"), "{}", reply.head);
    assert!(reply.head.contains("transfer-encoding: chunked"), "{}", reply.head);
    assert_eq!((reply.events(), reply.whole), (sent, true));
}

#[test]
fn a_text_answer_is_a_complete_response() {
    let reply = reply_of(text_answer("Hello big world"));
    let delta = "response.output_text.delta";
    let expected = [
        "response.created",
        "response.output_item.added",
        delta,
        delta,
        delta,
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(reply.event_types(), expected);
    let events = reply.events();
    let deltas: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(deltas, "Hello big world");
    assert_eq!(events[5]["item"]["content"][0]["text"], "Hello big world");
    assert_eq!(events[6]["response"]["usage"]["total_tokens"], 13);
    assert_eq!(events[0]["response"]["id"], "resp_1");
    assert_eq!(reply.response_id(), "resp_1");
}

#[test]
fn a_call_carries_its_arguments_as_text() {
    let cases = [
        (shell_call("c1", &["ls", "-l"]), "shell", json!({"command": ["ls", "-l"]})),
        (tool_call("update_plan", "c1", &json!({"plan": []})), "update_plan", json!({"plan": []})),
    ];
    for (exchange, name, arguments) in cases {
        let reply = reply_of(exchange);
        let events = reply.events();
        let done = events.iter().find(|event| event["type"] == "response.output_item.done").unwrap();
        let item = &done["item"];
        assert_eq!((&item["type"], &item["call_id"]), (&json!("function_call"), &json!("c1")));
        assert_eq!(item["name"], name);
        let text = item["arguments"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), arguments);
        assert_eq!(reply.event_types().last().unwrap(), "response.completed");
    }
}

#[test]
fn a_plain_answer_has_its_status_headers_and_body() {
    let cases = [
        (plain(hyper::StatusCode::TOO_MANY_REQUESTS, "slow down"), 429, "text/plain", "slow down"),
        (recorded(r#"{"status":500,"body":{"error":{}}}"#), 500, "application/json", r#"{"error":{}}"#),
        (recorded(r#"{"headers":{"content-type":"a/b"},"body":"{}"}"#), 200, "a/b", "{}"),
    ];
    for (exchange, status, content_type, body) in cases {
        let reply = reply_of(exchange);
        assert_eq!((reply.status(), reply.body.as_str()), (status, body));
        assert_eq!(reply.head.matches("content-type").count(), 1);
        assert!(reply.head.contains(&format!("content-type: {content_type}")), "{}", reply.head);
    }
    let reply = reply_of(recorded(r#"{"status":429,"headers":{"Retry-After":"3"},"body":""}"#));
    assert!(reply.head.contains("retry-after: 3"), "{}", reply.head);
}

#[test]
fn a_stream_that_was_cut_is_cut_again() {
    let reply = reply_of(text_answer("Hello").cut_after(2));
    assert_eq!(reply.event_types(), ["response.created", "response.output_item.added"]);
    assert!(!reply.whole);
}

#[test]
fn exchanges_are_numbered_and_answer_in_order() {
    with_server(vec![text_answer("a"), text_answer("b")], async |server| {
        let authority = authority(&server);
        assert_eq!(server.unused(), [1, 2]);
        assert_eq!(ask(&authority, "{}").await.response_id(), "resp_1");
        assert_eq!(server.unused(), [2]);
        assert_eq!(ask(&authority, "{}").await.response_id(), "resp_2");
        assert!(server.unused().is_empty() && server.mismatches().is_empty());
    });
}

#[test]
fn a_request_without_an_answer_is_told_why_and_remembered() {
    with_server(vec![text_answer("a").contains("hello")], async |server| {
        let authority = authority(&server);
        let request = json!({"input": [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]});
        let reply = ask(&authority, &request.to_string()).await;
        assert_eq!(reply.status(), 400);
        assert_eq!(reply.json()["error"]["code"], "replay_mismatch");
        let message = reply.error_message();
        assert!(message.contains(r#"exchange 1 expects a request that contains "hello""#), "{message}");
        assert!(message.contains("two") && !message.contains("one"), "{message}");
        let remembered: Vec<String> = server.mismatches().iter().map(ToString::to_string).collect();
        assert_eq!(remembered, [message]);
        assert_eq!(ask(&authority, "hello").await.status(), 200);
        assert!(ask(&authority, "hello").await.error_message().contains("every exchange was used"));
    });
}

#[test]
fn two_sessions_at_once_get_their_own_answers() {
    let exchanges = vec![
        shell_call("a1", &["true"]).contains("session A").lacks("output"),
        shell_call("b1", &["true"]).contains("session B").lacks("output"),
        text_answer("A is done").contains("session A").contains("output"),
        text_answer("B is done").contains("session B").contains("output"),
    ];
    with_server(exchanges, async |server| {
        let authority = authority(&server);
        let session = async |name: &str| {
            let first = ask(&authority, name).await.response_id();
            let second = ask(&authority, &format!("{name} output")).await.response_id();
            [first, second]
        };
        let (a, b) = tokio::join!(session("session A"), session("session B"));
        assert_eq!((a, b), ([json!("resp_1"), json!("resp_3")], [json!("resp_2"), json!("resp_4")]));
    });
}

#[test]
fn pauses_do_not_change_the_order() {
    let exchanges = vec![text_answer("one two three").paced(1), text_answer("four").paced(1)];
    with_paced_server(Pace::Recorded, exchanges, async |server| {
        let authority = authority(&server);
        let (first, second) = tokio::join!(ask(&authority, "{}"), ask(&authority, "{}"));
        let said = |reply: &Reply| {
            reply.events().iter().filter_map(|event| event["delta"].as_str().map(str::to_owned)).collect::<String>()
        };
        let mut said = [said(&first), said(&second)];
        said.sort();
        assert_eq!(said, ["four", "one two three"]);
    });
}

#[test]
fn a_stalled_stream_shows_what_came_before_and_ends_with_its_client() {
    let stalled =
        recorded(r#"{"events":[{"data":{"type":"first"}},{"after_ms":4000000000,"data":{"type":"second"}}]}"#);
    with_paced_server(Pace::Recorded, vec![stalled, text_answer("next")], async |server| {
        let authority = authority(&server);
        let mut client = send(&authority, "POST", "/v1/responses", "{}").await;
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains("event: first") {
            assert_ne!(client.read_buf(&mut seen).await.unwrap(), 0, "the first event precedes the stall");
        }
        drop(client);
        assert_eq!(ask(&authority, "{}").await.response_id(), "resp_2");
    });
}

#[test]
fn models_are_listed_and_other_paths_are_refused() {
    with_server(vec![], async |server| {
        let authority = authority(&server);
        let models = Reply::read(send(&authority, "GET", "/v1/models", "").await).await;
        assert_eq!((models.status(), &models.json()["data"][0]["id"]), (200, &json!("replay")));
        for (method, path) in [("GET", "/v1/responses"), ("POST", "/v1/chat/completions")] {
            let reply = Reply::read(send(&authority, method, path, "").await).await;
            assert_eq!(reply.status(), 404);
            assert!(reply.error_message().starts_with(&format!("{method} {path} is not replayed")));
        }
        assert!(server.mismatches().is_empty());
    });
}

#[test]
fn a_dropped_server_closes_its_port_and_its_connections() {
    with_server(vec![text_answer("a")], async |server| {
        let authority = authority(&server);
        let mut idle = TcpStream::connect(&authority).await.unwrap();
        assert_eq!(ask(&authority, "{}").await.status(), 200);
        drop(server);
        assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0);
        assert!(TcpStream::connect(&authority).await.is_err());
    });
}
