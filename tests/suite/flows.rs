//! The two flows of the user's document, event for event (reference `protocol-v1.md` §9).

use llmx_tests::world::{Answer, Event, ModelServer, Request, Response, Setup, Ui, Workspace, user_input};
use serde_json::json;

/// The events that the document draws; it leaves out the unimportant ones.
const NAMED: [&str; 15] = [
    "session_configured",
    "task_started",
    "exec_approval_request",
    "exec_command_begin",
    "exec_command_end",
    "apply_patch_approval_request",
    "patch_apply_begin",
    "patch_apply_end",
    "turn_diff",
    "turn_complete",
    "turn_aborted",
    "agent_message",
    "task_complete",
    "error",
    "warning",
];

fn named(events: &[Event]) -> Vec<(&str, &str)> {
    let named = events.iter().filter(|event| NAMED.contains(&event.kind()));
    named.map(|event| (event.id.as_str(), event.kind())).collect()
}

#[tokio::test]
async fn the_basic_flow() {
    let outside_the_sandbox = json!({"with_escalated_permissions": true, "justification": "The test may need it."});
    let server = ModelServer::start([
        Response::of("resp_1")
            .says(&["Let me see."])
            .runs_with("call_1", &["sh", "test.sh"], outside_the_sandbox)
            .completed(),
        Response::of("resp_2")
            .patches("call_2", "*** Update File: add.sh\n-echo $(($1 - $2))\n+echo $(($1 + $2))\n")
            .completed(),
        Response::of("resp_3").says(&["Now ", "it adds."]).completed(),
    ])
    .await;
    let mut ui = Setup::with(&server).workspace(Workspace::with_a_failing_test()).start();

    ui.configure(json!({"approval_policy": "on-request", "sandbox_policy": {"mode": "workspace-write"}})).await;
    ui.say("u1", "Make the test pass").await;
    let mut events = Vec::new();
    loop {
        let event = ui.next().await;
        let is_over = event.ends_a_task();
        if event.kind() == "exec_approval_request" {
            assert_eq!(event.text("call_id"), "call_1");
            ui.assert_no_process_lives();
            ui.decide("u1", "approved").await;
        }
        events.push(event);
        if is_over {
            break;
        }
    }

    assert_eq!(
        named(&events),
        [
            "task_started",
            "agent_message",
            "exec_approval_request",
            "exec_command_begin",
            "exec_command_end",
            "turn_complete",
            "patch_apply_begin",
            "patch_apply_end",
            "turn_diff",
            "turn_complete",
            "agent_message",
            "turn_complete",
            "task_complete",
        ]
        .map(|kind| ("u1", kind))
    );
    let bookmarks: Vec<_> =
        events.iter().filter(|e| e.kind() == "turn_complete").map(|e| e.text("response_id")).collect();
    assert_eq!(bookmarks, ["resp_1", "resp_2", "resp_3"]);
    assert_eq!(events.last().unwrap().text("last_agent_message"), "Now it adds.");
    assert_eq!(ui.workspace.read("add.sh"), "echo $(($1 + $2))\n");
    let diff = events.iter().find(|event| event.kind() == "turn_diff").unwrap();
    assert_eq!(
        diff.text("unified_diff"),
        "diff --git a/add.sh b/add.sh\n--- a/add.sh\n+++ b/add.sh\n@@ -1 +1 @@\n-echo $(($1 - $2))\n+echo $(($1 + $2))\n"
    );

    let failed = server.request(2).await.command_output("call_1");
    assert_eq!(failed["output"], "2 + 3: expected 5, got -1\n");
    assert_eq!(failed["metadata"]["exit_code"], 1);
    let patched = server.request(3).await.command_output("call_2");
    assert_eq!(patched["output"], "Success. Updated the following files:\nM add.sh\n");
    assert_eq!(patched["metadata"]["exit_code"], 0);
    assert_eq!(server.count(), 3);
    ui.ends_with(0).await;
}

/// The model's side of the interrupt flow: the second command of the first task never ends.
fn interrupted_then_continued() -> [Answer; 4] {
    [
        Response::of("resp_1").says(&["Looking."]).runs_script("call_1", "echo one").completed(),
        Response::of("resp_2").runs("call_2", &["sleep", "1000"]).completed(),
        Response::of("resp_3").runs_script("call_3", "echo three").completed(),
        Response::of("resp_4").says(&["Done."]).completed(),
    ]
}

/// Plays the interrupt flow up to the end of the second task, which goes on from `resp_1`.
async fn play_the_interrupt_flow(ui: &mut Ui) {
    ui.say("u1", "first").await;
    let mut events = Vec::new();
    let mut commands = 0;
    while commands < 2 {
        let event = ui.next().await;
        commands += usize::from(event.kind() == "exec_command_begin");
        events.push(event);
    }
    ui.interrupt().await;
    events.extend(ui.until_the_end_of("u1").await);
    ui.assert_no_process_lives();
    assert_eq!(
        named(&events),
        [
            "task_started",
            "agent_message",
            "exec_command_begin",
            "exec_command_end",
            "turn_complete",
            "exec_command_begin",
            "exec_command_end",
            "turn_aborted",
            "error",
        ]
        .map(|kind| ("u1", kind))
    );
    let [.., aborted, error] = &events[..] else { unreachable!("more than two events") };
    assert_eq!((aborted.text("reason"), error.text("message")), ("interrupted", "interrupted"));

    let mut second = user_input("second");
    second["last_response_id"] = json!("resp_1");
    ui.send("u2", second).await;
    let events = ui.until_the_end_of("u2").await;
    assert_eq!(
        named(&events),
        [
            "task_started",
            "exec_command_begin",
            "exec_command_end",
            "turn_complete",
            "agent_message",
            "turn_complete",
            "task_complete",
        ]
        .map(|kind| ("u2", kind))
    );
}

#[tokio::test]
async fn an_interrupted_task_is_continued_from_its_bookmark() {
    let server = ModelServer::start(interrupted_then_continued()).await;
    let mut ui = Setup::with(&server).configured().await;
    play_the_interrupt_flow(&mut ui).await;

    let beginning = ["user: first", "assistant: Looking.", "call call_1", "output call_1", "user: second"];
    let continued = server.request(3).await;
    assert_eq!(continued.conversation(), beginning);
    assert_eq!(continued.body["previous_response_id"], json!(null));
    let last = server.request(4).await;
    assert_eq!(last.conversation(), [&beginning[..], &["call call_3", "output call_3"]].concat());
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_server_that_keeps_responses_is_sent_only_what_is_new() {
    let server = ModelServer::start(interrupted_then_continued()).await;
    let mut ui = Setup::with(&server).provider("store_responses", "true").configured().await;
    play_the_interrupt_flow(&mut ui).await;

    let sent = |request: &Request| {
        let previous = request.body["previous_response_id"].as_str().map(str::to_owned);
        (previous, request.conversation().join(", "), request.body["store"].clone())
    };
    let mut requests = Vec::new();
    for number in 1..=4 {
        requests.push(sent(&server.request(number).await));
    }
    let expected = |previous: Option<&str>, items: &str| (previous.map(str::to_owned), items.to_owned(), json!(true));
    assert_eq!(
        requests,
        [
            expected(None, "user: first"),
            expected(Some("resp_1"), "output call_1"),
            expected(Some("resp_1"), "output call_1, user: second"),
            expected(Some("resp_3"), "output call_3"),
        ]
    );
    ui.ends_with(0).await;
}

#[tokio::test]
async fn new_input_and_new_settings_end_the_running_task_first() {
    let server = ModelServer::start([
        Response::of("resp_1").runs("call_1", &["sleep", "1001"]).completed(),
        Response::of("resp_2").runs("call_2", &["sleep", "1000"]).completed(),
        Response::of("resp_3").says(&["Third."]).completed(),
    ])
    .await;
    let mut ui = Setup::with(&server).configured().await;
    ui.say("u1", "first").await;
    ui.until("exec_command_begin").await;
    ui.say("u2", "second").await;
    let mut events = ui.until_the_end_of("u1").await;
    // The second task's command may run by now.
    let left: Vec<_> = ui.processes().into_iter().filter(|process| process.command.contains("sleep 1001")).collect();
    assert!(left.is_empty(), "still there: {left:#?}");
    loop {
        let event = ui.next().await;
        let begun = event.kind() == "exec_command_begin";
        events.push(event);
        if begun {
            break;
        }
    }
    let settings = json!({"type": "configure_session", "cwd": ui.workspace.path(), "model": "another"});
    ui.send("c2", settings).await;
    ui.say("u3", "third").await;
    events.extend(ui.until_the_end_of("u2").await);
    ui.assert_no_process_lives();
    events.extend(ui.until_the_end_of("u3").await);
    assert_eq!(
        named(&events),
        [
            ("u1", "exec_command_end"),
            ("u1", "turn_aborted"),
            ("u1", "error"),
            ("u2", "task_started"),
            ("u2", "exec_command_begin"),
            ("u2", "exec_command_end"),
            ("u2", "turn_aborted"),
            ("u2", "error"),
            ("c2", "session_configured"),
            ("u3", "task_started"),
            ("u3", "agent_message"),
            ("u3", "turn_complete"),
            ("u3", "task_complete"),
        ]
    );
    let reasons: Vec<_> = events.iter().filter(|e| e.kind() == "turn_aborted").map(|e| e.text("reason")).collect();
    assert_eq!(reasons, ["replaced", "reconfigured"]);
    assert_eq!(server.request(3).await.body["model"], "another");
    ui.ends_with(0).await;
}
