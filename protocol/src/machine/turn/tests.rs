use super::*;
use crate::{
    ids::CallId,
    machine::{
        approval::{Answer, Confinement, Question, RETRY_REASON, Request},
        fixture,
    },
    model::{
        event::{ItemKind, ModelEvent},
        failure::{Failure, FailureKind},
        item::ResponseItem,
    },
    patch::{FileState, parse, plan},
    wire::{event::ExecOutputStream, policy::AskForApproval},
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Tells a turn what the words say and compares what it does. Calls are numbered from 0; `+5s` lets time pass.
fn check(script: &str, expected: &str) {
    let done: Vec<_> = run(script).iter().map(shown).collect();
    assert_eq!(done.join(" "), expected, "script: {script}");
}

fn run(script: &str) -> Vec<Effect> {
    run_with(fixture::settings(), script)
}

/// As [`check`], under this approval policy.
fn check_under(approval_policy: AskForApproval, script: &str, expected: &str) {
    let settings = Settings { approval_policy, ..fixture::settings() };
    let done: Vec<_> = run_with(settings, script).iter().map(shown).collect();
    assert_eq!(done.join(" "), expected, "script: {script}");
}

fn run_with(settings: Settings, script: &str) -> Vec<Effect> {
    let mut turn = Turn::new(TurnStart { settings: Arc::new(settings), ..start() });
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
        diff: Arc::default(),
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
        "dropped" => lost(Failure::dropped("closed")),
        "quota" => lost(Failure::new(FailureKind::Quota, "no money")),
        "forgotten" => lost(Failure::new(FailureKind::PreviousResponseNotFound, "what?")),
        "yes" => Input::Answered { call: call(), answer: Answer::Approved },
        "no" => Input::Answered { call: call(), answer: Answer::Denied },
        "writes" => writes(call(), "x"),
        "complains" => writes(call(), "make: Permission denied"),
        "exits" => ended(CallEnd::Exited(0)),
        "fails" => ended(CallEnd::Exited(1)),
        "found" => ended(CallEnd::Inspected(Ok(inspected(&[])))),
        "outside" => ended(CallEnd::Inspected(Ok(inspected(&["/etc/f"])))),
        "misfit" => ended(CallEnd::Inspected(Err("does not fit".into()))),
        "killed" => ended(CallEnd::Signalled(9)),
        "not_started" => ended(CallEnd::NotStarted("no such file".into())),
        "replaced" => Input::ExecutorReplaced,
        "lost" => Input::CallsLost,
        "stop" => Input::Stop,
        other => panic!("unknown word {other}"),
    }
}

fn writes(call: CallKey, text: &str) -> Input {
    Input::CallOutput { call, stream: ExecOutputStream::Stdout, chunk: text.into() }
}

const PATCH: &str = "*** Begin Patch\n*** Add File: f\n+x\n*** End Patch";

fn inspected(outside: &[&str]) -> Inspected {
    let planned = plan(&parse(PATCH).unwrap(), Path::new("/real"), |_: &Path| FileState::Absent);
    Inspected {
        plan: Arc::new(planned.unwrap()),
        outside: outside.iter().map(PathBuf::from).collect(),
        base: "/real".into(),
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
        "patch" => json!({"command": ["apply_patch", PATCH]}),
        "freeform" => return freeform_call(n),
        "nothing" => return local_shell_call(n),
        other => panic!("unknown call {other}"),
    };
    let name = if what == "plan" { "update_plan" } else { "shell" };
    let id = if what == "ask" { "same".to_owned() } else { format!("c{n}") };
    let item = json!({"type": "function_call", "call_id": id, "name": name, "arguments": arguments.to_string()});
    ResponseItem::from_model(&item.to_string()).unwrap()
}

fn freeform_call(n: u32) -> ResponseItem {
    let item = json!({"type": "custom_tool_call", "call_id": format!("c{n}"), "name": "apply_patch", "input": PATCH});
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
        Effect::Publish(EventMsg::PatchApplyEnd { success, .. }) => format!("patch_apply_end:{success}"),
        Effect::Publish(msg) => fixture::name(msg),
        Effect::Ask(question) => format!("ask:{}", question.call.index),
        Effect::StartCall(start) => {
            let verb = match start.work {
                Work::Command { .. } => "start",
                Work::Inspect { .. } => "inspect",
                Work::Apply { .. } => "apply",
            };
            format!("{verb}:{}", start.call.index)
        }
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
    check("begin dropped", "open:1 open:2");
    check("begin dropped dropped", "open:1 open:2 failed:0+0");
    check("begin dropped created cut +1s", "open:1 open:2 stream_error:0 open:3");
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
    check("begin call:patch completed outside:0 no:0", "patch rejected by user");
    check("begin call:patch completed misfit:0", "does not fit");
    check("begin call:patch completed found:0 stop fails:0", "aborted by user after");
    check("begin call:patch completed found:0 stop exits:0", r#"\"exit_code\":0"#);
    check("begin call:freeform completed found:0 exits:0", "custom_tool_call_output");
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
        Effect::Ask(question) => Some(question.request.call_id().clone()),
        _ => None,
    });
    assert_eq!(asked.collect::<Vec<_>>(), [CallId::from("same"), CallId::from("same#7.1")]);
}

/// A patch that is applied, as the UI sees it, after it was looked at.
const APPLIED: &str = "patch_apply_begin apply:0 patch_apply_end:true turn_diff";

#[test]
fn a_patch_is_looked_at_and_then_applied() {
    for call in ["patch", "freeform"] {
        check(
            &format!("begin call:{call} completed found:0 writes:0 exits:0"),
            &format!("open:1 inspect:0 {APPLIED} completed:1+1"),
        );
    }
    check("begin call:patch completed misfit:0", "open:1 inspect:0 completed:1+1");
    check(
        "begin call:patch completed found:0 fails:0",
        "open:1 inspect:0 patch_apply_begin apply:0 patch_apply_end:false completed:1+1",
    );
    check(
        "begin call:patch completed found:0 not_started:0",
        "open:1 inspect:0 patch_apply_begin apply:0 patch_apply_end:false completed:1+1",
    );
}

#[test]
fn a_patch_that_leaves_the_roots_waits_for_a_person() {
    check("begin call:patch completed outside:0", "open:1 inspect:0 ask:0");
    check("begin call:patch completed outside:0 no:0", "open:1 inspect:0 ask:0 completed:1+1");
    check(
        "begin call:patch completed outside:0 yes:0 yes:0 exits:0",
        &format!("open:1 inspect:0 ask:0 {APPLIED} completed:1+1"),
    );
    check("begin call:patch completed outside:0 stop yes:0", "open:1 inspect:0 ask:0 stopped:1+1");
    check_under(AskForApproval::Never, "begin call:patch completed outside:0", "open:1 inspect:0 completed:1+1");
    check_under(AskForApproval::Untrusted, "begin call:patch completed found:0", "open:1 inspect:0 ask:0");
}

#[test]
fn patches_wait_for_each_other_and_commands_do_not() {
    check(
        "begin call:patch call:patch call:run completed outside:0 exits:2 yes:0 exits:0 found:1",
        &format!(
            "open:1 inspect:0 ask:0 exec_command_begin start:2 exec_command_end:0 \
             {APPLIED} inspect:1 patch_apply_begin apply:1"
        ),
    );
    check(
        "begin call:patch call:patch completed outside:0 no:0 found:1",
        "open:1 inspect:0 ask:0 inspect:1 patch_apply_begin apply:1",
    );
}

#[test]
fn a_patch_that_is_stopped_is_done_or_not() {
    let begun = "open:1 inspect:0 patch_apply_begin apply:0 kill:0";
    check("begin call:patch completed stop killed:0", "open:1 inspect:0 kill:0 stopped:1+1");
    check("begin call:patch completed stop found:0", "open:1 inspect:0 kill:0 stopped:1+1");
    check("begin call:patch completed found:0 stop fails:0", &format!("{begun} patch_apply_end:false stopped:1+1"));
    check(
        "begin call:patch completed found:0 stop exits:0",
        &format!("{begun} patch_apply_end:true turn_diff stopped:1+1"),
    );
    check("begin call:patch completed +10s killed:0", "open:1 inspect:0 kill:0 completed:1+1");
}

#[test]
fn what_fails_in_the_sandbox_runs_without_only_if_a_person_says_so() {
    use AskForApproval::{Never, OnFailure, OnRequest};
    let denied = "begin call:run call:run completed complains:0 fails:0";
    let asked = format!("{RUN} exec_command_output_delta ask:0");
    let other = "exec_command_begin start:1";
    check_under(OnFailure, denied, &asked);
    check_under(OnFailure, &format!("{denied} no:0"), &format!("{asked} exec_command_end:1 {other}"));
    check_under(
        OnFailure,
        &format!("{denied} yes:0 writes:0 complains:0 fails:0"),
        &format!("{asked} start:0 exec_command_output_delta exec_command_output_delta exec_command_end:1 {other}"),
    );
    check_under(OnFailure, &format!("{denied} stop yes:0"), &format!("{asked} exec_command_end:1 stopped:2+2"));
    check_under(
        OnFailure,
        "begin call:run completed writes:0 fails:0",
        &format!("{RUN} exec_command_output_delta exec_command_end:1 completed:1+1"),
    );
    for policy in [Never, OnRequest] {
        check_under(policy, denied, &format!("{RUN} exec_command_output_delta exec_command_end:1 {other}"));
    }
    check_under(
        OnFailure,
        "begin call:patch completed outside:0 complains:0 fails:0 yes:0 exits:0",
        "open:1 inspect:0 patch_apply_begin apply:0 ask:0 apply:0 patch_apply_end:true turn_diff completed:1+1",
    );
}

#[test]
fn the_second_try_is_unconfined_and_the_question_says_so() {
    let on_failure = Settings { approval_policy: AskForApproval::OnFailure, ..fixture::settings() };
    let done = run_with(on_failure, "begin call:run completed complains:0 fails:0 yes:0 writes:0 exits:0");
    let starts: Vec<_> = done
        .iter()
        .filter_map(|effect| if let Effect::StartCall(start) = effect { Some(start.confinement) } else { None })
        .collect();
    assert_eq!(starts, [Confinement::Sandboxed, Confinement::Unconfined]);
    let question = done.iter().find_map(|e| if let Effect::Ask(question) = e { Some(question) } else { None });
    let question = question.unwrap();
    assert_eq!(question.confinement, Confinement::Unconfined);
    let Request::Command(request) = &question.request else { panic!("{question:?}") };
    assert_eq!(request.reason.as_deref(), Some(RETRY_REASON));
    let Some(Effect::Finish(end)) = done.last() else { panic!("{done:?}") };
    let output = end.outputs[0].json();
    assert!(output.contains(r#"\"output\":\"x\""#), "only what the second try said: {output}");
}

#[test]
fn a_patch_is_shown_from_the_directory_that_the_user_named() {
    let done = run("begin call:patch completed outside:0 yes:0 exits:0");
    let shown: Vec<_> = done
        .iter()
        .filter_map(|effect| match effect {
            Effect::Ask(Question { request: Request::Patch(request), files, .. }) => {
                assert_eq!(files, &[PathBuf::from("/real/f")]);
                let reason = request.reason.as_deref();
                assert_eq!(reason, Some("writes where sandbox policy read-only does not let it: /etc/f"));
                Some(request.changes.clone())
            }
            Effect::Publish(EventMsg::PatchApplyBegin { changes, auto_approved, .. }) => {
                assert!(!auto_approved);
                Some(changes.clone())
            }
            _ => None,
        })
        .flat_map(BTreeMap::into_keys)
        .collect();
    assert_eq!(shown, [PathBuf::from("/work/f"), "/work/f".into()]);
    let diff = done.iter().find_map(|effect| match effect {
        Effect::Publish(EventMsg::TurnDiff { unified_diff }) => Some(unified_diff.as_str()),
        _ => None,
    });
    assert_eq!(diff, Some("diff --git a/f b/f\nnew file mode 100644\n--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+x\n"));
}
