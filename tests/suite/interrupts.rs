//! An interrupt ends the task wherever it is: nothing of it lives when the UI is told, and the session goes on.

use llmx_tests::world::{
    Answer, Event, Gate, ModelServer, Response, Setup, Ui,
    processes::{self, one_appears},
};
use tokio::net::TcpListener;

/// Interrupts what runs as `u1` and reads its end; then nothing of it may live.
async fn interrupt_u1(ui: &mut Ui) -> Vec<Event> {
    ui.interrupt().await;
    let events = ui.until_the_end_of("u1").await;
    ui.assert_no_process_lives();
    // A warning would say that llmx gave up waiting for something to end.
    assert!(events.iter().all(|event| event.kind() != "warning"), "{}", ui.story());
    let [.., aborted, error] = &events[..] else { panic!("an aborted task has two last words: {}", ui.story()) };
    assert_eq!((aborted.kind(), aborted.text("reason")), ("turn_aborted", "interrupted"), "{}", ui.story());
    assert_eq!((error.kind(), error.text("message")), ("error", "interrupted"), "{}", ui.story());
    events
}

/// The session takes a new task; gives back what the model is told of the one before.
async fn next_task(mut ui: Ui, server: &ModelServer) -> llmx_tests::world::Request {
    let number = server.count() + 1;
    server.and_then([Response::of("resp_next").says(&["Next."]).completed()]);
    let events = ui.task("u2", "next").await;
    assert_eq!(events.last().unwrap().kind(), "task_complete", "{}", ui.story());
    ui.ends_with(0).await;
    server.request(number).await
}

#[tokio::test]
async fn before_the_model_answers() {
    let server = ModelServer::start([Answer::never()]).await;
    let mut ui = Setup::with(&server).configured().await;
    ui.say("u1", "hello").await;
    server.request(1).await;
    interrupt_u1(&mut ui).await;
    server.closed_by_client(1).await;
    assert_eq!(next_task(ui, &server).await.conversation(), ["user: hello", "user: next"]);
}

#[tokio::test]
async fn before_the_server_even_takes_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let mut ui = Setup::with_model_at(&url).configured().await;
    ui.say("u1", "hello").await;
    ui.until("user_message").await;
    interrupt_u1(&mut ui).await;
    ui.ends_with(0).await;
}

#[tokio::test]
async fn while_the_model_speaks() {
    let server = ModelServer::start([Response::of("resp_1").begins_to_say(&["Once ", "upon"]).so_far().stalls()]).await;
    let mut ui = Setup::with(&server).configured().await;
    ui.say("u1", "hello").await;
    while ui.until("agent_message_delta").await.text("delta") != "upon" {}
    interrupt_u1(&mut ui).await;
    server.closed_by_client(1).await;
    let conversation = next_task(ui, &server).await.conversation();
    assert_eq!(conversation, ["user: hello", "assistant: Once upon", "user: next"]);
}

#[tokio::test]
async fn while_an_approval_is_open() {
    let server = ModelServer::start([Response::of("resp_1").runs("call_1", &["sh", "step.sh"]).completed()]).await;
    let mut ui = Setup::with(&server).setting("approval_policy", "'untrusted'").configured().await;
    ui.workspace.write("step.sh", "touch ran\n");
    ui.say("u1", "hello").await;
    ui.until("exec_approval_request").await;
    interrupt_u1(&mut ui).await;
    ui.decide("u1", "approved").await;
    let late = ui.next().await;
    assert_eq!(late.text("message"), "no approval is open for `u1`");
    assert!(!ui.workspace.at("ran").exists());
    let request = next_task(ui, &server).await;
    assert!(request.output_of("call_1").contains("aborted by user"), "{:?}", request.body["input"]);
}

#[tokio::test]
async fn while_a_lost_request_waits_to_be_tried_again() {
    let server = ModelServer::start([Answer::refusal(503, &[("retry-after", "1000")], "{}")]).await;
    let mut ui = Setup::with(&server).configured().await;
    ui.say("u1", "hello").await;
    ui.until("stream_error").await;
    interrupt_u1(&mut ui).await;
    assert_eq!(server.count(), 1);
    next_task(ui, &server).await;
}

#[tokio::test]
async fn between_two_pieces_of_a_call() {
    let gate = Gate::default();
    let call = Response::of("resp_1").runs_script("call_1", "touch ran").so_far().waits_for(&gate);
    let server = ModelServer::start([call]).await;
    let mut ui = Setup::with(&server).configured().await;
    ui.say("u1", "hello").await;
    server.request(1).await;
    interrupt_u1(&mut ui).await;
    server.closed_by_client(1).await;
    gate.open();
    assert!(!ui.workspace.at("ran").exists());
    let conversation = next_task(ui, &server).await.conversation();
    assert_eq!(conversation, ["user: hello", "user: next"]);
}

/// Interrupts a command once it has said `ready`.
async fn check_command(script: &str) {
    let server = ModelServer::start([Response::of("resp_1").runs_script("call_1", script).completed()]).await;
    let mut ui = Setup::with(&server).configured().await;
    ui.say("u1", "hello").await;
    ui.until("exec_command_output_delta").await;
    let events = interrupt_u1(&mut ui).await;
    assert!(events.iter().any(|e| e.kind() == "exec_command_end" && e.text("stdout").starts_with("ready")));
    let request = next_task(ui, &server).await;
    assert!(request.output_of("call_1").ends_with("aborted by user"), "{:?}", request.body["input"]);
}

#[tokio::test]
async fn a_command_that_ends_when_asked() {
    check_command("echo ready; sleep 1000").await;
}

#[tokio::test]
async fn a_command_that_ignores_sigterm() {
    check_command("trap '' TERM INT HUP; echo ready; while :; do sleep 1000; done").await;
}

#[tokio::test]
async fn a_command_with_children_in_the_background() {
    check_command("sleep 1000 & (sleep 1000 & sleep 1000) & echo ready; wait").await;
}

#[tokio::test]
async fn a_command_with_a_daemon() {
    check_command("setsid sh -c '(sleep 1000 &) ; exit'; echo ready; sleep 1000").await;
}

#[tokio::test]
async fn a_command_with_a_daemon_that_ignores_sigterm() {
    check_command("setsid sh -c 'trap \"\" TERM; (sleep 1000 &) ; exit'; echo ready; sleep 1000").await;
}

#[tokio::test]
async fn a_daemon_without_its_environment() {
    // Nothing of the world's mark is left: it is known by its words alone.
    let words = format!("1000.00{}", std::process::id());
    let script = format!("env -i setsid sleep {words} & echo ready; sleep 1000");
    let server = ModelServer::start([Response::of("resp_1").runs_script("call_1", &script).completed()]).await;
    let mut ui = Setup::with(&server).configured().await;
    ui.say("u1", "hello").await;
    ui.until("exec_command_output_delta").await;
    let daemon = || processes::named(&words).into_iter().filter(|p| p.command.starts_with("sleep")).collect();
    one_appears(daemon, ' ').await;
    interrupt_u1(&mut ui).await;
    assert_eq!(daemon(), []);
    next_task(ui, &server).await;
}

#[tokio::test]
async fn a_command_with_a_stopped_child() {
    let script = "sh -c 'kill -STOP $$; sleep 1000' & echo ready; wait";
    let server = ModelServer::start([Response::of("resp_1").runs_script("call_1", script).completed()]).await;
    let mut ui = Setup::with(&server).configured().await;
    ui.say("u1", "hello").await;
    ui.until("exec_command_begin").await;
    one_appears(ui.look(), 'T').await;
    interrupt_u1(&mut ui).await;
    next_task(ui, &server).await;
}

#[tokio::test]
async fn a_command_that_has_ended_leaves_no_daemon_behind() {
    let server = ModelServer::start([
        Response::of("resp_1").runs_script("call_1", "setsid sleep 1000 >/dev/null 2>&1 & echo done").completed(),
        Response::of("resp_2").says(&["Done."]).completed(),
    ])
    .await;
    let mut ui = Setup::with(&server).configured().await;
    ui.say("u1", "hello").await;
    ui.until("exec_command_end").await;
    ui.assert_no_process_lives();
    ui.until_the_end_of("u1").await;
    assert_eq!(server.request(2).await.command_output("call_1")["output"], "done\n");
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_second_interrupt_changes_nothing() {
    let server = ModelServer::start([Response::of("resp_1").runs("call_1", &["sleep", "1000"]).completed()]).await;
    let mut ui = Setup::with(&server).configured().await;
    ui.interrupt().await;
    ui.say("u1", "hello").await;
    ui.until("exec_command_begin").await;
    ui.interrupt().await;
    ui.interrupt().await;
    interrupt_u1(&mut ui).await;
    ui.interrupt().await;
    next_task(ui, &server).await;
}
