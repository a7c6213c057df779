//! A UI that stops reading costs no memory, loses no event, and can still interrupt.

use llmx_tests::world::{Answer, Event, ModelServer, Response, Setup, Ui, responses::text_delta};
use serde_json::json;
use std::{env, time::Duration};
use tokio::time::{sleep, timeout};

/// What llmx may hold, in kB. 24,000 of it are the program itself, as it is built for tests.
const MEMORY: u64 = 45_000;
/// What a model sends at a time, in bytes of text.
const DELTA: usize = 8_000;

/// How long the UI does not read: a moment every day, `LLMX_SLOW_UI_SECONDS` for a long look.
fn pause() -> Duration {
    let seconds = env::var("LLMX_SLOW_UI_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(3))
}

fn flood(bytes: usize) -> Answer {
    flood_of(bytes / DELTA, DELTA)
}

/// A model that says something of so many bytes so many times.
pub(crate) fn flood_of(times: usize, bytes: usize) -> Answer {
    let delta = "0123456789".repeat(bytes / 10);
    let completed = json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed"}});
    Response::of("resp_1")
        .begins_to_say(&[])
        .so_far()
        .floods(&text_delta("msg_resp_1_0", 0, &delta), times)
        .events([completed])
        .ends()
}

fn deltas(events: &[Event]) -> usize {
    events.iter().filter(|e| e.kind() == "agent_message_delta").map(|e| e.text("delta").len()).sum()
}

/// Does not read for a while, and looks at what that costs.
async fn pause_reading(ui: &Ui) {
    sleep(pause()).await;
    let memory = ui.memory();
    assert!(memory.peak < MEMORY, "{memory:?} kB");
}

#[tokio::test]
async fn the_model_waits_and_an_interrupt_gets_in() {
    let server = ModelServer::start([flood(200_000_000)]).await;
    let mut ui = Setup::with(&server).configured().await;
    ui.say("u1", "tell me all").await;
    ui.until("agent_message_delta").await;
    pause_reading(&ui).await;
    let taken = server.written();
    assert!(taken < 20_000_000, "{taken} bytes were taken from the model although nobody reads them");

    ui.interrupt().await;
    server.closed_by_client(1).await;
    let events = ui.until_the_end_of("u1").await;
    assert_eq!(events.last().unwrap().text("message"), "interrupted");
    assert!(ui.memory().peak < MEMORY, "{:?} kB", ui.memory());
    server.and_then([Response::of("resp_2").says(&["Better."]).completed()]);
    assert_eq!(ui.task("u2", "short, please").await.last().unwrap().kind(), "task_complete");
    ui.ends_with(0).await;
}

#[tokio::test]
async fn everything_arrives_when_it_reads_on() {
    let bytes = 16_000_000;
    let server = ModelServer::start([flood(bytes)]).await;
    let mut ui = Setup::with(&server).configured().await;
    ui.say("u1", "tell me all").await;
    pause_reading(&ui).await;
    let events = ui.until_the_end_of("u1").await;
    assert_eq!(events.last().unwrap().kind(), "task_complete");
    assert_eq!(deltas(&events), bytes);
    assert!(ui.memory().peak < MEMORY, "{:?} kB", ui.memory());
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_command_waits_and_an_interrupt_gets_in() {
    let noise = Response::of("resp_1").runs_with(
        "call_1",
        &["sh", "-c", "yes | head -c 200000000"],
        json!({"timeout_ms": 1_000_000}),
    );
    let server = ModelServer::start([noise.completed()]).await;
    let mut ui = Setup::with(&server).configured().await;
    ui.say("u1", "make noise").await;
    ui.until("exec_command_output_delta").await;
    pause_reading(&ui).await;
    assert!(!ui.processes().is_empty(), "the command has not been held back");

    ui.interrupt().await;
    let events = ui.until_the_end_of("u1").await;
    ui.assert_no_process_lives();
    assert_eq!(events.last().unwrap().text("message"), "interrupted");
    assert!(ui.memory().peak < MEMORY, "{:?} kB", ui.memory());
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_ui_that_does_not_read_cannot_keep_llmx_from_leaving() {
    let server = ModelServer::start([flood(200_000_000)]).await;
    let mut ui = Setup::with(&server).configured().await;
    ui.say("u1", "tell me all").await;
    ui.until("agent_message_delta").await;
    ui.signal(rustix::process::Signal::TERM);
    assert_eq!(ui.exit_code().await, 143);
    server.closed_by_client(1).await;
}

/// What llmx says to a line has no model or command to be held back: the lines are not read on.
#[tokio::test]
async fn lines_whose_answers_nobody_reads_cost_no_memory() {
    let server = ModelServer::start([]).await;
    let mut ui = Setup::with(&server).configured().await;
    let noise = "nonsense\n".repeat(10_000);
    let mut heard = 0;
    let sending = async {
        loop {
            ui.send_raw(noise.as_bytes()).await;
            heard += noise.len();
        }
    };
    let _: Result<(), _> = timeout(pause(), sending).await;
    assert!(heard < 10_000_000, "{heard} bytes were heard although nobody reads the answers");
    assert!(ui.memory().peak < MEMORY, "{:?} kB", ui.memory());
    ui.signal(rustix::process::Signal::TERM);
    assert_eq!(ui.exit_code().await, 143);
}
