//! Many clients of one app-server.

use futures_util::{SinkExt, StreamExt};
use llmx_tests::world::{Gate, ModelServer, Response, Server, Setup, WebSocket, processes::none_left};
use rustix::process::Signal;
use serde_json::json;
use std::{os::unix::fs::PermissionsExt, path::Path};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

async fn listening(model: &ModelServer, url: &str) -> Server {
    Setup::with(model).listen("app-server", url).await
}

/// What a WebSocket is closed with.
async fn closed(mut socket: WebSocket) -> CloseFrame {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Close(Some(frame)) = message {
            return frame;
        }
    }
    panic!("it is not closed in order");
}

async fn check_a_conversation(url: &str) {
    let model = ModelServer::start([Response::of("resp_1").says(&["Hel", "lo."]).completed()]).await;
    let server = listening(&model, url).await;
    let mut client = server.client().await;
    let thread = client.start_thread(json!({})).await["thread"]["id"].as_str().unwrap().to_owned();
    let turn = client.say(&thread, "hello").await;
    let messages = client.until_the_end_of(&turn).await;
    let said: String = messages
        .iter()
        .filter(|message| message["method"] == "item/agentMessage/delta")
        .map(|message| message["params"]["delta"].as_str().unwrap())
        .collect();
    assert_eq!(said, "Hello.");
    assert_eq!(messages.last().unwrap()["params"]["turn"]["status"], "completed");
}

#[tokio::test]
async fn a_conversation_over_a_web_socket() {
    check_a_conversation("ws://127.0.0.1:0").await;
}

#[tokio::test]
async fn a_conversation_over_ipv6() {
    check_a_conversation("ws://[::1]:0").await;
}

#[tokio::test]
async fn a_conversation_over_a_unix_socket() {
    check_a_conversation("unix://s").await;
}

#[tokio::test]
async fn without_a_path_the_socket_is_in_the_home() {
    let model = ModelServer::start([]).await;
    let server = listening(&model, "unix://").await;
    let path = server.home().join("app-server.sock");
    assert_eq!(server.url, format!("unix://{}", path.display()));
    server.client().await.call("model/list", json!({})).await;
    server.connect_by_web_socket().await.initialize().await;
}

/// Whose handshake it was is nobody else's business, and a thread is followed by whoever wants to.
#[tokio::test]
async fn every_client_has_its_own_handshake_and_threads() {
    let gate = Gate::default();
    let slow = Response::of("resp_1").says(&["One."]).so_far().waits_for(&gate);
    let end = json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed"}});
    let model = ModelServer::start([slow.events([end]).ends()]).await;
    let server = listening(&model, "ws://127.0.0.1:0").await;
    let (mut one, mut two, mut stranger) = (server.client().await, server.client().await, server.connect().await);
    let refused = stranger.refused("model/list", json!({})).await;
    assert_eq!(refused["message"], "Not initialized");

    let thread = one.start_thread(json!({})).await["thread"]["id"].as_str().unwrap().to_owned();
    let turn = one.say(&thread, "hello").await;
    one.until("item/agentMessage/delta").await;
    let resumed = two.call("thread/resume", json!({"threadId": thread})).await;
    assert_eq!(resumed["thread"]["id"], thread.as_str());
    gate.open();
    for client in [&mut one, &mut two] {
        assert_eq!(client.until_the_end_of(&turn).await.last().unwrap()["params"]["turn"]["status"], "completed");
    }
    stranger.initialize().await;
    let loaded = stranger.call("thread/loaded/list", json!({})).await;
    assert_eq!(loaded["data"], json!([thread]));
}

#[tokio::test]
async fn a_turn_runs_on_without_the_client_that_started_it() {
    let gate = Gate::default();
    let slow = Response::of("resp_1").says(&["One."]).so_far().waits_for(&gate);
    let end = json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed"}});
    let model = ModelServer::start([slow.events([end]).ends()]).await;
    let server = listening(&model, "unix://s").await;
    let mut one = server.client().await;
    let thread = one.start_thread(json!({})).await["thread"]["id"].as_str().unwrap().to_owned();
    let turn = one.say(&thread, "hello").await;
    one.until("item/agentMessage/delta").await;
    drop(one);

    let mut two = server.client().await;
    let resumed = two.call("thread/resume", json!({"threadId": thread})).await;
    assert_eq!(resumed["thread"]["status"]["type"], "active");
    gate.open();
    assert_eq!(two.until_the_end_of(&turn).await.last().unwrap()["params"]["turn"]["status"], "completed");
}

#[tokio::test]
async fn what_only_a_client_that_is_gone_could_answer_is_declined() {
    let model = ModelServer::start([
        Response::of("resp_1").runs("call_1", &["sh", "step.sh"]).completed(),
        Response::of("resp_2").says(&["As you like."]).completed(),
    ])
    .await;
    let server =
        Setup::with(&model).setting("approval_policy", "'untrusted'").listen("app-server", "ws://127.0.0.1:0").await;
    let mut one = server.client().await;
    one.workspace.write("step.sh", "touch ran\n");
    let thread = one.start_thread(json!({})).await["thread"]["id"].as_str().unwrap().to_owned();
    one.say(&thread, "hello").await;
    one.until_asked("item/commandExecution/requestApproval").await;
    one.close_input();
    assert!(model.request(2).await.output_of("call_1").contains("rejected"));
    assert!(!one.workspace.at("ran").exists());
}

/// One that only sends no more still hears what it asked for.
#[tokio::test]
async fn a_client_of_lines_may_close_its_side_first() {
    let model = ModelServer::start([]).await;
    let server = listening(&model, "unix://s").await;
    let mut client = server.client().await;
    let id = client.request("command/exec", json!({"command": ["sh", "-c", "sleep 0.2; echo late"]})).await;
    let messages = client.ends_with(0).await;
    let answer = messages.iter().find(|message| message["id"] == id).unwrap();
    assert_eq!(answer["result"]["stdout"], "late\n");
}

#[tokio::test]
async fn a_clients_commands_end_with_it() {
    let model = ModelServer::start([]).await;
    for url in ["unix://s", "ws://127.0.0.1:0"] {
        let server = listening(&model, url).await;
        let mut client = server.client().await;
        client.request("command/exec", json!({"command": ["sleep", "1000"], "disableTimeout": true})).await;
        llmx_tests::world::processes::one_appears(|| server.processes(), ' ').await;
        drop(client);
        none_left(|| server.processes()).await;
    }
}

async fn check_signal(url: &str, signal: Signal, code: i32) {
    let script = "(setsid sleep 1000 &); echo ready; sleep 1000";
    let model = ModelServer::start([Response::of("resp_1").runs_script("call_1", script).completed()]).await;
    let mut server = listening(&model, url).await;
    let (mut client, mut idle) = (server.client().await, server.client().await);
    let _silent = server.socket().await;
    let thread = client.start_thread(json!({})).await["thread"]["id"].as_str().unwrap().to_owned();
    let turn = client.say(&thread, "hello").await;
    client.until("item/commandExecution/outputDelta").await;
    server.signal(signal);
    assert_eq!(
        client.until_the_end_of(&turn).await.last().unwrap()["params"]["turn"]["status"],
        "interrupted",
        "a client hears how its turn ended"
    );
    assert_eq!(server.leaves().await, (Some(code), Vec::new()));
    assert_eq!(client.ends_with(0).await.len(), 0);
    assert_eq!(idle.rest().await.len(), 0);
    if let Some(path) = server.url.strip_prefix("unix://") {
        assert!(!Path::new(path).exists());
    }
}

#[tokio::test]
async fn a_signal_ends_it_cleanly() {
    check_signal("ws://127.0.0.1:0", Signal::TERM, 143).await;
    check_signal("unix://", Signal::INT, 130).await;
}

#[tokio::test]
async fn web_sockets_are_closed_in_order() {
    let model = ModelServer::start([]).await;
    let mut server = listening(&model, "ws://127.0.0.1:0").await;
    let open = || async { server.socket().await.upgrade("").await.unwrap() };
    let check = async |message: Message, code: u16| {
        let mut socket = open().await;
        socket.send(message).await.unwrap();
        assert_eq!(u16::from(closed(socket).await.code), code);
    };
    check(Message::binary("{}"), 1003).await;
    check(Message::text("x".repeat(16 * 1024 * 1024 + 1)), 1009).await;
    let goodbye = CloseFrame { code: CloseCode::Normal, reason: "done".into() };
    check(Message::Close(Some(goodbye)), 1000).await;

    let mut socket = open().await;
    socket.send(Message::Ping("are you there?".into())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong("are you there?".into()));
    server.signal(Signal::TERM);
    let frame = closed(socket).await;
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1001, "llmx leaves"));
    assert_eq!(server.leaves().await.0, Some(143));
}

#[tokio::test]
async fn a_socket_is_for_its_owner_and_for_one_server() {
    let model = ModelServer::start([]).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let url = format!("unix://{}", path.display());
    let mut server = listening(&model, &url).await;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let second = Setup::with(&model).arguments(&["--listen", &url]).serve();
    let story = second.fails_to_start(1).await;
    assert!(story.contains(&format!("another server listens on {}", path.display())), "{story}");
    server.client().await;

    server.signal(Signal::KILL);
    server.leaves().await;
    assert!(path.exists(), "whoever is killed cannot remove anything");
    listening(&model, &url).await.client().await;
}
