//! Turns: who may start, interrupt and steer them, and what becomes of those that fail.

use llmx_tests::world::{Answer, Client, ModelServer, Response, Setup};
use serde_json::{Value, json};

async fn with_thread(answers: impl IntoIterator<Item = Answer>) -> (ModelServer, Client, String) {
    let server = ModelServer::start(answers).await;
    let mut client = Setup::with(&server).provider("request_max_retries", "0").serve();
    client.initialize().await;
    let thread = id(&client.start_thread(json!({})).await);
    (server, client, thread)
}

fn id(session: &Value) -> String {
    session["thread"]["id"].as_str().unwrap().to_owned()
}

fn last(messages: &[Value]) -> &Value {
    &messages.last().unwrap()["params"]["turn"]
}

#[tokio::test]
async fn an_interrupt_of_what_does_not_run_is_an_error() {
    let (_server, mut client, thread) =
        with_thread([Response::of("resp_1").begins_to_say(&["x"]).so_far().stalls()]).await;
    let nothing = client.refused("turn/interrupt", json!({"threadId": thread, "turnId": "u"})).await;
    assert_eq!((&nothing["code"], &nothing["message"]), (&json!(-32600), &json!("no active turn to interrupt")));
    let turn = client.say(&thread, "hello").await;
    client.until("item/agentMessage/delta").await;
    let wrong = client.refused("turn/interrupt", json!({"threadId": thread, "turnId": "u"})).await;
    assert_eq!(wrong["code"], -32600);
    client.call("turn/interrupt", json!({"thread_id": thread, "turn_id": turn})).await;
    let end = client.until_the_end_of(&turn).await;
    assert_eq!(last(&end)["status"], "interrupted");
    client.ends_with(0).await;
}

#[tokio::test]
async fn nothing_of_an_interrupted_turn_lives_when_it_is_completed() {
    let script = "sleep 1000 & (trap '' TERM; sleep 1000 & echo ready; wait)";
    let (_server, mut client, thread) =
        with_thread([Response::of("resp_1").runs_script("call_1", script).completed()]).await;
    let turn = client.say(&thread, "hello").await;
    client.until("item/commandExecution/outputDelta").await;
    assert!(!client.processes().is_empty());
    client.call("turn/interrupt", json!({"threadId": thread, "turnId": turn})).await;
    let end = client.until_the_end_of(&turn).await;
    assert_eq!(last(&end)["status"], "interrupted");
    assert!(client.processes().is_empty(), "{:#?}", client.processes());
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_failed_turn_says_so_twice_and_the_thread_goes_on() {
    let refusal =
        Answer::refusal(400, &[], r#"{"error":{"message":"mock bad request","type":"invalid_request_error"}}"#);
    let (_server, mut client, thread) =
        with_thread([refusal, Response::of("resp_2").says(&["Well."]).completed()]).await;
    let turn = client.say(&thread, "hello").await;
    let error = client.until("error").await;
    assert_eq!((&error["willRetry"], &error["turnId"]), (&json!(false), &json!(turn)));
    assert!(error["error"]["message"].as_str().unwrap().contains("mock bad request"), "{error}");
    let end = client.until_the_end_of(&turn).await;
    assert_eq!((&last(&end)["status"], &last(&end)["error"]), (&json!("failed"), &error["error"]));
    let turn = client.say(&thread, "again").await;
    assert_eq!(last(&client.until_the_end_of(&turn).await)["status"], "completed");
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_lost_stream_is_an_error_that_is_tried_again() {
    let lost = Response::of("resp_1").begins_to_say(&["Lost"]).so_far().cuts();
    let server = ModelServer::start([lost, Response::of("resp_2").says(&["Well."]).completed()]).await;
    let mut client = Setup::with(&server).provider("stream_max_retries", "1").serve();
    client.initialize().await;
    let thread = id(&client.start_thread(json!({})).await);
    let turn = client.say(&thread, "hello").await;
    let shown = client.until_one("item/started", |p| p["item"]["type"] == "agentMessage").await;
    let error = client.until("error").await;
    assert_eq!((&error["willRetry"], &error["turnId"]), (&json!(true), &json!(turn)));
    assert_eq!(error["supersededItemIds"], json!([shown["item"]["id"]]));
    let end = client.until_the_end_of(&turn).await;
    assert_eq!((&last(&end)["status"], &last(&end)["items"][0]["text"]), (&json!("completed"), &json!("Well.")));
    client.ends_with(0).await;
}

#[tokio::test]
async fn settings_of_a_turn_hold_for_the_next_one() {
    let said = |id: &str| Response::of(id).says(&["Yes."]).completed();
    let (server, mut client, thread) = with_thread([said("resp_1"), said("resp_2")]).await;
    client.workspace.write("deep/file", "x");
    let deep = client.workspace.at("deep");
    let params = json!({"threadId": thread, "input": [{"type": "text", "text": "one"}], "cwd": deep, "model": "other",
        "approvalPolicy": "unlessTrusted", "effort": "high", "summary": "concise", "personality": "pragmatic",
        "sandboxPolicy": {"mode": "workspaceWrite", "writableRoots": [deep], "networkAccess": true}});
    let turn = client.call("turn/start", params).await["turn"]["id"].as_str().unwrap().to_owned();
    client.until_the_end_of(&turn).await;
    let turn = client.say(&thread, "two").await;
    client.until_the_end_of(&turn).await;
    for number in [1, 2] {
        let request = server.request(number).await;
        assert_eq!((&request.body["model"], &request.body["reasoning"]["effort"]), (&json!("other"), &json!("high")));
        let told = request.body["input"].to_string();
        assert!(told.contains(&deep.display().to_string()) && told.contains("workspace-write"), "{told}");
    }
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_turn_that_cannot_begin_fails() {
    let (_server, mut client, thread) = with_thread([]).await;
    let empty = client.refused("turn/start", json!({"threadId": thread, "input": []})).await;
    assert_eq!(empty["code"], -32600);
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_steered_turn_hears_the_user_before_it_asks_again() {
    let script = "echo ready; while [ ! -e go ]; do sleep 0.01; done; echo done";
    let call = Response::of("resp_1").runs_script("call_1", script).completed();
    let (server, mut client, thread) = with_thread([call, Response::of("resp_2").says(&["Well."]).completed()]).await;
    let turn = client.say(&thread, "hello").await;
    client.until("item/commandExecution/outputDelta").await;
    let input = json!([{"type": "text", "text": "look here"}]);
    let wrong = json!({"threadId": thread, "expectedTurnId": "u", "input": input});
    assert_eq!(client.refused("turn/steer", wrong).await["code"], -32600);
    let steer = json!({"threadId": thread, "expectedTurnId": turn, "input": input});
    assert_eq!(client.call("turn/steer", steer.clone()).await["turnId"], turn);
    client.until_one("item/completed", |p| p["item"]["content"][0]["text"] == "look here").await;
    client.workspace.write("go", "");
    let end = client.until_the_end_of(&turn).await;
    assert_eq!(last(&end)["status"], "completed");
    let conversation = server.request(2).await.conversation();
    assert_eq!(conversation, ["user: hello", "call call_1", "output call_1", "user: look here"]);
    assert_eq!(client.refused("turn/steer", steer).await["message"], "no active turn to steer");
    client.ends_with(0).await;
}

/// A turn that runs and hears nobody says so, and is not disturbed.
async fn check_hears_nobody(client: &mut Client, thread: &str, turn: &str) {
    let steer = json!({"threadId": thread, "expectedTurnId": turn, "input": [{"type": "text", "text": "look here"}]});
    let error = client.refused("turn/steer", steer).await;
    let says = format!("turn `{turn}` takes no further input");
    assert_eq!((&error["code"], &error["message"]), (&json!(-32600), &json!(says)));
}

#[tokio::test]
async fn a_turn_that_sums_the_conversation_up_cannot_be_steered() {
    let summing = Response::of("resp_2").begins_to_say(&["They said "]).so_far().stalls();
    let (server, mut client, thread) =
        with_thread([Response::of("resp_1").says(&["Hello."]).completed(), summing]).await;
    let turn = client.say(&thread, "hello").await;
    client.until_the_end_of(&turn).await;
    client.call("thread/compact/start", json!({"threadId": thread})).await;
    let turn = client.until("turn/started").await["turn"]["id"].as_str().unwrap().to_owned();
    check_hears_nobody(&mut client, &thread, &turn).await;
    server.request(2).await;
    check_hears_nobody(&mut client, &thread, &turn).await;
    client.call("turn/interrupt", json!({"threadId": thread, "turnId": turn})).await;
    assert_eq!(last(&client.until_the_end_of(&turn).await)["status"], "interrupted");
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_turn_whose_end_was_asked_for_cannot_be_steered() {
    // A command that does not hear SIGTERM: the turn lives until the grace is over.
    let call = Response::of("resp_1").runs_script("call_1", "trap '' TERM; echo ready; sleep 1000").completed();
    let server = ModelServer::start([call]).await;
    let mut client = Setup::with(&server).setting("kill_grace_ms", "2000").serve();
    client.initialize().await;
    let thread = id(&client.start_thread(json!({})).await);
    let turn = client.say(&thread, "hello").await;
    client.until("item/commandExecution/outputDelta").await;
    client.call("turn/interrupt", json!({"threadId": thread, "turnId": turn})).await;
    check_hears_nobody(&mut client, &thread, &turn).await;
    let end = client.until_the_end_of(&turn).await;
    assert_eq!(last(&end)["status"], "interrupted");
    assert!(end.iter().all(|message| message["params"]["item"]["type"] != "userMessage"), "{end:#?}");
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_client_that_sends_no_more_still_hears_the_turn() {
    let (_server, mut client, thread) = with_thread([Response::of("resp_1").says(&["Well."]).completed()]).await;
    client.say(&thread, "hello").await;
    let messages = client.ends_with(0).await;
    let end = messages.iter().find(|message| message["method"] == "turn/completed").unwrap();
    assert_eq!(end["params"]["turn"]["status"], "completed");
}

#[tokio::test]
async fn what_is_said_to_a_busy_thread_is_for_the_turn_that_runs() {
    let slow = Response::of("resp_1").begins_to_say(&["Let me see "]).so_far().stalls();
    let said = |id: &str| Response::of(id).says(&["Well."]).completed();
    let (server, mut client, thread) = with_thread([slow, said("resp_2"), said("resp_3")]).await;
    let turn = client.say(&thread, "hello").await;
    client.until("item/agentMessage/delta").await;
    let further = json!({"threadId": thread, "input": [{"type": "text", "text": "look here"}], "model": "other"});
    assert_eq!(client.call("turn/start", further).await["turn"]["id"], turn);
    let end = client.until_the_end_of(&turn).await;
    assert_eq!(last(&end)["status"], "completed");
    assert_eq!(end.iter().filter(|message| message["method"] == "turn/started").count(), 0, "{end:#?}");
    assert_eq!(server.request(2).await.conversation(), ["user: hello", "assistant: Let me see ", "user: look here"]);
    assert_eq!(server.request(2).await.body["model"], server.request(1).await.body["model"]);
    let next = client.say(&thread, "and now").await;
    assert_ne!(next, turn);
    client.until_the_end_of(&next).await;
    assert_eq!(server.request(3).await.body["model"], "other");
    client.ends_with(0).await;
}

#[tokio::test]
async fn what_is_said_after_an_interrupt_is_for_another_turn() {
    let slow = Response::of("resp_1").begins_to_say(&["Let me see "]).so_far().stalls();
    let (_server, mut client, thread) = with_thread([slow, Response::of("resp_2").says(&["Well."]).completed()]).await;
    let turn = client.say(&thread, "hello").await;
    client.until("item/agentMessage/delta").await;
    let interrupt = client.request("turn/interrupt", json!({"threadId": thread, "turnId": turn})).await;
    let next = client.say(&thread, "no, this").await;
    client.answer_to(interrupt).await;
    assert_ne!(next, turn);
    assert_eq!(last(&client.until_the_end_of(&turn).await)["status"], "interrupted");
    assert_eq!(last(&client.until_the_end_of(&next).await)["status"], "completed");
    client.ends_with(0).await;
}

#[tokio::test]
async fn nothing_that_is_said_while_a_turn_ends_is_lost() {
    const ROUNDS: usize = 20;
    let answers = (0..3 * ROUNDS).map(|n| Response::of(&format!("resp_{n}")).says(&["Well."]).completed());
    let (server, mut client, thread) = with_thread(answers).await;
    for round in 0..ROUNDS {
        client.say(&thread, &format!("first {round}")).await;
        client.until_one("item/completed", |p| p["item"]["type"] == "agentMessage").await;
        // The turn is about to end: each of these reaches it, or begins another one, or reaches that one.
        let words = ["second", "third"].map(|word| format!("{word} {round}"));
        let mut asked = Vec::new();
        for word in &words {
            let params = json!({"threadId": thread, "input": [{"type": "text", "text": word}]});
            asked.push(client.request("turn/start", params).await);
        }
        for request in asked {
            let answer = client.answer_to(request).await;
            assert!(answer["result"]["turn"]["id"].is_string(), "{answer}");
        }
        for word in &words {
            client.until_one("item/completed", |p| p["item"]["content"][0]["text"] == *word).await;
        }
        assert_eq!(client.until("turn/completed").await["turn"]["status"], "completed");
    }
    let conversation = server.request(server.count()).await.conversation();
    let said = (0..ROUNDS).flat_map(|n| ["first", "second", "third"].map(|word| format!("user: {word} {n}")));
    let heard: Vec<_> = conversation.into_iter().filter(|line| line.starts_with("user: ")).collect();
    assert_eq!(heard, said.collect::<Vec<_>>());
    client.ends_with(0).await;
}
