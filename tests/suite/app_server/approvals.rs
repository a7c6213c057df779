//! Questions of the server's: whatever is no yes is a no, and nothing waits for ever.

use llmx_tests::world::{Client, ModelServer, Response, Setup};
use serde_json::{Value, json};

const ASK: &str = "item/commandExecution/requestApproval";

/// A client whose model wants to run these scripts, each in a call of its own, and then says something.
async fn asked(scripts: &[&str]) -> (ModelServer, Client, String) {
    let call = |response: Response, (number, script): (usize, &&str)| {
        response.runs(&format!("call_{number}"), &["sh", "-c", script])
    };
    let calls = scripts.iter().enumerate().fold(Response::of("resp_1"), call).completed();
    let server = ModelServer::start([calls, Response::of("resp_2").says(&["Well."]).completed()]).await;
    let mut client = Setup::with(&server).setting("approval_policy", "'untrusted'").serve();
    client.initialize().await;
    let session = client.start_thread(json!({"approvalPolicy": "untrusted"})).await;
    let turn = client.say(session["thread"]["id"].as_str().unwrap(), "hello").await;
    (server, client, turn)
}

async fn check(answer: Value, item: &str, turn_ends: &str, ran: bool) {
    check_sent(async |client, line| client.send_line(&line).await, answer, item, turn_ends, ran).await;
}

/// An answer that is none: it counts as a no.
async fn check_nonsense(answer: Value) {
    let send = async |client: &mut Client, line: String| client.send_against_the_schema(&line).await;
    check_sent(send, answer, "declined", "completed", false).await;
}

async fn check_sent(send: impl AsyncFn(&mut Client, String), answer: Value, item: &str, turn_ends: &str, ran: bool) {
    let (_server, mut client, turn) = asked(&["touch ran"]).await;
    let (id, _) = client.until_asked(ASK).await;
    assert!(!client.workspace.at("ran").exists());
    let mut message = answer;
    message["id"] = json!(id);
    send(&mut client, message.to_string()).await;
    assert_eq!(client.until("serverRequest/resolved").await["requestId"], id);
    let end = client.until_the_end_of(&turn).await;
    let completed = end.iter().find(|m| m["params"]["item"]["type"] == "commandExecution").unwrap();
    assert_eq!(completed["params"]["item"]["status"], item, "{message}; {}", client.story());
    assert_eq!(end.last().unwrap()["params"]["turn"]["status"], turn_ends, "{message}");
    assert_eq!(client.workspace.at("ran").exists(), ran, "{message}");
    // A second answer to the same question is not heard.
    client.send(json!({"id": id, "result": {"decision": "accept"}})).await;
    client.call("account/read", json!({})).await;
    client.ends_with(0).await;
}

#[tokio::test]
async fn only_a_yes_lets_a_command_run() {
    check(json!({"result": {"decision": "accept"}}), "completed", "completed", true).await;
    check(json!({"result": {"decision": "decline"}}), "declined", "completed", false).await;
    check(json!({"result": {"decision": "cancel"}}), "declined", "interrupted", false).await;
    check_nonsense(json!({"result": {"decision": "whatever"}})).await;
    check_nonsense(json!({"result": []})).await;
    check(json!({"error": {"code": -32601, "message": "no handler"}}), "declined", "completed", false).await;
}

#[tokio::test]
async fn a_client_that_is_gone_says_no() {
    let (server, mut client, _) = asked(&["touch ran"]).await;
    client.until_asked(ASK).await;
    let messages = client.ends_with(0).await;
    let end = messages.iter().find(|m| m["method"] == "turn/completed").unwrap();
    assert_eq!(end["params"]["turn"]["status"], "completed");
    assert!(server.request(2).await.output_of("call_0").contains("rejected"), "the model is told");
}

#[tokio::test]
async fn several_questions_are_told_apart() {
    let (_server, mut client, turn) = asked(&["touch one", "touch two"]).await;
    let (first, one) = client.until_asked(ASK).await;
    let (second, two) = client.until_asked(ASK).await;
    assert_eq!((&one["itemId"], &two["itemId"]), (&json!("call_0"), &json!("call_1")));
    client.send(json!({"id": second, "result": {"decision": "accept"}})).await;
    client.send(json!({"id": first, "result": {"decision": "decline"}})).await;
    client.until_the_end_of(&turn).await;
    assert!(!client.workspace.at("one").exists() && client.workspace.at("two").exists());
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_yes_for_the_session_covers_the_same_words() {
    let (_server, mut client, turn) = asked(&["echo x >> ran", "echo x >> ran"]).await;
    let (first, _) = client.until_asked(ASK).await;
    let (second, _) = client.until_asked(ASK).await;
    client.send(json!({"id": first, "result": {"decision": "acceptForSession"}})).await;
    for id in [first, second] {
        assert_eq!(client.until("serverRequest/resolved").await["requestId"], id);
    }
    client.until_the_end_of(&turn).await;
    assert_eq!(client.workspace.read("ran"), "x\nx\n");
    client.ends_with(0).await;
}

#[tokio::test]
async fn an_interrupt_closes_the_questions() {
    let (_server, mut client, turn) = asked(&["touch ran"]).await;
    let (id, params) = client.until_asked(ASK).await;
    client.call("turn/interrupt", json!({"threadId": params["threadId"], "turnId": turn})).await;
    assert_eq!(client.until("serverRequest/resolved").await["requestId"], id);
    let end = client.until_the_end_of(&turn).await;
    assert_eq!(end.last().unwrap()["params"]["turn"]["status"], "interrupted");
    assert!(!client.workspace.at("ran").exists());
    client.ends_with(0).await;
}
