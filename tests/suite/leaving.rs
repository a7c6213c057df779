//! However llmx ends, it says so with its exit code and leaves no process behind.

use llmx_tests::world::{Answer, Event, Gate, ModelServer, Response, Setup, Ui, processes::none_left, user_input};
use rustix::process::Signal;
use serde_json::json;

/// A session with a command that runs, and has a daemon that does not care about signals.
async fn with_a_running_command() -> (ModelServer, Ui) {
    let script = "setsid sh -c 'trap \"\" TERM HUP INT; (sleep 1000 &); exit'; echo ready; sleep 1000";
    let server = ModelServer::start([Response::of("resp_1").runs_script("call_1", script).completed()]).await;
    let mut ui = Setup::with(&server).configured().await;
    ui.say("u1", "hello").await;
    ui.until("exec_command_output_delta").await;
    (server, ui)
}

fn kinds_and_ids(events: &[Event]) -> Vec<(&str, &str)> {
    events.iter().map(|e| (e.id.as_str(), e.kind())).collect()
}

#[tokio::test]
async fn the_end_of_input_finishes_what_was_submitted() {
    let gate = Gate::default();
    let slow = Response::of("resp_1").runs_script("call_1", "echo one").so_far().waits_for(&gate);
    let server = ModelServer::start([
        slow.events([json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed"}})])
            .ends(),
        Response::of("resp_2").says(&["Done."]).completed(),
    ])
    .await;
    let mut ui = Setup::with(&server).configured().await;
    ui.say("u1", "hello").await;
    server.request(1).await;
    ui.close_input();
    gate.open();
    let events = ui.ends_with(0).await;
    let last = events.last().unwrap();
    assert_eq!((last.kind(), last.text("last_agent_message")), ("task_complete", "Done."));
}

#[tokio::test]
async fn no_input_at_all_is_no_failure() {
    let server = ModelServer::start([]).await;
    assert_eq!(Setup::with(&server).start().ends_with(0).await, []);
    assert_eq!(Setup::with(&server).configured().await.ends_with(0).await, []);
}

#[tokio::test]
async fn a_last_line_without_a_newline_counts() {
    let server = ModelServer::start([Response::of("resp_1").says(&["Hello."]).completed()]).await;
    let mut ui = Setup::with(&server).configured().await;
    let line = json!({"id": "u1", "op": {"type": "user_input", "items": [{"type": "text", "text": "hello"}]}});
    ui.send_raw(line.to_string().as_bytes()).await;
    assert_eq!(ui.ends_with(0).await.last().unwrap().kind(), "task_complete");
}

#[tokio::test]
async fn an_approval_that_nobody_can_give_any_more_is_denied() {
    let server = ModelServer::start([
        Response::of("resp_1").runs("call_1", &["sh", "step.sh"]).completed(),
        Response::of("resp_2").runs("call_2", &["sh", "step.sh"]).completed(),
        Response::of("resp_3").says(&["As you like."]).completed(),
    ])
    .await;
    let mut ui = Setup::with(&server).setting("approval_policy", "'untrusted'").configured().await;
    ui.workspace.write("step.sh", "touch ran\n");
    ui.say("u1", "hello").await;
    ui.until("exec_approval_request").await;
    ui.close_input();
    let events = ui.rest().await;
    assert_eq!(events.last().unwrap().kind(), "task_complete");
    assert_eq!(ui.exit_code().await, 0);
    assert!(!ui.workspace.at("ran").exists());
    for (request, call) in [(2, "call_1"), (3, "call_2")] {
        assert!(server.request(request).await.output_of(call).contains("rejected"));
    }
}

async fn check_signal(signal: Signal, code: i32) {
    let (_server, mut ui) = with_a_running_command().await;
    let look = ui.look();
    ui.signal(signal);
    let events = ui.rest().await;
    assert_eq!(
        kinds_and_ids(&events),
        [("u1", "exec_command_end"), ("u1", "turn_aborted"), ("u1", "error")],
        "{}",
        ui.story()
    );
    assert_eq!(ui.exit_code().await, code);
    assert_eq!(look(), []);
}

#[tokio::test]
async fn sigint_interrupts_the_task_and_leaves_with_130() {
    check_signal(Signal::INT, 130).await;
}

#[tokio::test]
async fn sigterm_interrupts_the_task_and_leaves_with_143() {
    check_signal(Signal::TERM, 143).await;
}

#[tokio::test]
async fn a_signal_without_a_task_just_leaves() {
    let server = ModelServer::start([]).await;
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut ui = Setup::with(&server).configured().await;
        ui.signal(signal);
        assert_eq!(ui.rest().await, []);
        assert_eq!(ui.exit_code().await, code);
    }
}

#[tokio::test]
async fn a_signal_while_the_model_is_silent_closes_its_connection() {
    let server = ModelServer::start([Answer::never()]).await;
    let mut ui = Setup::with(&server).configured().await;
    ui.say("u1", "hello").await;
    server.request(1).await;
    ui.signal(Signal::TERM);
    assert_eq!(ui.rest().await.last().unwrap().text("message"), "interrupted");
    assert_eq!(ui.exit_code().await, 143);
    server.closed_by_client(1).await;
}

#[tokio::test]
async fn a_ui_that_goes_away_while_a_silent_command_runs_ends_llmx_with_141() {
    let (_server, mut ui) = with_a_running_command().await;
    let look = ui.look();
    ui.close_output();
    assert_eq!(ui.exit_code().await, 141);
    assert_eq!(look(), []);
}

#[tokio::test]
async fn a_ui_that_goes_away_while_the_model_speaks_ends_llmx_with_141() {
    let delta = llmx_tests::world::responses::text_delta("msg_1", 0, "more and more ");
    let server = ModelServer::start([Answer::stream().floods(&delta, 10_000_000)]).await;
    let mut ui = Setup::with(&server).configured().await;
    ui.say("u1", "hello").await;
    ui.until("agent_message_delta").await;
    ui.close_output();
    assert_eq!(ui.exit_code().await, 141);
    server.closed_by_client(1).await;
}

#[tokio::test]
async fn a_killed_llmx_takes_its_commands_along() {
    let (_server, mut ui) = with_a_running_command().await;
    let look = ui.look();
    assert!(!look().is_empty());
    ui.signal(Signal::KILL);
    none_left(look).await;
}

#[tokio::test]
async fn shutdown_is_answered_last_of_all() {
    let server = ModelServer::start([]).await;
    let mut ui = Setup::with(&server).configured().await;
    // In one piece: llmx may be gone before a second one can be written.
    let lines = [json!({"id": "bye", "op": {"type": "shutdown"}}), json!({"id": "u1", "op": user_input("too late")})];
    ui.send_raw(lines.map(|line| format!("{line}\n")).concat().as_bytes()).await;
    let events = ui.rest().await;
    assert_eq!(kinds_and_ids(&events), [("bye", "shutdown_complete")], "{}", ui.story());
    assert_eq!(ui.exit_code().await, 0);
}

#[tokio::test]
async fn shutdown_interrupts_the_task_first() {
    let (_server, mut ui) = with_a_running_command().await;
    let look = ui.look();
    ui.send("bye", json!({"type": "shutdown"})).await;
    let events = ui.rest().await;
    let expected = [("u1", "exec_command_end"), ("u1", "turn_aborted"), ("u1", "error"), ("bye", "shutdown_complete")];
    assert_eq!(kinds_and_ids(&events), expected);
    assert_eq!(ui.exit_code().await, 0);
    assert_eq!(look(), []);
}
