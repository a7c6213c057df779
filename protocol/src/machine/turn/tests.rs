use super::*;
use crate::{
    ids::CallId,
    machine::fixture,
    model::{event::ItemKind, item::ResponseItem},
};
use serde_json::json;

/// Tells a turn what the words say and compares what it does. Calls are numbered from 0; `+5s` lets time pass.
fn check(script: &str, expected: &str) {
    let done: Vec<_> = run(script).iter().map(shown).collect();
    assert_eq!(done.join(" "), expected, "script: {script}");
}

fn run(script: &str) -> Vec<Effect> {
    let mut turn = Turn::new(start());
    let mut now = Instant::now();
    let mut calls = 0;
    let mut done = Vec::new();
    for word in script.split_whitespace() {
        let input = match word.strip_prefix('+') {
            Some(wait) => {
                now += Duration::from_secs(wait.trim_end_matches('s').parse().unwrap());
                Input::Tick
            }
            None => input(word, turn.attempt(), &mut calls),
        };
        done.extend(turn.apply(input, now));
    }
    done
}

fn start() -> TurnStart {
    TurnStart {
        turn: TurnId(7),
        session: "thread".into(),
        submission: "u1".into(),
        settings: Arc::new(fixture::settings()),
        purpose: Purpose::Work,
        retry: RetryPolicy { request_max: 1, stream_max: 1, seed: 0 },
        used: TokenUsage::default(),
        history_is_whole: true,
    }
}

fn input(word: &str, attempt: Attempt, calls: &mut u32) -> Input {
    let (verb, what) = word.split_once(':').unwrap_or((word, ""));
    let call = || CallKey { turn: TurnId(7), index: what.parse().unwrap() };
    let said = |event| Input::Model { attempt, event };
    let lost = |failure| Input::ModelEnded { attempt, how: Err(failure) };
    let ended = |end| Input::CallEnded { call: call(), end, duration: Duration::from_secs(1) };
    match verb {
        "begin" => Input::Begin,
        "created" => said(ModelEvent::Created { response_id: Some("r1".into()) }),
        "opens" => said(ModelEvent::ItemStarted { slot: 0, kind: ItemKind::Message }),
        "word" => said(ModelEvent::TextDelta { slot: 0, delta: what.into() }),
        "message" => said(ModelEvent::ItemDone { slot: 0, item: ResponseItem::message("assistant", what) }),
        "call" => {
            *calls += 1;
            said(ModelEvent::ItemDone { slot: *calls, item: call_item(*calls - 1, what) })
        }
        "completed" => said(completed(None)),
        "incomplete" => said(completed(Some("max_output_tokens".into()))),
        "late" => Input::Model { attempt: Attempt(attempt.0 - 1), event: completed(None) },
        "ended" => Input::ModelEnded { attempt, how: Ok(()) },
        "cut" => lost(Failure::cut("reset")),
        "quota" => lost(Failure::new(FailureKind::Quota, "no money")),
        "forgotten" => lost(Failure::new(FailureKind::PreviousResponseNotFound, "what?")),
        "yes" => Input::Answered { call: call(), answer: Answer::Approved },
        "no" => Input::Answered { call: call(), answer: Answer::Denied },
        "writes" => Input::CallOutput { call: call(), stream: ExecOutputStream::Stdout, chunk: b"x".to_vec() },
        "exits" => ended(CallEnd::Exited(0)),
        "killed" => ended(CallEnd::Signalled(9)),
        "not_started" => ended(CallEnd::NotStarted("no such file".into())),
        "replaced" => Input::ExecutorReplaced,
        "lost" => Input::CallsLost,
        "stop" => Input::Stop,
        other => panic!("unknown word {other}"),
    }
}

fn completed(incomplete: Option<String>) -> ModelEvent {
    ModelEvent::Completed { response_id: None, usage: None, incomplete }
}

fn call_item(n: u32, what: &str) -> ResponseItem {
    let arguments = match what {
        "run" => json!({"command": ["make"]}),
        "ask" => json!({"command": ["make"], "with_escalated_permissions": true}),
        "garbage" => json!({"command": 7}),
        "plan" => json!({"plan": []}),
        "nothing" => return local_shell_call(n),
        other => panic!("unknown call {other}"),
    };
    let name = if what == "plan" { "update_plan" } else { "shell" };
    let id = if what == "ask" { "same".to_owned() } else { format!("c{n}") };
    let item = json!({"type": "function_call", "call_id": id, "name": name, "arguments": arguments.to_string()});
    ResponseItem::from_model(&item.to_string()).unwrap()
}

fn local_shell_call(n: u32) -> ResponseItem {
    let action = json!({"type": "exec", "command": []});
    let item = json!({"type": "local_shell_call", "call_id": format!("c{n}"), "action": action});
    ResponseItem::from_model(&item.to_string()).unwrap()
}

fn shown(effect: &Effect) -> String {
    match effect {
        Effect::OpenModel { attempt, in_full: false } => format!("open:{attempt}"),
        Effect::OpenModel { attempt, in_full: true } => format!("open_in_full:{attempt}"),
        Effect::CloseModel => "close".into(),
        Effect::Publish(EventMsg::StreamError { superseded, .. }) => format!("stream_error:{}", superseded.len()),
        Effect::Publish(EventMsg::ExecCommandEnd(end)) => format!("exec_command_end:{}", end.exit_code),
        Effect::Publish(msg) => fixture::name(msg),
        Effect::Ask(question) => format!("ask:{}", question.call.index),
        Effect::StartCall(start) => format!("start:{}", start.call.index),
        Effect::KillCall(call) => format!("kill:{}", call.index),
        Effect::Finish(end) => format!("{}:{}+{}", how(&end.outcome), end.said.len(), end.outputs.len()),
    }
}

fn how(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => "completed",
        Outcome::Stopped => "stopped",
        Outcome::Failed(_) => "failed",
        Outcome::Overflowed(_) => "overflowed",
    }
}

/// A message of one word, and a command that runs, as the UI sees them.
const WORD: &str = "item_started agent_message_delta";
const RUN: &str = "open:1 exec_command_begin start:0";

#[test]
fn an_answer_of_words_completes() {
    let message = format!("open:1 {WORD} item_completed agent_message completed:1+0");
    check("begin opens word:hi message:hi completed", &message);
    check("begin opens word:hi completed ended", &message);
    check("begin message:hi completed completed", "open:1 item_started item_completed agent_message completed:1+0");
    check("begin opens message: completed", "open:1 completed:0+0");
    check("completed stop begin", "stopped:0+0");
}

#[test]
fn calls_run_one_by_one_when_the_answer_is_complete() {
    check("begin call:run", "open:1");
    check(
        "begin call:run call:run completed writes:0 exits:0 exits:0 writes:0 exits:1",
        &format!(
            "{RUN} exec_command_output_delta exec_command_end:0 \
             exec_command_begin start:1 exec_command_end:0 completed:2+2"
        ),
    );
    check("begin call:run completed not_started:0", &format!("{RUN} exec_command_end:-1 completed:1+1"));
    check("begin call:garbage call:nothing call:plan completed", "open:1 plan_update completed:3+3");
    check("begin call:run incomplete", "open:1 warning completed:1+1");
}

#[test]
fn a_call_that_needs_a_person_waits_for_one() {
    check("begin call:ask completed", "open:1 ask:0");
    check("begin call:ask completed no:0", "open:1 ask:0 completed:1+1");
    check(
        "begin call:ask completed yes:0 yes:0 no:0 exits:0",
        "open:1 ask:0 exec_command_begin start:0 exec_command_end:0 completed:1+1",
    );
    check(
        "begin call:ask call:run completed exits:1 yes:0 exits:0",
        "open:1 ask:0 exec_command_begin start:1 exec_command_end:0 \
         exec_command_begin start:0 exec_command_end:0 completed:2+2",
    );
    check("begin call:ask completed stop yes:0", "open:1 ask:0 stopped:1+1");
}

#[test]
fn a_stop_waits_for_what_it_ends() {
    check("begin stop", "open:1 close");
    check("begin stop completed ended", "open:1 close stopped:0+0");
    check("begin word:hi stop stop ended", &format!("open:1 {WORD} close stopped:1+0"));
    check("begin call:run completed stop", &format!("{RUN} kill:0"));
    check(
        "begin call:run completed stop writes:0 killed:0",
        &format!("{RUN} kill:0 exec_command_output_delta exec_command_end:137 stopped:1+1"),
    );
    check("begin call:run call:run completed stop killed:0", &format!("{RUN} kill:0 exec_command_end:137 stopped:2+2"));
    check("begin cut stop +60s", "open:1 stream_error:0 stopped:0+0");
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    check("begin stop +4s +1s ended", "open:1 close warning stopped:0+0");
    check("begin call:run completed stop +5s killed:0", &format!("{RUN} kill:0 warning stopped:1+1"));
}

#[test]
fn a_command_has_its_time() {
    check("begin call:run completed +9s", RUN);
    check("begin call:run completed +10s killed:0", &format!("{RUN} kill:0 exec_command_end:124 completed:1+1"));
    check(
        "begin call:run completed +10s +5s killed:0",
        &format!("{RUN} kill:0 warning exec_command_end:-1 completed:1+1"),
    );
    check(
        "begin call:run completed +10s stop killed:0",
        &format!("{RUN} kill:0 kill:0 exec_command_end:137 stopped:1+1"),
    );
}

#[test]
fn a_lost_answer_is_asked_for_again() {
    check("begin cut +1s", "open:1 stream_error:0 open:2");
    check("begin word:hi cut +1s", &format!("open:1 {WORD} stream_error:1 open:2"));
    check("begin ended +1s cut", "open:1 stream_error:0 open:2 failed:0+0");
    check("begin cut +1s created cut +1s cut", "open:1 stream_error:0 open:2 stream_error:0 open:3 failed:0+0");
    check("begin quota", "open:1 failed:0+0");
    check("begin word:hi quota", &format!("open:1 {WORD} failed:1+0"));
    check("begin cut +1s late completed", "open:1 stream_error:0 open:2 completed:0+0");
}

#[test]
fn a_request_that_the_server_cannot_build_on_is_sent_in_full_once() {
    check("begin forgotten completed", "open:1 open_in_full:2 completed:0+0");
    check("begin forgotten forgotten", "open:1 open_in_full:2 failed:0+0");
    check("begin forgotten cut +1s", "open:1 open_in_full:2 stream_error:0 open_in_full:3");
    check("begin word:hi forgotten", &format!("open:1 {WORD} stream_error:1 open_in_full:2"));
}

#[test]
fn what_was_taken_back_is_not_remembered() {
    check("begin message:hi cut stop", "open:1 item_started item_completed agent_message stream_error:1 stopped:0+0");
}

#[test]
fn a_dead_executor_takes_along_only_what_it_ran() {
    check("begin call:run completed replaced lost killed:0", &format!("{RUN} exec_command_end:-1 completed:1+1"));
    check("begin call:run completed lost", RUN);
    check(
        "begin call:run call:run completed replaced killed:0 lost exits:1",
        &format!("{RUN} exec_command_end:137 exec_command_begin start:1 exec_command_end:0 completed:2+2"),
    );
}

#[test]
fn the_model_is_told_what_became_of_each_call() {
    let check = |script: &str, expected: &str| {
        let done = run(script);
        let Some(Effect::Finish(end)) = done.last() else { panic!("script: {script}: {done:?}") };
        let outputs: String = end.outputs.iter().map(|o| o.json().to_string()).collect();
        assert!(outputs.contains(expected), "script: {script}: {outputs}");
    };
    check("begin call:run completed exits:0", r#"\"exit_code\":0"#);
    check("begin call:run completed killed:0", r#"\"exit_code\":137"#);
    check("begin call:run completed +10s killed:0", "command timed out after 10000 milliseconds");
    check("begin call:run completed stop killed:0", "aborted by user");
    check("begin call:run completed +10s stop killed:0", "aborted by user");
    check("begin call:run completed stop +5s", "aborted by user");
    check("begin call:ask completed no:0", "exec command rejected by user");
    check("begin call:ask completed stop", "aborted by user");
    check("begin call:run completed not_started:0", "execution error: no such file");
    check("begin call:run completed replaced lost", "lost with its executor");
    check("begin call:run incomplete", "cut short");
    check("begin call:garbage completed", "failed to parse function arguments");
    check("begin call:nothing completed", "`command` must not be empty");
}

#[test]
fn calls_of_one_id_are_told_apart() {
    let asked = run("begin call:ask call:ask completed").into_iter().filter_map(|effect| match effect {
        Effect::Ask(question) => Some(question.request.call_id),
        _ => None,
    });
    assert_eq!(asked.collect::<Vec<_>>(), [CallId::from("same"), CallId::from("same#7.1")]);
}
