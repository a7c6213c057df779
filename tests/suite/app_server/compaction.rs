//! Conversations that are summed up, as clients see it.

use llmx_tests::world::{Answer, Client, ModelServer, Response, Setup};
use serde_json::{Value, json};

const FULL: i64 = 900;

fn says(id: &str, text: &str) -> Answer {
    Response::of(id).says(&[text]).completed()
}

async fn with_thread(answers: impl IntoIterator<Item = Answer>) -> (ModelServer, Client, String) {
    let server = ModelServer::start(answers).await;
    let mut client = Setup::with(&server).setting("model_context_window", "1000").serve();
    client.initialize().await;
    let session = client.start_thread(json!({})).await;
    (server, client, session["thread"]["id"].as_str().unwrap().to_owned())
}

/// What these messages say of items, of the summary and of turns.
fn told(messages: &[Value]) -> Vec<String> {
    let method = |message: &Value| {
        let method = message["method"].as_str()?;
        let tells = method.starts_with("item/") && !method.ends_with("elta") || method.starts_with("turn/");
        let kind = message["params"]["item"]["type"].as_str().map(|kind| format!(" {kind}")).unwrap_or_default();
        (tells || method == "thread/compacted").then(|| format!("{method}{kind}"))
    };
    messages.iter().filter_map(method).collect()
}

const SUMMARY: [&str; 3] = ["item/started contextCompaction", "item/completed contextCompaction", "thread/compacted"];

fn items(thread: &Value, turn: usize) -> Vec<&str> {
    thread["turns"][turn]["items"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_client_that_wants_a_summary_hears_of_it() {
    let (_server, mut client, thread) = with_thread([says("r1", "Hello."), says("r2", "They said hello.")]).await;
    let turn = client.say(&thread, "hello").await;
    client.until_the_end_of(&turn).await;
    client.call("thread/compact/start", json!({"threadId": thread})).await;
    let turn = client.until("turn/started").await["turn"]["id"].as_str().unwrap().to_owned();
    let messages = client.until_the_end_of(&turn).await;
    assert_eq!(told(&messages), [&SUMMARY[..], &["turn/completed"]].concat());
    let compacted = messages.iter().find(|message| message["method"] == "thread/compacted").unwrap();
    assert_eq!(compacted["params"], json!({"threadId": thread, "turnId": turn}));
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_client_hears_of_a_summary_that_a_full_conversation_needs() {
    let full = Response::of("r1").runs("call_1", &["true"]).completed_at(FULL);
    let (_server, mut client, thread) =
        with_thread([full, says("r2", "They ran something."), says("r3", "Well.")]).await;
    let turn = client.say(&thread, "hello").await;
    let messages = client.until_the_end_of(&turn).await;
    let told = told(&messages);
    let ahead = ["item/started commandExecution", "item/completed commandExecution"];
    let behind = ["item/started agentMessage", "item/completed agentMessage", "turn/completed"];
    let expected = [&ahead[..], &SUMMARY, &behind].concat();
    assert_eq!(told[told.len() - expected.len()..], expected);
    let of = |method: &str| {
        let item = |message: &&Value| message["params"]["item"]["type"] == "contextCompaction";
        let message = messages.iter().filter(item).find(|message| message["method"] == method).unwrap();
        (message["params"]["turnId"].clone(), message["params"]["item"]["id"].clone())
    };
    assert_eq!(of("item/started"), of("item/completed"));
    assert_eq!(of("item/started").0, turn);
    let read = client.call("thread/read", json!({"threadId": thread, "includeTurns": true})).await;
    let kept = ["userMessage", "commandExecution", "contextCompaction", "agentMessage"];
    assert_eq!(items(&read["thread"], 0), kept);
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_summary_that_fails_has_not_happened() {
    let (_server, mut client, thread) = with_thread([says("r1", "Hello."), says("r2", " ")]).await;
    let turn = client.say(&thread, "hello").await;
    client.until_the_end_of(&turn).await;
    client.call("thread/compact/start", json!({"threadId": thread})).await;
    let turn = client.until("turn/started").await["turn"]["id"].as_str().unwrap().to_owned();
    let messages = client.until_the_end_of(&turn).await;
    assert_eq!(told(&messages), ["item/started contextCompaction", "turn/completed"]);
    assert_eq!(messages.last().unwrap()["params"]["turn"]["status"], "failed");
    client.ends_with(0).await;
}
