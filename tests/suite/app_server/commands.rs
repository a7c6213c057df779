//! Commands of the client's own.

use base64::{Engine, prelude::BASE64_STANDARD};
use llmx_tests::world::{Client, ModelServer, Setup};
use serde_json::{Value, json};

async fn client() -> Client {
    let server = ModelServer::start([]).await;
    let mut client = Setup::with(&server).serve();
    client.initialize().await;
    client
}

fn sh(client: &Client, script: &str, further: Value) -> Value {
    let mut params = further;
    params["command"] = json!(["sh", "-c", script]);
    params["cwd"] = json!(client.workspace.path());
    params
}

#[tokio::test]
async fn a_command_is_run_and_its_output_given_back() {
    let mut client = client().await;
    let mut check = async |script: &str, further: Value, expected: Value| {
        let params = sh(&client, script, further);
        assert_eq!(client.call("command/exec", params).await, expected, "{script}");
    };
    let free = json!({"sandboxPolicy": {"type": "dangerFullAccess"}});
    let says = |code: i32, stdout: &str, stderr: &str| json!({"exitCode": code, "stdout": stdout, "stderr": stderr});
    check("echo direct; echo wrong >&2; exit 3", free, says(3, "direct\n", "wrong\n")).await;
    check("echo $A-$HOME", json!({"env": {"A": "b", "HOME": null}}), says(0, "b-\n", "")).await;
    check("kill -9 $$", json!({}), says(137, "", "")).await;
    check("echo so far; sleep 1000", json!({"timeoutMs": 200}), says(124, "so far\n", "")).await;
    check("echo 0123456789", json!({"outputBytesCap": 4}), says(0, "0123", "")).await;
    assert!(client.processes().is_empty(), "{:#?}", client.processes());
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_command_is_confined_as_the_client_says() {
    let mut client = client().await;
    let params = sh(&client, "touch here", json!({"sandboxPolicy": {"type": "readOnly"}}));
    let answer = client.call("command/exec", params).await;
    assert_ne!(answer["exitCode"], 0, "{answer}");
    assert!(!client.workspace.at("here").exists());
    let params = sh(&client, "touch here", json!({"sandboxPolicy": {"type": "workspaceWrite"}}));
    let answer = client.call("command/exec", params).await;
    assert_eq!(answer["exitCode"], 0, "{answer}");
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_command_streams_until_it_is_terminated() {
    let mut client = client().await;
    let further = json!({"processId": "p1", "streamStdoutStderr": true, "disableTimeout": true});
    let params = sh(&client, "echo ready; sleep 1000", further);
    let id = client.request("command/exec", params.clone()).await;
    let delta = client.until("command/exec/outputDelta").await;
    assert_eq!(
        (&delta["processId"], &delta["stream"], &delta["deltaBase64"]),
        (&json!("p1"), &json!("stdout"), &json!("cmVhZHkK"))
    );
    assert!(client.refused("command/exec", params).await["message"].as_str().unwrap().contains("runs already"));
    let write = json!({"processId": "p1", "deltaBase64": "eA=="});
    assert_eq!(client.refused("command/exec/write", write).await["code"], -32600);
    client.call("command/exec/terminate", json!({"processId": "p1"})).await;
    assert_eq!(client.answer_to(id).await["result"]["exitCode"], 143);
    assert!(client.processes().is_empty(), "{:#?}", client.processes());
    let gone = client.refused("command/exec/terminate", json!({"processId": "p1"})).await;
    assert_eq!(gone["message"], "no such process: p1");
    client.ends_with(0).await;
}

#[tokio::test]
async fn what_cannot_be_run_is_refused() {
    let mut client = client().await;
    let mut check = async |params: Value, says: &str| {
        let error = client.refused("command/exec", params).await;
        assert!(error["message"].as_str().unwrap().contains(says), "{error}");
    };
    check(json!({"command": []}), "must not be empty").await;
    check(json!({"command": ["/no/such/program"]}), "exec failed").await;
    client.ends_with(0).await;
}

fn base64(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

/// Reads deltas until what the command wrote satisfies.
async fn until_wrote(client: &mut Client, process: &str, is_it: impl Fn(&str) -> bool) -> String {
    let mut wrote = String::new();
    while !is_it(&wrote) {
        let delta = client.until_one("command/exec/outputDelta", |p| p["processId"] == process).await;
        let bytes = BASE64_STANDARD.decode(delta["deltaBase64"].as_str().unwrap()).unwrap();
        wrote.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    wrote
}

const POLICIES: [&str; 2] = ["dangerFullAccess", "workspaceWrite"];

#[tokio::test]
async fn a_command_is_written_to() {
    let mut client = client().await;
    for policy in POLICIES {
        let further = json!({"processId": "p", "streamStdin": true, "sandboxPolicy": {"type": policy}});
        let params = sh(&client, "read first; echo got $first; cat", further);
        let id = client.request("command/exec", params).await;
        client.call("command/exec/write", json!({"processId": "p", "deltaBase64": base64("one\n")})).await;
        let no_terminal =
            client.refused("command/exec/resize", json!({"processId": "p", "size": {"rows": 1, "cols": 1}})).await;
        assert_eq!((&no_terminal["code"], &no_terminal["message"]), (&json!(-32600), &json!("it has no terminal")));
        let last = json!({"processId": "p", "deltaBase64": base64("two\n"), "closeStdin": true});
        client.call("command/exec/write", last).await;
        let answer = client.answer_to(id).await;
        assert_eq!(answer["result"], json!({"exitCode": 0, "stdout": "got one\ntwo\n", "stderr": ""}), "{policy}");
    }
    assert!(client.processes().is_empty(), "{:#?}", client.processes());
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_command_has_a_terminal_of_its_own() {
    let mut client = client().await;
    for policy in POLICIES {
        let size = json!({"rows": 10, "cols": 40});
        let further = json!({"processId": "t", "tty": true, "size": size, "sandboxPolicy": {"type": policy}});
        // It is the controlling terminal: Ctrl-C reaches the command, and a new size too.
        let script = "trap 'stty size' WINCH; trap 'echo stopped; exit 3' INT; stty size; while :; do sleep 0.01; done";
        let params = sh(&client, script, further);
        let id = client.request("command/exec", params).await;
        until_wrote(&mut client, "t", |wrote| wrote.contains("10 40\r\n")).await;
        client.call("command/exec/resize", json!({"processId": "t", "size": {"rows": 20, "cols": 80}})).await;
        until_wrote(&mut client, "t", |wrote| wrote.contains("20 80\r\n")).await;
        client.call("command/exec/write", json!({"processId": "t", "deltaBase64": base64("\u{3}")})).await;
        until_wrote(&mut client, "t", |wrote| wrote.contains("stopped\r\n")).await;
        let answer = client.answer_to(id).await;
        assert_eq!(answer["result"], json!({"exitCode": 3, "stdout": "", "stderr": ""}), "{policy}");
    }
    client.ends_with(0).await;
}

#[tokio::test]
async fn all_that_was_written_to_a_terminal_arrives() {
    let mut client = client().await;
    let further = json!({"processId": "t", "tty": true, "sandboxPolicy": {"type": "dangerFullAccess"}});
    let params = sh(&client, "seq 1 20000; echo done", further);
    let id = client.request("command/exec", params).await;
    let wrote = until_wrote(&mut client, "t", |wrote| wrote.ends_with("done\r\n")).await;
    let numbers: Vec<String> = (1..=20000).map(|n: u32| n.to_string()).collect();
    assert_eq!(wrote.lines().filter(|line| *line != "done").collect::<Vec<_>>(), numbers);
    assert_eq!(client.answer_to(id).await["result"]["exitCode"], 0);
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_command_that_does_not_read_is_terminated_whatever_waits_to_be_written() {
    let mut client = client().await;
    let further = json!({"processId": "deaf", "streamStdin": true, "disableTimeout": true});
    for (writes, size) in [(1000, 1024), (3, 6 * 1024 * 1024)] {
        let params = sh(&client, "sleep 1000", further.clone());
        let command = client.request("command/exec", params).await;
        let delta = base64(&"x".repeat(size));
        let mut asked = Vec::new();
        for _ in 0..writes {
            asked.push(client.request("command/exec/write", json!({"processId": "deaf", "deltaBase64": delta})).await);
        }
        client.call("command/exec/terminate", json!({"processId": "deaf"})).await;
        assert_eq!(client.answer_to(command).await["result"]["exitCode"], 143);
        let mut refused = 0;
        for request in asked {
            let answer = client.answer_to(request).await;
            let why = answer["error"]["message"].as_str().unwrap_or_default();
            refused += usize::from(why.starts_with("too much waits to be written to processes already"));
        }
        assert_eq!(refused, if size == 1024 { 0 } else { 2 });
    }
    // What waited is forgotten with its command.
    let params = sh(&client, "wc -c", json!({"processId": "reads", "streamStdin": true}));
    let command = client.request("command/exec", params).await;
    let write = json!({"processId": "reads", "deltaBase64": base64(&"x".repeat(6 * 1024 * 1024)), "closeStdin": true});
    client.call("command/exec/write", write).await;
    assert_eq!(client.answer_to(command).await["result"]["stdout"], "6291456\n");
    client.ends_with(0).await;
}

#[tokio::test]
async fn what_cannot_be_written_to_says_so() {
    let mut client = client().await;
    let mut check = async |method: &str, params: Value, expected: &str| {
        let error = client.refused(method, params).await;
        assert!(error["message"].as_str().unwrap().contains(expected), "{method}: {error}");
    };
    let exec = |further: Value| {
        let mut params = further;
        params["command"] = json!(["true"]);
        params
    };
    check("command/exec", exec(json!({"tty": true})), "need a processId").await;
    check("command/exec", exec(json!({"streamStdin": true})), "need a processId").await;
    check("command/exec", exec(json!({"size": {"rows": 1, "cols": 1}})), "only a tty has a size").await;
    check("command/exec", exec(json!({"outputBytesCap": 1, "disableOutputCap": true})), "exclude each other").await;
    check("command/exec/write", json!({"processId": "x", "deltaBase64": ""}), "no such process: x").await;
    check("command/exec/write", json!({"processId": "x", "deltaBase64": "?"}), "Invalid params").await;
    check("command/exec/resize", json!({"processId": "x"}), "missing field `size`").await;
    // A command that reads nothing, and one that stops reading.
    let deaf = sh(&client, "sleep 1000", json!({"processId": "deaf"}));
    client.request("command/exec", deaf).await;
    let error = client.refused("command/exec/write", json!({"processId": "deaf", "deltaBase64": base64("x")})).await;
    assert!(error["message"].as_str().unwrap().contains("it has no streamStdin"), "{error}");
    let further = json!({"processId": "closed", "streamStdin": true, "sandboxPolicy": {"type": "dangerFullAccess"}});
    let closed = sh(&client, "exec <&-; sleep 1000", further);
    client.request("command/exec", closed).await;
    // A little of it fits into the pipe before the command closes its end.
    let error = loop {
        let write = json!({"processId": "closed", "deltaBase64": base64("x")});
        let id = client.request("command/exec/write", write).await;
        let mut answer = client.answer_to(id).await;
        if answer["result"].is_null() {
            break answer["error"].take();
        }
    };
    assert_eq!(error["code"], -32600, "{error}");
    for process in ["deaf", "closed"] {
        client.call("command/exec/terminate", json!({"processId": process})).await;
    }
    client.ends_with(0).await;
}
