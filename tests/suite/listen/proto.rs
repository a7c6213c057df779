//! Protocol v1 for clients that connect: a session each.

use super::times;
use llmx_tests::world::{GLANCE, ModelServer, PATIENCE, Response, Server, Setup, Socket, processes, user_input};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    time::{sleep, timeout},
};

struct Ui(BufReader<Socket>);

impl Ui {
    /// A session that works in the server's home.
    async fn of(server: &Server) -> Self {
        let mut ui = Self(BufReader::new(server.socket().await));
        ui.submit("c1", json!({"type": "configure_session", "cwd": server.home()})).await;
        ui.until("session_configured").await;
        ui
    }

    async fn submit(&mut self, id: &str, op: Value) {
        self.0.write_all(format!("{}\n", json!({"id": id, "op": op})).as_bytes()).await.unwrap();
    }

    async fn until(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("no {kind}"));
            if event["msg"]["type"] == kind {
                return event;
            }
        }
    }

    async fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        let length = timeout(PATIENCE, self.0.read_line(&mut line)).await.unwrap().unwrap();
        (length > 0).then(|| serde_json::from_str(&line).unwrap())
    }
}

async fn check_two_sessions(url: &str) {
    let model = ModelServer::start([
        Response::of("resp_1").says(&["One."]).completed(),
        Response::of("resp_2").says(&["Two."]).completed(),
    ])
    .await;
    let server = Setup::with(&model).listen("proto", url).await;
    let (mut one, mut two) = (Ui::of(&server).await, Ui::of(&server).await);
    for (ui, said) in [(&mut one, "One."), (&mut two, "Two.")] {
        ui.submit("u1", user_input("hello")).await;
        assert_eq!(ui.until("task_complete").await["msg"]["last_agent_message"], said);
    }
    // The end of input ends the session, and with it the connection.
    one.0.shutdown().await.unwrap();
    while one.next().await.is_some() {}
}

#[tokio::test]
async fn every_client_has_a_session_of_its_own() {
    check_two_sessions("tcp://127.0.0.1:0").await;
    check_two_sessions("unix://s").await;
}

/// As when the reader of standard output goes away.
#[tokio::test]
async fn nothing_runs_on_for_a_client_that_is_gone() {
    let script = "(setsid sleep 1000 &); echo ready; while sleep 0.05; do echo again; done";
    let model = ModelServer::start([]).await;
    for url in ["tcp://127.0.0.1:0", "unix://s"] {
        model.and_then([Response::of("resp_1").runs_script("call_1", script).completed()]);
        let server = Setup::with(&model).listen("proto", url).await;
        let mut ui = Ui::of(&server).await;
        ui.submit("u1", user_input("hello")).await;
        ui.until("exec_command_output_delta").await;
        drop(ui);
        processes::none_left(|| server.processes()).await;
        Ui::of(&server).await;
    }
}

#[tokio::test]
async fn a_signal_ends_every_session() {
    let script = "(setsid sleep 1000 &); echo ready; sleep 1000";
    let model = ModelServer::start([Response::of("resp_1").runs_script("call_1", script).completed()]).await;
    let mut server = Setup::with(&model).listen("proto", "unix://s").await;
    let (mut ui, mut idle) = (Ui::of(&server).await, Ui::of(&server).await);
    ui.submit("u1", user_input("hello")).await;
    ui.until("exec_command_output_delta").await;
    server.signal(Signal::TERM);
    assert_eq!(ui.until("error").await["msg"]["message"], "interrupted");
    assert_eq!(server.leaves().await, (Some(143), Vec::new()));
    assert!(ui.next().await.is_none() && idle.next().await.is_none());
    assert!(!server.home().join("s").exists());
}

/// What others send, half send, or do not read, is nothing to a session.
#[tokio::test]
async fn hostile_clients_harm_no_session() {
    let model = ModelServer::start([]).await;
    for url in ["unix://s", "tcp://127.0.0.1:0"] {
        let server = Setup::with(&model).listen("proto", url).await;
        let mut ui = Ui::of(&server).await;
        // With a session on every core: what they all need stays open.
        for _ in 0..std::thread::available_parallelism().unwrap().get() {
            Ui::of(&server).await;
        }
        let mut turns = 0;
        let mut turn = async || {
            turns += 1;
            model.and_then([Response::of("resp_1").says(&["Unharmed."]).completed()]);
            ui.submit(&format!("u{turns}"), user_input("still there?")).await;
            assert_eq!(ui.until("task_complete").await["msg"]["last_agent_message"], "Unharmed.");
        };
        turn().await;
        let before = server.open_files();
        let mut others = Vec::new();
        let noise = "nonsense\n".repeat(times(20_000));
        for half in ["", "{\"id\":", "\0\0", "{}\n{}\n{}\n", "GET / HTTP/1.1\r\n\r\n", &noise] {
            for _ in 0..times(5).min(40) {
                let mut socket = server.socket().await;
                // Who does not read what is said of his nonsense is not heard any more.
                let _ = timeout(Duration::from_millis(500), socket.write_all(half.as_bytes())).await;
                others.push(socket);
            }
        }
        turn().await;
        drop(others);
        for _ in 0..times(100) {
            let mut socket = server.socket().await;
            socket
                .write_all(b"{\"id\": \"c1\", \"op\": {\"type\": \"configure_session\", \"cwd\": \"/\"}}\n")
                .await
                .unwrap();
        }
        turn().await;
        let start = Instant::now();
        while server.open_files() > before {
            assert!(start.elapsed() < PATIENCE, "{} files are open, {before} were", server.open_files());
            sleep(GLANCE).await;
        }
        assert!(server.memory().peak < 80_000, "{:?} kB", server.memory());
    }
}
