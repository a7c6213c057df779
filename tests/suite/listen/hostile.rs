//! Clients that mean harm, or are broken: others notice nothing, memory stays bounded, nothing of them stays.
//!
//! `LLMX_HOSTILE=20` tries twenty times as hard.

use super::{Scene, times};
use futures_util::{SinkExt, StreamExt, future::join_all};
use llmx_tests::world::{
    Client, GLANCE, ModelServer, PATIENCE, Response, Server, Setup, Socket,
    processes::{none_left, one_appears},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Instant};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::Message;

/// What llmx may hold, in kB, unless a test says otherwise.
const MEMORY: u64 = 80_000;
/// The longest line that llmx reads, in bytes.
const LONGEST_LINE: usize = 16 * 1024 * 1024;

const UNIX: &str = "unix://s";
const WEB_SOCKET: &str = "ws://127.0.0.1:0";

/// Waits until llmx has no more files open than before: nothing of those who are gone stays.
async fn files_are_back_to(before: usize, server: &Server) {
    let start = Instant::now();
    while server.open_files() > before {
        assert!(start.elapsed() < PATIENCE, "{} files are open, {before} were", server.open_files());
        sleep(GLANCE).await;
    }
}

/// Lines that are no messages, with what is answered to each.
fn nonsense() -> Vec<(Vec<u8>, i64)> {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000)).into_bytes();
    let deep_params =
        format!(r#"{{"id":1,"method":"model/list","params":{}}}"#, String::from_utf8(deep("[", "]")).unwrap());
    let deep_schema = format!(
        r#"{{"id":1,"method":"turn/start","params":{{"threadId":"t","input":[],"outputSchema":{}}}}}"#,
        String::from_utf8(deep(r#"{"a":"#, "}").into_iter().collect()).unwrap().replace(":}", ":0}")
    );
    vec![
        (b"nonsense".to_vec(), -32700),
        (b"{".to_vec(), -32700),
        (br#"{"id":1,"method":"model/list""#.to_vec(), -32700),
        (b"\0\0\0".to_vec(), -32700),
        (b"\xff\xfe{}".to_vec(), -32700),
        (b"{\"id\":1,\"method\":\"\xff\"}".to_vec(), -32700),
        (br#"{"id":1,"method":"\ud800"}"#.to_vec(), -32700),
        (deep("[", "]"), -32600),
        (deep(r#"{"a":"#, "}"), -32700),
        (deep_params.into_bytes(), -32602),
        (deep_schema.into_bytes(), -32602),
        (vec![b'x'; LONGEST_LINE + 1], -32700),
        (b"[]".to_vec(), -32600),
        (b"{}".to_vec(), -32600),
        (b"17".to_vec(), -32600),
        (b"null".to_vec(), -32600),
        (br#"{"id":1}"#.to_vec(), -32600),
        (br#"{"id":{},"method":"model/list"}"#.to_vec(), -32600),
        (br#"{"id":1,"method":7}"#.to_vec(), -32600),
        (br#"{"id":1,"method":"no/such"}"#.to_vec(), -32601),
        (br#"{"id":1,"method":"thread/read","params":[1,2]}"#.to_vec(), -32602),
    ]
}

/// Each is answered once, and the client may go on.
async fn check_nonsense(client: &mut Client) {
    for (line, code) in nonsense() {
        client.send_bytes(&line).await;
        client.send_bytes(b"\n").await;
        let answer = client.next().await;
        let start = String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned();
        assert_eq!(answer["error"]["code"], code, "{start}: {answer}");
        client.call("model/list", json!({})).await;
    }
}

#[tokio::test]
async fn what_is_no_message_is_answered_truly_over_stdio() {
    let model = ModelServer::start([]).await;
    let mut client = Setup::with(&model).serve();
    client.initialize().await;
    check_nonsense(&mut client).await;
    assert!(client.memory().peak < MEMORY, "{:?}", client.memory());
    client.ends_with(0).await;
}

#[tokio::test]
async fn what_is_no_message_is_answered_truly_over_a_socket() {
    let mut scene = Scene::at(UNIX).await;
    let mut client = scene.server.client().await;
    check_nonsense(&mut client).await;
    scene.is_unharmed(MEMORY).await;
}

/// There a message that is no UTF-8, or too long, is the end of the connection (RFC 6455 §8.1, §7.4.1).
#[tokio::test]
async fn what_is_no_message_is_answered_truly_over_a_web_socket() {
    let mut scene = Scene::at(WEB_SOCKET).await;
    let mut client = scene.server.client().await;
    for (text, code) in nonsense() {
        let Ok(text) = String::from_utf8(text) else { continue };
        if text.len() > LONGEST_LINE {
            continue;
        }
        client.send_line(&text).await;
        assert_eq!(client.next().await["error"]["code"], code);
    }
    scene.is_unharmed(MEMORY).await;
    // Frames by hand: a text of no UTF-8, one that is not masked, an opcode and a bit that nobody knows, a ping that is too
    // long, a rest of nothing.
    let long_ping = [&b"\x89\xfe\x00\x7e"[..], &[0; 4 + 126]].concat();
    let frames: [&[u8]; 6] = [
        b"\x81\x82\0\0\0\0\xff\xfe",
        b"\x81\x02{}",
        b"\x83\x80\0\0\0\0",
        b"\xf1\x80\0\0\0\0",
        &long_ping,
        b"\x80\x80\0\0\0\0",
    ];
    for frame in frames {
        let mut socket = scene.server.socket().await.upgrade("").await.unwrap();
        socket.get_mut().write_all(frame).await.unwrap();
        let closed = loop {
            let next = timeout(PATIENCE, socket.next()).await;
            match next.unwrap_or_else(|_| panic!("{frame:?} is not answered")) {
                Some(Ok(Message::Close(Some(close)))) => break u16::from(close.code),
                Some(Ok(_)) => {}
                other => panic!("{frame:?}: {other:?}"),
            }
        };
        assert_eq!(closed, 1002, "{frame:?}");
    }
    scene.is_unharmed(MEMORY).await;
}

/// Reads all answers while requests are sent; gives back how many came for each id.
async fn ask_all(mut client: Client, count: usize, line: impl Fn(usize) -> String) -> BTreeMap<String, usize> {
    let (input, output) = client.halves();
    let sending = async {
        for number in 0..count {
            input.write_all(format!("{}\n", line(number)).as_bytes()).await.unwrap();
        }
    };
    let receiving = async {
        let mut answers = BTreeMap::new();
        for _ in 0..count {
            let mut line = String::new();
            assert!(timeout(PATIENCE, output.read_line(&mut line)).await.unwrap().unwrap() > 0, "it ended");
            let answer: Value = serde_json::from_str(&line).unwrap();
            *answers.entry(answer["id"].to_string()).or_default() += 1;
        }
        answers
    };
    tokio::join!(sending, receiving).1
}

/// Not one after the other: as many as llmx takes.
#[tokio::test]
async fn ten_thousand_requests_in_flight_are_each_answered_once() {
    let count = times(10_000);
    let request = |number: usize| match number % 4 {
        0 => json!({"id": number, "method": "thread/list", "params": {}}).to_string(),
        1 => json!({"id": number, "method": "no/such", "params": {}}).to_string(),
        2 => json!({"id": number, "method": "config/read"}).to_string(),
        _ => json!({"id": number, "method": "thread/read", "params": {"threadId": "no-such-thread"}}).to_string(),
    };
    for url in [UNIX, WEB_SOCKET] {
        let mut scene = Scene::at(url).await;
        let client = scene.server.client().await;
        let (answers, ()) = tokio::join!(ask_all(client, count, request), scene.is_unharmed(MEMORY));
        assert_eq!(answers.len(), count);
        assert!(answers.values().all(|times| *times == 1));
        scene.is_unharmed(MEMORY).await;
    }
    let model = ModelServer::start([]).await;
    let mut client = Setup::with(&model).serve();
    client.initialize().await;
    assert_eq!(ask_all(client, count, request).await.len(), count);
}

#[tokio::test]
async fn a_flood_of_lines_that_are_none_is_answered_line_by_line() {
    let count = times(50_000);
    let mut scene = Scene::at(UNIX).await;
    let clients = [scene.server.client().await, scene.server.client().await];
    let floods = join_all(clients.map(|client| ask_all(client, count, |_| "x".to_owned())));
    let (answers, ()) = tokio::join!(floods, scene.is_unharmed(MEMORY));
    assert!(answers.iter().all(|answers| answers["null"] == count));
    scene.is_unharmed(MEMORY).await;
}

/// What a client calls its requests is its own business, and so is telling the answers apart.
#[tokio::test]
async fn an_id_that_is_used_twice_is_answered_twice() {
    let mut scene = Scene::at(WEB_SOCKET).await;
    let mut client = scene.server.client().await;
    let exec = |said: &str| json!({"id": "x", "method": "command/exec", "params": {"command": ["echo", said]}});
    let list = |id: Value| json!({"id": id, "method": "model/list"});
    let (input, output) = client.halves();
    for request in [exec("one"), exec("two"), exec("three"), list(json!(7)), list(json!("7"))] {
        input.write_all(format!("{request}\n").as_bytes()).await.unwrap();
    }
    let mut answers: Vec<Value> = Vec::new();
    for _ in 0..5 {
        let mut line = String::new();
        timeout(PATIENCE, output.read_line(&mut line)).await.unwrap().unwrap();
        answers.push(serde_json::from_str(&line).unwrap());
    }
    let mut said: Vec<_> = answers.iter().filter_map(|answer| answer["result"]["stdout"].as_str()).collect();
    said.sort_unstable();
    assert_eq!(said, ["one\n", "three\n", "two\n"]);
    for id in [json!(7), json!("7")] {
        assert_eq!(answers.iter().filter(|answer| answer["id"] == id).count(), 1);
    }
    scene.is_unharmed(MEMORY).await;
}

async fn with_a_question(url: &str) -> (Scene, Client, String, i64) {
    let model = ModelServer::start([
        Response::of("resp_1").runs("call_1", &["sh", "step.sh"]).completed(),
        Response::of("resp_2").says(&["Done."]).completed(),
    ])
    .await;
    let scene = Scene::of(model, url).await;
    let mut client = scene.server.client().await;
    client.workspace.write("step.sh", "echo ran >> log\n");
    let params = json!({"approvalPolicy": "untrusted"});
    let thread = client.start_thread(params).await["thread"]["id"].as_str().unwrap().to_owned();
    let turn = client.say(&thread, "hello").await;
    let (id, _) = client.until_asked("item/commandExecution/requestApproval").await;
    (scene, client, turn, id)
}

#[tokio::test]
async fn the_first_answer_counts_and_one_that_nobody_asked_for_does_not() {
    let (mut scene, mut client, turn, id) = with_a_question(UNIX).await;
    let accept = |id: Value| json!({"id": id, "result": {"decision": "accept"}});
    for strange in [json!(id + 1), json!(-1), json!(id.to_string()), json!(null), json!(i64::MAX)] {
        client.send(accept(strange)).await;
    }
    // Another client's questions have the same numbers.
    let mut stranger = scene.server.client().await;
    stranger.send(accept(json!(id))).await;
    stranger.call("model/list", json!({})).await;
    client.call("model/list", json!({})).await;
    assert!(!client.workspace.at("log").exists(), "something has run that nobody allowed");

    for decision in ["decline", "accept", "cancel", "accept"] {
        client.send(json!({"id": id, "result": {"decision": decision}})).await;
    }
    let messages = client.until_the_end_of(&turn).await;
    assert_eq!(messages.last().unwrap()["params"]["turn"]["status"], "completed");
    assert!(!client.workspace.at("log").exists(), "what was declined has run");
    client.send(accept(json!(id))).await;
    client.call("model/list", json!({})).await;
    scene.is_unharmed(MEMORY).await;
}

#[tokio::test]
async fn an_answer_counts_once() {
    let (mut scene, mut client, turn, id) = with_a_question(WEB_SOCKET).await;
    for _ in 0..times(100) {
        client.send(json!({"id": id, "result": {"decision": "accept"}})).await;
    }
    client.until_the_end_of(&turn).await;
    assert_eq!(client.workspace.read("log"), "ran\n");
    scene.is_unharmed(MEMORY).await;
}

/// Connects, says so much and no more.
async fn half_said(server: &Server, said: &[u8], count: usize) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let mut socket = server.socket().await;
        socket.write_all(said).await.unwrap();
        sockets.push(socket);
    }
    sockets
}

#[tokio::test]
async fn half_open_connections_cost_little_and_leave_nothing() {
    let count = times(60).min(150);
    for (url, beginnings) in [
        (UNIX, vec![&b""[..], b"{\"id\":1,", b"GET / HTTP/1.1\r\nHost:", b"G"]),
        (WEB_SOCKET, vec![b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: webs", b"\x16\x03\x01\x02\x00"]),
    ] {
        let mut scene = Scene::at(url).await;
        let before = scene.server.open_files();
        let mut sockets = Vec::new();
        for beginning in beginnings {
            sockets.extend(half_said(&scene.server, beginning, count / 4).await);
        }
        // Half a frame, and a message of which a rest is missing.
        for half in [&b"\x81"[..], b"\x81\xfe\xff\xff\0\0\0\0half", b"\x01\x84\0\0\0\0half"] {
            let mut socket = scene.server.socket().await.upgrade("").await.unwrap();
            socket.get_mut().write_all(half).await.unwrap();
            sockets.push(socket.into_inner());
        }
        scene.is_unharmed(MEMORY).await;
        if url == WEB_SOCKET && times(1) > 1 {
            // They are not waited for longer than ten seconds; only what has become a WebSocket may be silent.
            files_are_back_to(before + 3, &scene.server).await;
        }
        drop(sockets);
        files_are_back_to(before, &scene.server).await;
        scene.is_unharmed(MEMORY).await;
    }
}

/// So many could hold three times as much as they may together.
#[tokio::test]
async fn messages_without_an_end_have_a_limit_together() {
    let half = LONGEST_LINE - 1024;
    for url in [UNIX, WEB_SOCKET] {
        let mut scene = Scene::at(url).await;
        let before = scene.server.open_files();
        let mut sockets = Vec::new();
        for _ in 0..times(24).min(150) {
            let mut socket = scene.server.socket().await;
            if url == WEB_SOCKET {
                socket = socket.upgrade("").await.unwrap().into_inner();
                let length = (half as u64 + 1).to_be_bytes();
                socket.write_all(&[&b"\x81\xff"[..], &length, &[0; 4]].concat()).await.unwrap();
            }
            // One that is not let say so much is closed, sooner or later.
            let _ = timeout(PATIENCE, socket.write_all(&vec![b'x'; half])).await.unwrap();
            sockets.push(socket);
        }
        scene.is_unharmed(250_000).await;
        // Somebody else still gets something said that is not small.
        let mut client = scene.server.client().await;
        client.call("model/list", json!({"x": "y".repeat(50_000)})).await;
        drop(sockets);
        files_are_back_to(before + 1, &scene.server).await;
        let long = json!({"x": "y".repeat(LONGEST_LINE - 1024)});
        client.call("model/list", long).await;
        scene.is_unharmed(300_000).await;
    }
}

#[tokio::test]
async fn two_hundred_clients_are_served_at_once() {
    for url in [UNIX, WEB_SOCKET] {
        let mut scene = Scene::at(url).await;
        let before = scene.server.open_files();
        let mut clients = join_all((0..200).map(|_| scene.server.client())).await;
        for client in &mut clients {
            client.start_thread(json!({})).await;
        }
        let loaded = scene.bystander.call("thread/loaded/list", json!({})).await;
        assert_eq!(loaded["data"].as_array().unwrap().len(), 201);
        scene.is_unharmed(200_000).await;
        drop(clients);
        // Their threads are still there.
        let per_thread = 2;
        files_are_back_to(before + 200 * per_thread, &scene.server).await;
    }
}

#[tokio::test]
async fn one_too_many_is_told_so() {
    let server = Setup::with(&ModelServer::start([]).await).listen("app-server", UNIX).await;
    let mut first = server.client().await;
    let mut others = Vec::new();
    for _ in 0..511 {
        others.push(server.socket().await);
    }
    let mut refused = BufReader::new(server.socket().await);
    refused.write_all(b"{}\n").await.unwrap();
    let mut line = String::new();
    timeout(PATIENCE, refused.read_line(&mut line)).await.unwrap().unwrap();
    assert!(line.contains("too many connections"), "{line}");
    let web_socket = server.socket().await.upgrade("").await;
    assert_eq!(web_socket.err().as_deref(), Some("HTTP/1.1 503 Service Unavailable"));
    first.call("model/list", json!({})).await;
    drop(others);
    files_are_back_to(30, &server).await;
    server.client().await.call("model/list", json!({})).await;
}

#[tokio::test]
async fn storms_of_connections_leave_nothing() {
    for url in [UNIX, WEB_SOCKET] {
        let mut scene = Scene::at(url).await;
        let before = scene.server.open_files();
        let hello =
            json!({"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "storm", "version": "1"}}});
        let storm = async {
            for round in 0..times(25) {
                join_all((0..20).map(async |number| {
                    let mut socket = scene.server.socket().await;
                    if url == WEB_SOCKET && number % 2 == 0 {
                        let mut socket = socket.upgrade("").await.unwrap();
                        socket.send(Message::text(hello.to_string())).await.unwrap();
                        if number % 4 == 0 {
                            socket.next().await.unwrap().unwrap();
                        }
                        return;
                    }
                    // It may be closed already.
                    let _ = socket.write_all(hello.to_string().as_bytes()).await;
                    if (round + number) % 3 == 0 {
                        let _ = socket.write_all(b"\n").await;
                        let _ = timeout(PATIENCE, socket.read_u8()).await.unwrap();
                    }
                }))
                .await;
            }
        };
        storm.await;
        scene.is_unharmed(MEMORY).await;
        files_are_back_to(before, &scene.server).await;
    }
}

/// In the middle of a turn, of a question, of a command of its own, and of saying something.
#[tokio::test]
async fn a_client_may_vanish_in_the_middle_of_everything() {
    for url in [UNIX, WEB_SOCKET] {
        let mut scene = Scene::at(url).await;
        let before = scene.server.open_files();
        let script = "echo ready; sleep 1000";
        scene.model.and_then([Response::of("resp_1").runs_script("call_1", script).completed()]);
        let mut one = scene.server.client().await;
        let thread = one.start_thread(json!({})).await["thread"]["id"].as_str().unwrap().to_owned();
        let turn = one.say(&thread, "hello").await;
        one.until("item/commandExecution/outputDelta").await;
        one.request("command/exec", json!({"command": ["sleep", "1001"], "disableTimeout": true})).await;
        let own = || scene.server.processes().into_iter().filter(|p| p.command.contains("1001")).collect::<Vec<_>>();
        one_appears(own, ' ').await;
        one.send_bytes(br#"{"id": 1, "method": "thread/st"#).await;
        drop(one);
        none_left(own).await;

        let mut two = scene.server.client().await;
        let resumed = two.call("thread/resume", json!({"threadId": thread})).await;
        assert_eq!(resumed["thread"]["status"]["type"], "active", "the turn runs on");
        two.call("turn/interrupt", json!({"threadId": thread, "turnId": turn})).await;
        assert_eq!(two.until_the_end_of(&turn).await.last().unwrap()["params"]["turn"]["status"], "interrupted");
        two.request("thread/start", json!({})).await;
        two.request("thread/resume", json!({"threadId": thread})).await;
        drop(two);
        scene.is_unharmed(MEMORY).await;
        // Two threads are open, and connections to their model.
        files_are_back_to(before + 8, &scene.server).await;
    }
}
