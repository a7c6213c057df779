//! Before and after the handshake; lines that are no requests.

use llmx_tests::world::{Client, ModelServer, Setup};
use serde_json::{Value, json};

async fn client() -> Client {
    let server = ModelServer::start([]).await;
    Setup::with(&server).serve()
}

#[tokio::test]
async fn the_handshake_comes_first_and_once() {
    let mut client = client().await;
    let not_yet = client.refused("account/read", json!({})).await;
    assert_eq!((&not_yet["code"], &not_yet["message"]), (&json!(-32600), &json!("Not initialized")));
    let hello = json!({"clientInfo": {"name": "llmx-vscode", "title": "LLMX VS Code Extension", "version": "0.1.0"}});
    let answer = client.call("initialize", hello.clone()).await;
    let expected = concat!("llmx-app-server/", env!("CARGO_PKG_VERSION"), " llmx-vscode/0.1.0");
    assert_eq!(answer["userAgent"], expected);
    let again = client.refused("initialize", hello).await;
    assert_eq!((&again["code"], &again["message"]), (&json!(-32600), &json!("Already initialized")));
    let account = client.call("account/read", json!({"refreshToken": false})).await;
    assert_eq!((&account["account"], &account["requiresOpenaiAuth"]), (&Value::Null, &json!(false)));
    client.ends_with(0).await;
}

#[tokio::test]
async fn every_bad_line_is_answered_and_nothing_is_lost() {
    let mut client = client().await;
    client.initialize().await;
    let mut check = async |line: &str, code: i64, id: Value| {
        client.send_line(line).await;
        let answer = client.next().await;
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(code), &id), "{line}: {answer}");
        answer["error"]["message"].as_str().unwrap_or_default().to_owned()
    };
    check("hello", -32700, Value::Null).await;
    check("[]", -32600, Value::Null).await;
    check(r#"{"id":5}"#, -32600, json!(5)).await;
    let unknown = check(r#"{"id":"a","method":"thread/fly","params":{}}"#, -32601, json!("a")).await;
    assert!(unknown.contains("thread/fly"), "{unknown}");
    let missing = check(r#"{"id":6,"method":"turn/start","params":{"input":[]}}"#, -32602, json!(6)).await;
    assert!(missing.contains("threadId"), "{missing}");
    let policy = r#"{"id":7,"method":"thread/start","params":{"approvalPolicy":"sometimes"}}"#;
    assert!(check(policy, -32602, json!(7)).await.contains("sometimes"));
    let nobody = r#"{"id":8,"method":"turn/start","params":{"threadId":"t","input":[{"type":"text","text":"x"}]}}"#;
    assert_eq!(check(nobody, -32600, json!(8)).await, "thread not found: t");
    client.send_line(r#"{"method":"some/notification","params":7}"#).await;
    client.call("account/read", Value::Null).await;
    client.ends_with(0).await;
}

#[tokio::test]
async fn the_header_of_json_rpc_is_tolerated_and_ids_come_back_as_they_were() {
    let mut client = client().await;
    client
        .send(json!({"jsonrpc": "2.0", "id": "one", "method": "initialize", "params": {"clientInfo": {"name": "x"}}}))
        .await;
    assert_eq!(client.next().await["id"], "one");
    client.send(json!({"id": -7, "method": "account/read"})).await;
    assert_eq!(client.next().await["id"], -7);
    client.ends_with(0).await;
}
