//! Threads that nobody needs any more.

use llmx_tests::world::{Answer, Client, ModelServer, Response, Setup};
use serde_json::{Value, json};

fn says(id: &str, text: &str) -> Answer {
    Response::of(id).says(&[text]).completed()
}

/// As `setup` says, with sessions that rest at once.
async fn client(setup: Setup) -> Client {
    let mut client = setup.setting("session_rests_after_ms", "1").serve();
    client.initialize().await;
    client
}

async fn thread(client: &mut Client, params: Value) -> String {
    client.start_thread(params).await["thread"]["id"].as_str().unwrap().to_owned()
}

async fn turn(client: &mut Client, thread: &str, text: &str) {
    let turn = client.say(thread, text).await;
    let end = client.until_the_end_of(&turn).await.pop().unwrap();
    assert_eq!(end["params"]["turn"]["status"], "completed", "{}", client.story());
}

async fn unsubscribe(client: &mut Client, thread: &str) {
    assert_eq!(client.call("thread/unsubscribe", json!({"threadId": thread})).await["status"], "unsubscribed");
}

async fn until_closed(client: &mut Client, thread: &str) {
    let status = client.until("thread/status/changed").await;
    assert_eq!(status, json!({"threadId": thread, "status": {"type": "notLoaded"}}));
    assert_eq!(client.until("thread/closed").await, json!({"threadId": thread}));
}

#[tokio::test]
async fn a_thread_that_nobody_follows_is_let_go_and_goes_on_when_it_is_resumed() {
    let server = ModelServer::start([says("r1", "Hello."), says("r2", "I recall.")]).await;
    let mut client = client(Setup::with(&server)).await;
    let thread = thread(&mut client, json!({"approvalPolicy": "untrusted"})).await;
    turn(&mut client, &thread, "remember").await;
    assert_eq!(client.call("thread/loaded/list", json!({})).await["data"], json!([thread]));
    unsubscribe(&mut client, &thread).await;
    until_closed(&mut client, &thread).await;

    assert_eq!(client.call("thread/loaded/list", json!({})).await["data"], json!([]));
    let listed = client.call("thread/list", json!({})).await;
    assert_eq!(listed["data"][0]["status"]["type"], "notLoaded", "{listed}");
    let status = client.call("thread/unsubscribe", json!({"threadId": thread})).await;
    assert_eq!(status["status"], "notLoaded");
    let say = json!({"threadId": thread, "input": [{"type": "text", "text": "hello"}]});
    assert_eq!(client.refused("turn/start", say).await["message"], format!("thread not found: {thread}"));

    let resumed = client.call("thread/resume", json!({"threadId": thread})).await;
    assert_eq!(resumed["thread"]["turns"][0]["items"][1]["text"], "Hello.");
    assert_eq!(resumed["approvalPolicy"], "untrusted");
    turn(&mut client, &thread, "what?").await;
    assert_eq!(server.request(2).await.conversation(), ["user: remember", "assistant: Hello.", "user: what?"]);
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_thread_that_works_is_let_go_when_it_is_done() {
    let call = Response::of("r1").runs_script("call_1", "while [ ! -e go ]; do sleep 0.01; done").completed();
    let server = ModelServer::start([call, says("r2", "Well.")]).await;
    let mut client = client(Setup::with(&server)).await;
    let thread = thread(&mut client, json!({})).await;
    client.say(&thread, "hello").await;
    client.until_one("item/started", |p| p["item"]["type"] == "commandExecution").await;
    unsubscribe(&mut client, &thread).await;
    assert_eq!(client.call("thread/loaded/list", json!({})).await["data"], json!([thread]));
    let read = client.call("thread/read", json!({"threadId": thread})).await;
    assert_eq!(read["thread"]["status"]["type"], "active", "{read}");
    client.workspace.write("go", "");
    until_closed(&mut client, &thread).await;
    client.ends_with(0).await;
}

#[tokio::test]
async fn whoever_follows_a_thread_keeps_it_loaded() {
    let server = ModelServer::start([]).await;
    let listening = Setup::with(&server).setting("session_rests_after_ms", "1");
    let server = listening.listen("app-server", "ws://127.0.0.1:0").await;
    let (mut one, mut other) = (server.client().await, server.client().await);
    let kept = thread(&mut one, json!({})).await;
    let left = thread(&mut one, json!({})).await;
    other.call("thread/resume", json!({"threadId": kept})).await;
    // A client that is gone follows nothing any more.
    drop(one);
    until_closed(&mut other, &left).await;
    assert_eq!(other.call("thread/loaded/list", json!({})).await["data"], json!([kept]));
    other.call("thread/unsubscribe", json!({"threadId": kept})).await;
    until_closed(&mut other, &kept).await;
}

#[tokio::test]
async fn a_thread_whose_client_is_gone_is_let_go_when_its_question_was_refused() {
    let call = Response::of("r1").runs("call_1", &["sh", "-c", "touch ran"]).completed();
    let model = ModelServer::start([call, says("r2", "Well.")]).await;
    let listening = Setup::with(&model).setting("session_rests_after_ms", "1");
    let server = listening.listen("app-server", "ws://127.0.0.1:0").await;
    let (mut one, mut other) = (server.client().await, server.client().await);
    let thread = thread(&mut one, json!({"approvalPolicy": "untrusted"})).await;
    one.say(&thread, "hello").await;
    one.until_asked("item/commandExecution/requestApproval").await;
    unsubscribe(&mut one, &thread).await;
    let loaded = other.call("thread/loaded/list", json!({})).await;
    assert_eq!(loaded["data"], json!([thread]), "somebody may still answer");
    drop(one);
    until_closed(&mut other, &thread).await;
    let read = other.call("thread/read", json!({"threadId": thread, "includeTurns": true})).await;
    assert_eq!(read["thread"]["turns"][0]["status"], "completed", "{read}");
}

#[tokio::test]
async fn settings_for_the_next_turn_outlive_the_thread_s_stay() {
    let slow = Response::of("r1").begins_to_say(&["Let me see "]).so_far().stalls();
    let server = ModelServer::start([slow, says("r2", "Well."), says("r3", "Again.")]).await;
    let mut client = client(Setup::with(&server)).await;
    let thread = thread(&mut client, json!({})).await;
    let turn_id = client.say(&thread, "hello").await;
    client.until("item/agentMessage/delta").await;
    let further = json!({"threadId": thread, "input": [{"type": "text", "text": "look here"}], "model": "other"});
    assert_eq!(client.call("turn/start", further).await["turn"]["id"], turn_id);
    client.until_the_end_of(&turn_id).await;
    unsubscribe(&mut client, &thread).await;
    until_closed(&mut client, &thread).await;
    assert_eq!(client.call("thread/resume", json!({"threadId": thread})).await["model"], "other");
    turn(&mut client, &thread, "and now").await;
    assert_eq!(server.request(3).await.body["model"], "other");
    client.ends_with(0).await;
}

#[tokio::test]
async fn nothing_that_is_asked_of_a_thread_while_it_is_let_go_is_lost() {
    const ROUNDS: usize = 60;
    let server = ModelServer::start((0..ROUNDS).map(|n| says(&format!("r{n}"), "Well."))).await;
    let mut client = client(Setup::with(&server)).await;
    let thread = thread(&mut client, json!({})).await;
    for round in 0..ROUNDS {
        // All at once: it is there, about to go, gone or being opened when each of these comes.
        let unsubscribed = client.request("thread/unsubscribe", json!({"threadId": thread})).await;
        if round % 3 == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(round as u64 % 7)).await;
        }
        let resumed = client.request("thread/resume", json!({"threadId": thread, "excludeTurns": true})).await;
        let input = json!([{"type": "text", "text": format!("question {round}")}]);
        let again = client.request("thread/resume", json!({"threadId": thread})).await;
        let started = client.request("turn/start", json!({"threadId": thread, "input": input})).await;
        assert!(client.answer_to(unsubscribed).await["result"]["status"].is_string());
        for request in [resumed, again] {
            assert_eq!(client.answer_to(request).await["result"]["thread"]["id"], thread, "{}", client.story());
        }
        let answer = client.answer_to(started).await;
        let Some(turn) = answer["result"]["turn"]["id"].as_str() else { client.fail(&format!("{answer}")) };
        client.until_the_end_of(turn).await;
    }
    let heard = server.request(ROUNDS).await.conversation();
    let asked = (0..ROUNDS).map(|n| format!("user: question {n}"));
    assert_eq!(
        heard.into_iter().filter(|line| line.starts_with("user: ")).collect::<Vec<_>>(),
        asked.collect::<Vec<_>>()
    );
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_key_that_only_the_client_knows_outlives_a_rest() {
    let server = ModelServer::start([says("r1", "Well."), says("r2", "Again.")]).await;
    let mut client = client(Setup::with(&server)).await;
    let provider = json!({"base_url": server.url(), "experimental_bearer_token": "only-here"});
    let thread =
        thread(&mut client, json!({"modelProvider": "mine", "config": {"model_providers": {"mine": provider}}})).await;
    turn(&mut client, &thread, "hello").await;
    // Long enough for a session that may rest.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    turn(&mut client, &thread, "and now").await;
    assert_eq!(server.request(2).await.header("authorization"), Some("Bearer only-here"));
    client.ends_with(0).await;
}
