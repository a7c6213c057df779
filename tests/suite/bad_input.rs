//! Bad input is answered with one error that names the trouble, and loses nothing.

use llmx_tests::world::{ModelServer, Response, Setup, Ui, kinds, user_input};
use serde_json::{Value, json};

/// What llmx may hold at most while it reads a line of any length, in kB.
const MEMORY: u64 = 60_000;

async fn session() -> (ModelServer, Ui) {
    let server = ModelServer::start([Response::of("resp_1").says(&["First."]).completed()]).await;
    let mut ui = Setup::with(&server).configured().await;
    ui.task("u1", "hello").await;
    server.and_then([Response::of("resp_2").says(&["Still there."]).completed()]);
    (server, ui)
}

/// The next event is an error with this id and these words. That it is the only one shows in what is read next.
async fn assert_refused(ui: &mut Ui, id: &str, words: &[&str]) {
    let event = ui.next().await;
    assert_eq!((event.kind(), event.id.as_str()), ("error", id), "{}", ui.story());
    for word in words {
        assert!(event.text("message").contains(word), "{word:?} is not in {event:?}");
    }
}

/// The session runs one more task, and nothing else was waiting to be read.
async fn assert_goes_on(mut ui: Ui) {
    ui.say("goes on", "still there?").await;
    let first = ui.next().await;
    assert_eq!((first.kind(), first.id.as_str()), ("task_started", "goes on"), "{}", ui.story());
    let events = ui.until_the_end_of("goes on").await;
    assert_eq!(events.last().unwrap().text("last_agent_message"), "Still there.");
    assert_eq!(ui.ends_with(0).await, []);
}

#[tokio::test]
async fn a_line_that_is_no_submission_is_named() {
    let (_server, mut ui) = session().await;
    let lines: [(&[u8], &str, &[&str]); 11] = [
        (b"hello", "", &["not a submission", "hello"]),
        (b"{\"id\":\"a\",", "", &["not a submission"]),
        (b"[1,2]", "", &["not a submission"]),
        (b"{\"id\":\"a\xff\xfe\"}", "", &["UTF-8", "8"]),
        (b"{\"op\":{\"type\":\"interrupt\"}}", "", &["no `id`"]),
        (b"{\"id\":7,\"op\":{\"type\":\"interrupt\"}}", "", &["not a submission"]),
        (b"{\"id\":\"a\"}", "a", &["no `op`"]),
        (b"{\"id\":\"a\",\"op\":{}}", "a", &["no `type`"]),
        (b"{\"id\":\"a\",\"op\":{\"type\":\"fly\"}}", "a", &["unknown op `fly`"]),
        (b"{\"id\":\"a\",\"op\":{\"type\":\"user_input\"}}", "a", &["user_input", "missing field `items`"]),
        (b"{\"id\":\"a\",\"op\":{\"type\":\"exec_approval\",\"id\":\"u\",\"decision\":\"maybe\"}}", "a", &["maybe"]),
    ];
    for (line, id, words) in lines {
        ui.send_raw(&[line, b"\n"].concat()).await;
        assert_refused(&mut ui, id, words).await;
    }
    assert_goes_on(ui).await;
}

#[tokio::test]
async fn an_op_that_cannot_be_done_is_named() {
    let (_server, mut ui) = session().await;
    let configure = |further: Value| {
        let mut op = json!({"type": "configure_session", "cwd": "/"});
        op.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        op
    };
    let from = |bookmark: &str| {
        let mut op = user_input("hello");
        op["last_response_id"] = json!(bookmark);
        op
    };
    let approve = |task: &str| json!({"type": "exec_approval", "id": task, "decision": "approved"});
    let ops: [(&str, Value, &str, &[&str]); 12] = [
        ("u1", user_input("again"), "", &["u1", "used before"]),
        ("u1", configure(json!({})), "", &["u1", "used before"]),
        ("a1", configure(json!({"cwd": "src"})), "a1", &["cwd is not absolute: src"]),
        ("a2", json!({"type": "configure_session"}), "a2", &["cwd"]),
        ("a3", configure(json!({"model_provider": "nobody"})), "a3", &["nobody", "not found"]),
        ("a4", configure(json!({"approval_policy": "sometimes"})), "a4", &["sometimes"]),
        ("a5", from("resp_unheard_of"), "a5", &["last_response_id", "resp_unheard_of"]),
        ("a6", json!({"type": "user_input", "items": []}), "a6", &["no items"]),
        ("a7", approve("u1"), "a7", &["no approval is open for `u1`"]),
        ("a8", approve("nobody"), "a8", &["no approval is open for `nobody`"]),
        ("a9", json!({"type": "override_turn_context", "cwd": "src"}), "a9", &["cwd is not absolute: src"]),
        ("a10", json!({"type": "undo"}), "a10", &["undo", "not built yet"]),
    ];
    for (id, op, refused_as, words) in ops {
        ui.send(id, op).await;
        assert_refused(&mut ui, refused_as, words).await;
    }
    assert_goes_on(ui).await;
}

#[tokio::test]
async fn an_op_before_the_session_is_configured_is_refused() {
    let server = ModelServer::start([Response::of("resp_1").says(&["Still there."]).completed()]).await;
    let mut ui = Setup::with(&server).start();
    let ops = [
        user_input("hello"),
        json!({"type": "interrupt"}),
        json!({"type": "shutdown"}),
        json!({"type": "exec_approval", "id": "u1", "decision": "approved"}),
        json!({"type": "override_turn_context"}),
    ];
    for (id, op) in ["a1", "a2", "a3", "a4", "a5"].into_iter().zip(ops) {
        ui.send(id, op).await;
        assert_refused(&mut ui, id, &["No session initialized", "ConfigureSession"]).await;
    }
    ui.configure(json!({})).await;
    assert_goes_on(ui).await;
}

#[tokio::test]
async fn a_refused_op_does_not_disturb_the_running_task() {
    let server = ModelServer::start([
        Response::of("resp_1").runs("call_1", &["sh", "step.sh"]).completed(),
        Response::of("resp_2").says(&["Done."]).completed(),
    ])
    .await;
    let mut ui = Setup::with(&server).setting("approval_policy", "'untrusted'").configured().await;
    ui.workspace.write("step.sh", "echo step\n");
    ui.say("u1", "go").await;
    ui.until("exec_approval_request").await;
    ui.send("bad", json!({"type": "user_input", "items": []})).await;
    assert_refused(&mut ui, "bad", &["no items"]).await;
    ui.send("u1", user_input("the same id")).await;
    assert_refused(&mut ui, "", &["u1", "used before"]).await;
    ui.send("relative", json!({"type": "configure_session", "cwd": "src"})).await;
    assert_refused(&mut ui, "relative", &["not absolute"]).await;
    ui.decide("u1", "allow").await;
    let events = ui.until_the_end_of("u1").await;
    assert_eq!(events.last().unwrap().kind(), "task_complete", "{:?}", kinds(&events));
    assert_eq!(server.request(2).await.command_output("call_1")["output"], "step\n");
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_line_of_100_megabytes_is_refused_without_being_kept() {
    let (_server, mut ui) = session().await;
    let megabyte = vec![b'x'; 1_000_000];
    for _ in 0..100 {
        ui.send_raw(&megabyte).await;
    }
    assert_refused(&mut ui, "", &["longer than"]).await;
    ui.send_raw(b"\n").await;
    let memory = ui.memory();
    assert!(memory.peak < MEMORY, "{memory:?} kB");
    assert_goes_on(ui).await;
}

#[tokio::test]
async fn a_large_line_within_the_limit_is_taken() {
    let (server, mut ui) = session().await;
    let large = "x".repeat(4_000_000);
    let events = ui.task("u2", &large).await;
    assert_eq!(events.last().unwrap().kind(), "task_complete");
    let conversation = server.request(2).await.conversation();
    assert!(conversation.last().unwrap().len() > large.len());
    ui.ends_with(0).await;
}

#[tokio::test]
async fn empty_lines_carriage_returns_and_unknown_members_are_tolerated() {
    let (_server, mut ui) = session().await;
    ui.send_raw(b"\n\n  \n\r\n").await;
    let op = json!({"type": "override_turn_context", "model": "another", "from_the_future": [1]});
    ui.send_raw(format!("{}\r\n", json!({"id": "a", "op": op, "trace": {"x": 1}})).as_bytes()).await;
    ui.interrupt().await;
    assert_goes_on(ui).await;
}

#[tokio::test]
async fn a_line_is_read_whatever_pieces_it_comes_in() {
    let (server, mut ui) = session().await;
    let line = format!("{}\n", json!({"id": "u2", "op": user_input("é in pieces")}));
    for byte in line.as_bytes() {
        ui.send_raw(&[*byte]).await;
    }
    let events = ui.until_the_end_of("u2").await;
    assert_eq!(events.last().unwrap().kind(), "task_complete");
    assert_eq!(server.request(2).await.conversation().last().unwrap(), "user: é in pieces");
    ui.ends_with(0).await;
}
