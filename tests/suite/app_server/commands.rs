//! Commands of the client's own.

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
    check(json!({"command": ["true"], "tty": true}), "no terminal").await;
    check(json!({"command": ["/no/such/program"]}), "exec failed").await;
    client.ends_with(0).await;
}
