//! What the model's calls do, what the UI sees of them, and what the model is told.

use base64::{Engine, prelude::BASE64_STANDARD};
use llmx_tests::world::{Event, ModelServer, Request, Response, Setup, Ui, kinds};
use serde_json::{Value, json};

fn done() -> llmx_tests::world::Answer {
    Response::of("resp_done").says(&["Done."]).completed()
}

/// Lets the model make these calls in one response, and gives back what happened and what it was told.
async fn check_calls(calls: Response) -> (Vec<Event>, Request) {
    check_calls_in(calls, |setup| setup).await
}

async fn check_calls_in(calls: Response, setup: impl FnOnce(Setup) -> Setup) -> (Vec<Event>, Request) {
    let server = ModelServer::start([calls.completed(), done()]).await;
    let mut ui = setup(Setup::with(&server)).configured().await;
    let events = ui.task("u1", "go").await;
    assert_eq!(events.last().unwrap().kind(), "task_complete", "{}", ui.story());
    ui.ends_with(0).await;
    (events, server.request(2).await)
}

fn of_kind<'a>(events: &'a [Event], kind: &str) -> Vec<&'a Event> {
    events.iter().filter(|event| event.kind() == kind).collect()
}

fn bytes_of(events: &[Event], stream: &str) -> Vec<u8> {
    let deltas = of_kind(events, "exec_command_output_delta");
    let chunks = deltas.iter().filter(|e| e.text("stream") == stream);
    chunks.flat_map(|e| BASE64_STANDARD.decode(e.text("chunk")).unwrap()).collect()
}

#[tokio::test]
async fn a_command_is_shown_as_it_runs_and_told_to_the_model() {
    let script = "echo out; echo err >&2; exit 3";
    let (events, request) = check_calls(Response::of("resp_1").runs_script("call_1", script)).await;
    let begin = of_kind(&events, "exec_command_begin")[0];
    assert_eq!(begin.msg["command"], json!(["sh", "-c", script]));
    let end = of_kind(&events, "exec_command_end")[0];
    assert_eq!((end.text("call_id"), end.text("stdout"), end.text("stderr")), ("call_1", "out\n", "err\n"));
    assert_eq!(end.msg["exit_code"], 3);
    assert!(end.msg["duration"]["secs"].is_u64() && end.msg["duration"]["nanos"].is_u64(), "{end:?}");
    assert_eq!((bytes_of(&events, "stdout"), bytes_of(&events, "stderr")), (b"out\n".to_vec(), b"err\n".to_vec()));

    let output = request.command_output("call_1");
    assert_eq!(output["metadata"]["exit_code"], 3);
    let text = output["output"].as_str().unwrap();
    assert!(text == "out\nerr\n" || text == "err\nout\n", "{text:?}");
    assert_eq!(end.text("formatted_output"), request.output_of("call_1"));
}

#[tokio::test]
async fn long_output_is_shortened_once_and_stays_json() {
    let script = "i=1; while [ $i -le 5000 ]; do echo \"line $i \\\"quoted\\\" \\\\ é\"; i=$((i+1)); done";
    let (events, request) = check_calls(Response::of("resp_1").runs_script("call_1", script)).await;
    let output = request.command_output("call_1");
    let text = output["output"].as_str().unwrap();
    assert!(text.starts_with("Total output lines: 5000\n\nline 1 \"quoted\" \\ é\nline 2 "), "{text}");
    assert!(text.ends_with("line 4999 \"quoted\" \\ é\nline 5000 \"quoted\" \\ é\n"), "{text}");
    assert_eq!(text.matches("omitted").count(), 1, "{text}");
    assert!(text.len() <= 10_240 + 42, "{} bytes", text.len());
    let all = String::from_utf8(bytes_of(&events, "stdout")).unwrap();
    assert_eq!((all.lines().count(), all.lines().last()), (5000, Some("line 5000 \"quoted\" \\ é")));
}

#[tokio::test]
async fn bytes_that_are_no_text_reach_the_ui_as_they_are() {
    let script = r"printf '\377\000\001\200abc\303'; printf '\251\n'";
    let (events, request) = check_calls(Response::of("resp_1").runs_script("call_1", script)).await;
    assert_eq!(bytes_of(&events, "stdout"), b"\xff\x00\x01\x80abc\xc3\xa9\n");
    assert!(request.command_output("call_1")["output"].as_str().unwrap().ends_with("abcé\n"));
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_ended() {
    let slow = json!({"timeout_ms": 300});
    let script = ["sh", "-c", "trap '' TERM; echo begun; while :; do sleep 1000; done"];
    let server =
        ModelServer::start([Response::of("resp_1").runs_with("call_1", &script, slow).completed(), done()]).await;
    let mut ui = Setup::with(&server).configured().await;
    ui.say("u1", "go").await;
    let end = ui.until("exec_command_end").await;
    ui.assert_no_process_lives();
    assert_eq!(end.msg["exit_code"], 124);
    ui.until_the_end_of("u1").await;
    let output = server.request(2).await.command_output("call_1");
    assert_eq!(output["output"], "command timed out after 300 milliseconds\nbegun\n");
    assert_eq!(output["metadata"]["exit_code"], 124);
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_call_that_makes_no_sense_is_answered_and_nothing_runs() {
    let cases = [
        ("fly", "{}", "unsupported call: fly"),
        ("shell", "not json", "failed to parse function arguments"),
        ("shell", r#"{"command":[]}"#, "`command` must not be empty"),
        ("shell", r#"{"command":["a"],"timeout_ms":-1}"#, "timeout_ms"),
        ("update_plan", r#"{"plan":[{"step":"a","status":"someday"}]}"#, "failed to parse function arguments"),
    ];
    for (name, arguments, words) in cases {
        let (events, request) = check_calls(Response::of("resp_1").calls("call_1", name, arguments)).await;
        let output = request.output_of("call_1");
        assert!(output.contains(words), "{name} {arguments}: {output}");
        assert_eq!(of_kind(&events, "exec_command_begin").len() + of_kind(&events, "plan_update").len(), 0);
    }
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_told_to_the_model() {
    let (events, request) = check_calls(Response::of("resp_1").runs("call_1", &["no-such-program"])).await;
    assert_eq!(of_kind(&events, "exec_command_end")[0].msg["exit_code"], -1);
    let output = request.output_of("call_1");
    assert!(output.starts_with("execution error: ") && output.contains("no-such-program"), "{output}");
}

#[tokio::test]
async fn a_plan_is_shown() {
    let plan = json!({"explanation": "why", "plan": [{"step": "one", "status": "completed"}, {"step": "two", "status": "in_progress"}]});
    let (events, request) = check_calls(Response::of("resp_1").calls("call_1", "update_plan", &plan.to_string())).await;
    let shown = of_kind(&events, "plan_update")[0];
    assert_eq!((&shown.msg["explanation"], &shown.msg["plan"]), (&plan["explanation"], &plan["plan"]));
    assert_eq!(request.output_of("call_1"), "Plan updated");
}

#[tokio::test]
async fn calls_of_one_response_run_one_after_the_other() {
    let calls = Response::of("resp_1")
        .runs_script("call_1", "sleep 0.1; echo one >> order")
        .calls("call_2", "update_plan", r#"{"plan":[]}"#)
        .runs_script("call_3", "cat order");
    let (events, request) = check_calls(calls).await;
    let commands: Vec<_> = events.iter().filter(|e| e.kind().starts_with("exec_command_")).collect();
    let order: Vec<_> = commands.iter().map(|e| (e.kind(), e.text("call_id"))).collect();
    assert_eq!(
        order,
        [
            ("exec_command_begin", "call_1"),
            ("exec_command_end", "call_1"),
            ("exec_command_begin", "call_3"),
            ("exec_command_output_delta", "call_3"),
            ("exec_command_end", "call_3"),
        ]
    );
    assert_eq!(request.command_output("call_3")["output"], "one\n");
    let outputs: Vec<_> = request.conversation().into_iter().filter(|line| line.starts_with("output")).collect();
    assert_eq!(outputs, ["output call_1", "output call_2", "output call_3"]);
}

#[tokio::test]
async fn calls_with_the_same_id_are_both_answered() {
    let calls = Response::of("resp_1").runs_script("call_1", "echo one").runs_script("call_1", "echo two");
    let (events, request) = check_calls(calls).await;
    let ids: Vec<_> = of_kind(&events, "exec_command_end").iter().map(|e| e.text("call_id").to_owned()).collect();
    assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
    let outputs = request.input().iter().filter(|item| item["type"] == "function_call_output");
    let texts: Vec<_> = outputs.map(|item| item["output"].as_str().unwrap().contains("one")).collect();
    assert_eq!(texts, [true, false]);
}

/// A session that asks about everything, with a script to ask about.
async fn asking(server: &ModelServer) -> Ui {
    let ui = Setup::with(server).setting("approval_policy", "'untrusted'").configured().await;
    ui.workspace.write("step.sh", "echo step >> ran\n");
    ui
}

#[tokio::test]
async fn two_open_approvals_are_told_apart_by_their_call() {
    let calls = Response::of("resp_1").runs("call_1", &["sh", "step.sh"]).runs("call_2", &["sh", "-e", "step.sh"]);
    let server = ModelServer::start([calls.completed(), done()]).await;
    let mut ui = asking(&server).await;
    ui.say("u1", "go").await;
    for call in ["call_1", "call_2"] {
        let request = ui.until("exec_approval_request").await;
        assert_eq!(request.text("call_id"), call);
        assert_eq!(request.msg["cwd"], json!(ui.workspace.path()));
    }
    for (call, decision) in [("call_2", "approved"), ("call_1", "denied")] {
        let op = json!({"type": "exec_approval", "id": "u1", "call_id": call, "decision": decision});
        ui.send(call, op).await;
    }
    let events = ui.until_the_end_of("u1").await;
    let begun: Vec<_> = of_kind(&events, "exec_command_begin").iter().map(|e| e.text("call_id")).collect();
    assert_eq!(begun, ["call_2"]);
    assert_eq!(ui.workspace.read("ran"), "step\n");
    let request = server.request(2).await;
    assert_eq!(request.output_of("call_1"), "exec command rejected by user");
    assert_eq!(request.command_output("call_2")["metadata"]["exit_code"], 0);
    ui.ends_with(0).await;
}

#[tokio::test]
async fn what_is_approved_for_the_session_is_not_asked_again() {
    let call = |id: &str, words: &[&str]| Response::of(id).runs(&format!("call_{id}"), words).completed();
    let server = ModelServer::start([
        call("1", &["sh", "step.sh"]),
        call("2", &["sh", "step.sh"]),
        done(),
        call("3", &["sh", "step.sh"]),
        call("4", &["sh", "-e", "step.sh"]),
        done(),
    ])
    .await;
    let mut ui = asking(&server).await;
    ui.say("u1", "go").await;
    ui.until("exec_approval_request").await;
    ui.decide("u1", "approved_for_session").await;
    let events = ui.until_the_end_of("u1").await;
    let (asked, ran) = (of_kind(&events, "exec_approval_request").len(), of_kind(&events, "exec_command_end").len());
    assert_eq!((asked, ran), (0, 2));
    ui.say("u2", "go on").await;
    assert_eq!(ui.until("exec_approval_request").await.text("call_id"), "call_4", "another command is asked about");
    ui.decide("u2", "denied").await;
    ui.until_the_end_of("u2").await;
    assert_eq!(ui.workspace.read("ran"), "step\n".repeat(3));
    ui.ends_with(0).await;
}

#[tokio::test]
async fn the_decision_to_abort_ends_the_task_as_an_interrupt_does() {
    let server = ModelServer::start([Response::of("resp_1").runs("call_1", &["sh", "step.sh"]).completed()]).await;
    let mut ui = asking(&server).await;
    ui.say("u1", "go").await;
    ui.until("exec_approval_request").await;
    ui.decide("u1", "abort").await;
    let events = ui.until_the_end_of("u1").await;
    assert_eq!(kinds(&events), ["turn_aborted", "error"]);
    assert_eq!(events[1].text("message"), "interrupted");
    assert!(!ui.workspace.at("ran").exists());
    ui.ends_with(0).await;
}

#[tokio::test]
async fn an_approval_may_name_the_call_as_its_id() {
    let server =
        ModelServer::start([Response::of("resp_1").runs("call_1", &["sh", "step.sh"]).completed(), done()]).await;
    let mut ui = asking(&server).await;
    ui.say("u1", "go").await;
    ui.until("exec_approval_request").await;
    ui.decide("call_1", "approved").await;
    ui.until_the_end_of("u1").await;
    assert_eq!(ui.workspace.read("ran"), "step\n");
    ui.ends_with(0).await;
}

#[tokio::test]
async fn an_approval_that_nobody_answers_in_time_is_denied() {
    let server =
        ModelServer::start([Response::of("resp_1").runs("call_1", &["sh", "step.sh"]).completed(), done()]).await;
    let setup = Setup::with(&server).setting("approval_policy", "'untrusted'").setting("approval_timeout_ms", "50");
    let mut ui = setup.configured().await;
    let events = ui.task("u1", "go").await;
    assert_eq!(events.last().unwrap().kind(), "task_complete");
    assert_eq!(server.request(2).await.output_of("call_1"), "exec command rejected by user");
    ui.ends_with(0).await;
}

fn touching(further: Value) -> Response {
    Response::of("resp_1").runs_with("call_1", &["touch", "ran"], further)
}

#[tokio::test]
async fn more_rights_than_the_policy_lets_ask_for_are_refused() {
    let escalated = || touching(json!({"with_escalated_permissions": true, "justification": "I like to"}));
    for policy in ["never", "on-failure", "untrusted"] {
        let set = |setup: Setup| setup.setting("approval_policy", &format!("'{policy}'"));
        let (events, request) = check_calls_in(escalated(), set).await;
        let output = request.output_of("call_1");
        assert!(output.contains(&format!("approval policy is {policy}")), "{output}");
        assert_eq!(of_kind(&events, "exec_command_begin").len() + of_kind(&events, "exec_approval_request").len(), 0);
    }
}

#[tokio::test]
async fn a_call_for_more_rights_is_asked_about_with_its_reason() {
    let escalated = touching(json!({"with_escalated_permissions": true, "justification": "It must be there"}));
    let server = ModelServer::start([escalated.completed(), done()]).await;
    let setup = Setup::with(&server).setting("approval_policy", "'on-request'").setting("sandbox_mode", "'read-only'");
    let mut ui = setup.configured().await;
    ui.say("u1", "go").await;
    assert_eq!(ui.until("exec_approval_request").await.text("reason"), "It must be there");
    assert!(!ui.workspace.at("ran").exists());
    ui.decide("u1", "approved").await;
    ui.until_the_end_of("u1").await;
    assert!(ui.workspace.at("ran").exists());
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_command_writes_where_the_policy_lets_it() {
    for (mode, may_write) in [("read-only", false), ("workspace-write", true)] {
        let server = ModelServer::start([touching(json!({})).completed(), done()]).await;
        let mut ui = Setup::with(&server).setting("sandbox_mode", &format!("'{mode}'")).configured().await;
        let events = ui.task("u1", "go").await;
        let end = &of_kind(&events, "exec_command_end")[0].msg;
        assert_eq!(end["exit_code"] == json!(0), may_write, "{mode}: {end}");
        assert_eq!(ui.workspace.at("ran").exists(), may_write, "{mode}");
        assert_eq!(of_kind(&events, "warning").len(), 0);
        ui.ends_with(0).await;
    }
}

#[tokio::test]
async fn a_relative_workdir_is_below_the_sessions_directory() {
    let call = Response::of("resp_1").runs_with("call_1", &["cat", "here"], json!({"workdir": "sub"}));
    let server = ModelServer::start([call.completed(), done()]).await;
    let mut ui = Setup::with(&server).configured().await;
    ui.workspace.write("sub/here", "found");
    let events = ui.task("u1", "go").await;
    assert_eq!(of_kind(&events, "exec_command_begin")[0].msg["cwd"], json!(ui.workspace.at("sub")));
    assert_eq!(server.request(2).await.command_output("call_1")["output"], "found");
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_command_sees_no_secrets_of_the_engine() {
    let secrets = ["LLMX_API_KEY", "FOO_TOKEN", "my_secret_thing", "SCRIPTED_PASSPORT"];
    let with_secrets = |setup: Setup| {
        let setup = setup.variable("PLAIN", "to be seen").provider("env_key", "'SCRIPTED_PASSPORT'");
        secrets.iter().fold(setup, |setup, name| setup.variable(name, "hidden value"))
    };
    let calls =
        Response::of("resp_1").runs("call_1", &["env"]).runs_script("call_2", "tr '\\0' '\\n' < /proc/$PPID/environ");
    let (_, request) = check_calls_in(calls, with_secrets).await;
    let seen = request.command_output("call_1");
    assert!(seen["output"].as_str().unwrap().contains("PLAIN=to be seen"), "{seen}");
    for call in ["call_1", "call_2"] {
        assert!(!request.output_of(call).contains("hidden value"), "{call}: {}", request.output_of(call));
    }
}

#[tokio::test]
async fn a_command_has_no_input_and_nothing_open_but_its_output() {
    let calls = Response::of("resp_1")
        .runs("call_1", &["cat"])
        .runs_script("call_2", "readlink /proc/self/fd/0; ls /proc/$$/fd");
    let (_, request) = check_calls(calls).await;
    let read = request.command_output("call_1");
    assert_eq!((&read["output"], &read["metadata"]["exit_code"]), (&json!(""), &json!(0)));
    assert_eq!(request.command_output("call_2")["output"], "/dev/null\n0\n1\n2\n");
}
