//! Who is let in.

use llmx_tests::world::{ModelServer, Server, Setup, Socket};
use serde_json::{Value, json};
use std::fs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const TOKEN: &str = "a-token-that-nobody-guesses";

async fn with_token(subcommand: &str, url: &str) -> Server {
    let model = ModelServer::start([]).await;
    let setup = Setup::with(&model).file("token", &format!("{TOKEN}\n")).arguments(&["--token-file", "token"]);
    setup.listen(subcommand, url).await
}

/// What a socket says until it is closed.
async fn all(mut socket: Socket) -> String {
    let mut all = String::new();
    socket.read_to_string(&mut all).await.unwrap();
    all
}

#[tokio::test]
async fn a_web_socket_needs_the_token() {
    let server = with_token("app-server", "ws://127.0.0.1:0").await;
    for headers in ["", "Authorization: Bearer a-token-that-somebody-guesses\r\n", "Authorization: Basic YTpi\r\n"] {
        let refused = server.socket().await.upgrade(headers).await.err();
        assert_eq!(refused.as_deref(), Some("HTTP/1.1 401 Unauthorized"), "{headers}");
    }
    let headers = format!("Authorization: Bearer {TOKEN}\r\n");
    assert!(server.socket().await.upgrade(&headers).await.is_ok());
}

#[tokio::test]
async fn lines_need_the_token_first() {
    for (subcommand, url) in [("app-server", "unix://s"), ("proto", "tcp://127.0.0.1:0"), ("proto", "unix://s")] {
        let server = with_token(subcommand, url).await;
        for first in [json!({"id": 0, "method": "initialize"}), json!({"authorization": "Bearer wrong"}), json!("x")] {
            let mut socket = server.socket().await;
            socket.write_all(format!("{first}\n").as_bytes()).await.unwrap();
            let answer: Value = serde_json::from_str(&all(socket).await).unwrap();
            assert!(answer.to_string().contains("with the right token"), "{answer}");
        }
        let mut socket = server.socket().await;
        socket
            .write_all(format!("{}\n", json!({"authorization": format!("Bearer {TOKEN}")})).as_bytes())
            .await
            .unwrap();
        // What every client of either protocol hears for a line that is none.
        socket.write_all(b"nonsense\n").await.unwrap();
        socket.shutdown().await.unwrap();
        let answer = all(socket).await;
        assert!(answer.contains("error") && !answer.contains("token"), "{answer}");
    }
}

#[tokio::test]
async fn a_browsers_page_is_refused() {
    let model = ModelServer::start([]).await;
    let server = Setup::with(&model).listen("app-server", "ws://127.0.0.1:0").await;
    let port = server.url.rsplit(':').next().unwrap();
    let check = async |origin: &str, refused: Option<&str>| {
        let answer = server.socket().await.upgrade(&format!("Origin: {origin}\r\n")).await;
        assert_eq!(answer.err().as_deref(), refused, "{origin}");
    };
    let no = Some("HTTP/1.1 403 Forbidden");
    check("https://evil.example", no).await;
    check(&format!("http://evil.example:{port}"), no).await;
    check("http://127.0.0.1:1", no).await;
    check("null", no).await;
    check(&format!("http://127.0.0.1:{port}"), None).await;
    check(&format!("http://localhost:{port}"), None).await;
}

#[tokio::test]
async fn whoever_only_looks_is_told_that_it_is_there() {
    let server = with_token("app-server", "ws://127.0.0.1:0").await;
    let check = async |request: &str, status: &str| {
        let mut socket = server.socket().await;
        socket.write_all(request.as_bytes()).await.unwrap();
        let answer = all(socket).await;
        assert!(answer.starts_with(status), "{request}: {answer}");
    };
    check("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ").await;
    check("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ").await;
    check("GET /healthz HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\n\r\n", "HTTP/1.1 403 ").await;
    check("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 401 ").await;
    let known = format!("Host: x\r\nAuthorization: Bearer {TOKEN}\r\n");
    check(&format!("GET / HTTP/1.1\r\n{known}\r\n"), "HTTP/1.1 426 ").await;
    check(&format!("POST / HTTP/1.1\r\n{known}Content-Length: 0\r\n\r\n"), "HTTP/1.1 405 ").await;
    let upgrade = "Upgrade: websocket\r\nConnection: upgrade\r\n";
    check(&format!("GET / HTTP/1.1\r\n{known}{upgrade}\r\n"), "HTTP/1.1 426 ").await;
    let old = "Sec-WebSocket-Version: 8\r\n";
    check(&format!("GET / HTTP/1.1\r\n{known}{upgrade}{old}\r\n"), "HTTP/1.1 426 ").await;
    let no_key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n";
    check(&format!("GET / HTTP/1.1\r\n{known}{upgrade}{no_key}\r\n"), "HTTP/1.1 400 ").await;
    check("nonsense\r\n\r\n", "HTTP/1.1 400 ").await;
}

async fn check_refusal(subcommand: &str, arguments: &[&str], says: &str) {
    let model = ModelServer::start([]).await;
    let setup = Setup::with(&model).file("short", "secret").arguments(arguments);
    let story = match subcommand {
        "proto" => {
            let mut ui = setup.start();
            assert_eq!(ui.exit_code().await, 2);
            ui.stderr()
        }
        _ => setup.serve().fails_to_start(2).await,
    };
    assert!(story.contains(says), "{story}");
}

#[tokio::test]
async fn what_is_open_to_others_needs_a_token() {
    let check = check_refusal;
    check("app-server", &["--listen", "ws://0.0.0.0:0"], "needs --token-file or --token-env").await;
    check("proto", &["--listen", "tcp://[::]:0"], "needs --token-file or --token-env").await;
    check("app-server", &["--token-file", "short", "--listen", "ws://0.0.0.0:0"], "shorter than 16 bytes").await;
    check("app-server", &["--token-file", "missing", "--listen", "ws://0.0.0.0:0"], "failed to read").await;
    check("app-server", &["--token-env", "MISSING", "--listen", "ws://0.0.0.0:0"], "$MISSING").await;
    check("app-server", &["--token-file", "short"], "shorter than 16 bytes").await;
}

/// A command could connect with it and allow itself what it likes.
#[tokio::test]
async fn commands_do_not_see_the_token() {
    let model = ModelServer::start([]).await;
    let server = Setup::with(&model)
        .variable("PASSPHRASE", TOKEN)
        .tables("[shell_environment_policy]\ninherit = 'all'\nignore_default_excludes = true\n")
        .arguments(&["--token-env", "PASSPHRASE"])
        .listen("app-server", "unix://s")
        .await;
    let mut client = server.connect().await;
    client.send(json!({"authorization": format!("Bearer {TOKEN}")})).await;
    client.initialize().await;
    let answer = client.call("command/exec", json!({"command": ["env"]})).await;
    let variables = answer["stdout"].as_str().unwrap();
    assert!(variables.contains("LLMX_HOME") && !variables.contains(TOKEN), "{variables}");
    assert!(!fs::read_to_string(server.home().join("stderr")).unwrap().contains(TOKEN));
}

/// A command with a network could allow itself what it likes by the socket of its own engine.
#[tokio::test]
async fn commands_do_not_find_the_socket() {
    let model = ModelServer::start([]).await;
    let server = Setup::with(&model).listen("app-server", "unix://s").await;
    let mut client = server.client().await;
    let (path, cwd) = (server.home().join("s"), client.workspace.path().to_owned());
    let mut is_there = async |policy: Value| {
        let params = json!({"command": ["test", "-S", path], "cwd": cwd, "sandboxPolicy": policy});
        client.call("command/exec", params).await["exitCode"] == 0
    };
    assert!(is_there(json!({"type": "dangerFullAccess"})).await);
    assert!(!is_there(json!({"type": "workspaceWrite", "networkAccess": true})).await);
}
