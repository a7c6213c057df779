//! Clients that do not read.

use super::Scene;
use crate::slow_ui::flood_of;
use llmx_tests::world::{ModelServer, PATIENCE};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::AsyncReadExt,
    time::{sleep, timeout},
};

/// What llmx may hold, in kB: what it holds anyway, and what one who lags may be behind.
const MEMORY: u64 = 80_000;
/// What is said in all, in bytes: more than sockets, credits and lag together hold.
const FLOOD: usize = DELTAS * DELTA;
const DELTAS: usize = 20_000;
const DELTA: usize = 600;
/// Where the model itself has to wait: a kernel may take some 40 MB in its stead.
const LONG_DELTA: usize = 5 * DELTA;

/// So many requests of this size are more than are under way, with those that fill the sockets: a kernel may let one take
/// some 40 MB.
const ASKED: usize = 10_000;
const REQUEST: usize = 8 * 1024;

fn deltas(messages: &[Value]) -> usize {
    messages.iter().filter_map(|message| message["params"]["delta"].as_str()).map(str::len).sum()
}

async fn check_company(url: &str) {
    let mut scene = Scene::of(ModelServer::start([flood_of(DELTAS, DELTA)]).await, url).await;
    let mut slow = scene.server.client().await;
    slow.call("thread/resume", json!({"threadId": scene.thread})).await;
    let turn = scene.bystander.say(&scene.thread, "tell me all").await;
    let messages = scene.bystander.until_the_end_of(&turn).await;
    assert_eq!(messages.last().unwrap()["params"]["turn"]["status"], "completed");
    assert_eq!(deltas(&messages), FLOOD);
    // What was under way to it still comes, and then nothing, be it in the middle of a line.
    let mut rest = Vec::new();
    timeout(PATIENCE, slow.halves().1.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(rest.len() < FLOOD, "one who did not read has got everything");
    assert!(scene.server.stderr().contains("a client was cut off"), "{}", scene.server.stderr());
    scene.is_unharmed(MEMORY).await;
}

#[tokio::test]
async fn one_who_does_not_read_does_not_hold_up_others_of_a_thread() {
    check_company("unix://s").await;
}

#[tokio::test]
async fn one_who_does_not_read_a_web_socket_does_not_hold_up_others_of_a_thread() {
    check_company("ws://127.0.0.1:0").await;
}

#[tokio::test]
async fn one_who_does_not_read_alone_is_waited_for() {
    let mut scene = Scene::of(ModelServer::start([flood_of(DELTAS, LONG_DELTA)]).await, "ws://127.0.0.1:0").await;
    let mut slow = scene.server.client().await;
    let thread = slow.start_thread(json!({})).await["thread"]["id"].as_str().unwrap().to_owned();
    let turn = slow.say(&thread, "tell me all").await;
    slow.until("item/agentMessage/delta").await;
    sleep(Duration::from_secs(1)).await;
    let taken = scene.model.written();
    assert!(taken < DELTAS * LONG_DELTA, "all of it was taken from the model although nobody reads it");
    scene.is_unharmed(MEMORY).await;

    let messages = slow.until_the_end_of(&turn).await;
    assert_eq!(messages.last().unwrap()["params"]["turn"]["status"], "completed");
    assert!(deltas(&messages) > DELTAS * LONG_DELTA / 2, "what it had not read was kept for it");
    scene.is_unharmed(MEMORY).await;
}

/// Nor does one who asks and asks and never reads: he is not heard any more, and that is his own business.
#[tokio::test]
async fn one_who_only_asks_is_not_heard_any_more() {
    for url in ["unix://s", "ws://127.0.0.1:0"] {
        let mut scene = Scene::at(url).await;
        let mut asks = scene.server.client().await;
        let params = json!({"padding": "x".repeat(REQUEST)});
        let mut heard = 0;
        while heard < ASKED && timeout(Duration::from_secs(1), asks.request("model/list", params.clone())).await.is_ok()
        {
            heard += 1;
        }
        assert!(heard < ASKED, "it is heard although it reads no answers");
        scene.is_unharmed(MEMORY).await;
    }
}
