use super::*;
use crate::{
    history::History,
    ids::{CallId, TurnId},
    machine::{
        approval::{Confinement, Request},
        fixture,
        task::{Bookmark, TaskEnd},
    },
    model::item::ResponseItem,
    wire::{
        event::ExecApprovalRequest,
        item::UserInput,
        op::{ConfigureSession, Op, OverrideTurnContext},
        usage::TokenUsage,
    },
};
use std::time::Duration;

/// Tells a session what the words say and compares what it does; what it remembers is left out. Lines are
/// `op:id` and more, `+5s` lets time pass, `rebuilt` is a new session with the memory of this one.
fn check(script: &str, expected: &str) {
    check_with(fixture::defaults(), script, expected);
}

fn check_with(defaults: Defaults, script: &str, expected: &str) {
    let defaults = Arc::new(defaults);
    let mut session = Session::new("thread".into(), defaults.clone(), Memory::default(), 0);
    let mut now = Instant::now();
    let mut done = Vec::new();
    for word in ["begin"].into_iter().chain(script.split_whitespace()) {
        if word == "rebuilt" {
            session = Session::new("thread".into(), defaults.clone(), session.memory.clone(), 0);
        }
        let input = match word.strip_prefix('+') {
            Some(wait) => {
                now += Duration::from_secs(wait.trim_end_matches('s').parse().unwrap());
                Input::Tick
            }
            None => input(word),
        };
        done.extend(session.apply(input, now).iter().filter_map(shown));
    }
    assert_eq!(done.join(" "), expected, "script: {script}");
}

fn input(word: &str) -> Input {
    let task = |n: &str| TaskId(n.parse().unwrap());
    let line = |id: &str, op| Input::Submit(Ok(Submission { id: id.into(), op }));
    match word.split(':').collect::<Vec<_>>()[..] {
        ["begin" | "rebuilt"] => Input::Begin,
        ["configure", id] => line(id, configure("/work")),
        ["configure", id, cwd] => line(id, configure(cwd)),
        ["input", id] => line(id, user_input("hi", None)),
        ["input", id, from] => line(id, user_input("hi", Some(from))),
        ["silence", id] => line(id, Op::UserInput { items: Vec::new(), last_response_id: None }),
        ["interrupt", id] => line(id, Op::Interrupt),
        ["override", id, cwd] => {
            let change = OverrideTurnContext { cwd: Some(cwd.into()), ..OverrideTurnContext::default() };
            line(id, Op::OverrideTurnContext(Box::new(change)))
        }
        ["decide", id, of, decision] => {
            let decision = serde_json::from_value(decision.into()).unwrap();
            line(id, Op::ExecApproval { id: of.into(), call_id: None, decision })
        }
        ["steer", id, of] => {
            line(id, Op::Steer { id: of.into(), items: vec![UserInput::Text { text: "look".into() }] })
        }
        ["shutdown", id] => line(id, Op::Shutdown),
        ["undo", id] => line(id, Op::Undo),
        ["bad", id] => Input::Submit(Err(BadSubmission { id: id.into(), message: "bad".into() })),
        ["no_more"] => Input::NoMoreInput,
        ["leave"] => Input::Leave,
        ["ask", n, call] => Input::Ask { task: task(n), question: question(call) },
        ["bookmark", n, id] => bookmark(n, id, &[]),
        ["heard", n, id] => bookmark(n, "b", &[id]),
        ["ended", n] => Input::TaskEnded { task: task(n), end: task_end() },
        ["crashed", n] => Input::TaskCrashed { task: task(n), why: "bang".into() },
        ["executor_crashed"] => Input::ExecutorCrashed { why: "bang".into() },
        ["swept"] => Input::Swept,
        _ => panic!("unknown word {word}"),
    }
}

fn configure(cwd: &str) -> Op {
    Op::ConfigureSession(Box::new(ConfigureSession { cwd: Some(cwd.into()), ..ConfigureSession::default() }))
}

fn user_input(text: &str, from: Option<&str>) -> Op {
    Op::UserInput { items: vec![UserInput::Text { text: text.into() }], last_response_id: from.map(Into::into) }
}

fn question(call: &str) -> Question {
    Question {
        call: CallKey { turn: TurnId(1), index: call.parse().unwrap() },
        request: Request::Command(ExecApprovalRequest {
            call_id: CallId::from(call),
            command: vec!["make".into()],
            cwd: "/work".into(),
            reason: None,
            parsed_cmd: Vec::new(),
        }),
        confinement: Confinement::Unconfined,
        files: Vec::new(),
    }
}

fn history(texts: &[&str]) -> History {
    History::default().with(texts.iter().map(|t| ResponseItem::message("user", t)).collect(), None)
}

fn point(id: &str) -> Point {
    Point { history: history(&["hi", id]), told: Some(Arc::new(fixture::settings())) }
}

fn bookmark(task: &str, id: &str, heard: &[&str]) -> Input {
    let heard = heard.iter().map(|&id| id.into()).collect();
    let bookmark = Bookmark { id: id.into(), point: point(id), heard };
    Input::Bookmark { task: TaskId(task.parse().unwrap()), bookmark }
}

fn task_end() -> TaskEnd {
    TaskEnd { history: history(&["a", "b", "c"]), next_turn: TurnId(4), used: TokenUsage::default() }
}

fn shown(effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::OpenThread(which) => format!("open:{which:?}"),
        Effect::Rest => "rest".into(),
        Effect::AddToHistory(_, text) => format!("history:{text}"),
        Effect::LookUpHistory { offset, .. } => format!("look_up:{offset}"),
        Effect::Record(_) => return None,
        Effect::Publish { id, msg, .. } => match msg {
            EventMsg::SessionConfigured(_) => format!("{id}:configured"),
            msg => format!("{id}:{}", fixture::name(msg)),
        },
        Effect::StartTask(start) => {
            format!("start:{}:{}:{}", start.task, start.history.items().len(), start.first_turn)
        }
        Effect::StopTask(reason) => format!("stop:{}", reason.as_str()),
        Effect::SteerTask(_) => "steer".into(),
        Effect::Answer(call, answer) => format!("{answer:?}:{}", call.index),
        Effect::Sweep => "sweep".into(),
        Effect::ReplaceExecutor => "replace".into(),
        Effect::CallsLost => "calls_lost".into(),
        Effect::Finish(SessionEnd::Closed) => "closed".into(),
        Effect::Finish(SessionEnd::Failed(_)) => "failed".into(),
    })
}

#[test]
fn configure_comes_first() {
    check("input:a bad:b undo:c interrupt:d shutdown:e", "a:error b:error c:error d:error e:error");
    check("configure:c:work configure:d input:u", "c:error d:configured start:1:2:1");
    check("configure:c configure:d", "c:configured d:configured");
    check("configure:c undo:a bad:b silence:s", "c:configured a:error b:error s:error");
}

#[test]
fn new_input_replaces_the_task_that_runs() {
    check("configure:c input:u input:v", "c:configured start:1:2:1 stop:replaced");
    check("configure:c input:u input:v ended:1", "c:configured start:1:2:1 stop:replaced start:2:4:4");
    check(
        "configure:c input:u input:v input:w ended:1 ended:2",
        "c:configured start:1:2:1 stop:replaced start:2:4:4 stop:replaced start:3:4:4",
    );
    check("configure:c input:u silence:v input:w:nowhere", "c:configured start:1:2:1 v:error w:error");
    check("configure:c input:u configure:d ended:1", "c:configured start:1:2:1 stop:reconfigured d:configured");
    check("configure:c input:u configure:d:work", "c:configured start:1:2:1 d:error");
}

#[test]
fn a_task_that_runs_can_be_steered() {
    check("configure:c input:u steer:s:u", "c:configured start:1:2:1 steer");
    check("configure:c steer:s:u input:u steer:t:v", "c:configured s:error start:1:2:1 t:error");
    check("configure:c input:u steer:s:u ended:1", "c:configured start:1:2:1 steer s:error");
    check("configure:c input:u steer:s:u steer:t:u heard:1:s ended:1", "c:configured start:1:2:1 steer steer t:error");
    check("configure:c input:u steer:s:u crashed:1 swept", "c:configured start:1:2:1 steer sweep u:error s:error");
    check("configure:c input:u ended:1 steer:s:u", "c:configured start:1:2:1 s:error");
    check("configure:c input:u interrupt:i steer:s:u ended:1", "c:configured start:1:2:1 stop:interrupted s:error");
}

#[test]
fn what_comes_while_a_task_is_stopped_waits_for_its_end() {
    let stopped = "c:configured start:1:2:1 stop:interrupted";
    check("configure:c input:u interrupt:i interrupt:j bad:b", stopped);
    check("configure:c input:u interrupt:i bad:b ended:1", &format!("{stopped} b:error"));
    check("configure:c input:u interrupt:i input:v undo:x ended:1", &format!("{stopped} start:2:4:4 x:error"));
    check(
        "configure:c input:u interrupt:i crashed:1 bad:b swept",
        &format!("{stopped} sweep u:turn_aborted u:error b:error"),
    );
}

#[test]
fn late_mail_is_not_heard() {
    check("configure:c input:u ended:2 crashed:2 ask:2:0 bookmark:2:r input:v:r", "c:configured start:1:2:1 v:error");
    check("configure:c input:u ended:1 ended:1 crashed:1 ask:1:0 swept", "c:configured start:1:2:1");
    check("configure:c input:u interrupt:i ask:1:0 decide:d:u:approved", "c:configured start:1:2:1 stop:interrupted");
}

#[test]
fn a_bookmark_is_a_place_to_go_on_from() {
    check("configure:c input:u bookmark:1:r1 ended:1 input:v:r1", "c:configured start:1:2:1 start:2:3:4");
    check(
        "configure:c input:u bookmark:1:r1 ended:1 override:o:/elsewhere input:v:r1",
        "c:configured start:1:2:1 start:2:4:4",
    );
    check("configure:c override:o:here", "c:configured o:error");
}

#[test]
fn a_stranger_with_a_tasks_name_is_refused_under_no_name() {
    check(
        "configure:c input:u bad:u undo:u configure:u input:u",
        "c:configured start:1:2:1 :error :error :error :error",
    );
    check("configure:c input:c ended:1 rebuilt", "c:configured start:1:2:1 :configured");
    check(
        "configure:c input:u shutdown:u ended:1",
        "c:configured start:1:2:1 stop:interrupted :shutdown_complete closed",
    );
}

#[test]
fn questions_are_a_persons() {
    let asked = "c:configured start:1:2:1 u:exec_approval_request";
    check("configure:c input:u ask:1:0 decide:d:u:approved", &format!("{asked} Approved:0"));
    check("configure:c input:u ask:1:0 decide:d:u:denied decide:e:u:denied", &format!("{asked} Denied:0 e:error"));
    check("configure:c input:u ask:1:0 decide:d:u:abort", &format!("{asked} stop:interrupted"));
    check("configure:c input:u ask:1:0 decide:d:x:approved", &format!("{asked} d:error"));
    check("configure:c input:u ask:1:0 ended:1 decide:d:u:approved", &format!("{asked} d:error"));
    check(
        "configure:c input:u ask:1:0 interrupt:i decide:d:u:approved ended:1",
        &format!("{asked} stop:interrupted d:error"),
    );
    check("configure:c input:u ask:1:0 crashed:1 swept decide:d:u:approved", &format!("{asked} sweep u:error d:error"));
    check(
        "configure:c input:u ask:1:0 decide:d:u:approved_for_session ask:1:1",
        &format!("{asked} Approved:0 Approved:1"),
    );
}

#[test]
fn a_stopped_task_has_no_open_questions() {
    let mut session = Session::new("thread".into(), Arc::new(fixture::defaults()), Memory::default(), 0);
    let now = Instant::now();
    let mut open = Vec::new();
    for word in "begin configure:c input:u ask:1:0 interrupt:i".split_whitespace() {
        let _ = session.apply(input(word), now);
        open.push(session.approvals().list().count());
    }
    assert_eq!(open, [0, 0, 0, 1, 0]);
}

#[test]
fn a_question_may_have_a_deadline() {
    let defaults = || Defaults { approval_timeout: Some(Duration::from_secs(30)), ..fixture::defaults() };
    let asked = "c:configured start:1:2:1 u:exec_approval_request";
    check_with(defaults(), "configure:c input:u ask:1:0 +29s", asked);
    check_with(defaults(), "configure:c input:u ask:1:0 +30s", &format!("{asked} u:warning Denied:0"));
    check_with(defaults(), "configure:c input:u ask:1:0 decide:d:u:approved +30s", &format!("{asked} Approved:0"));
}

#[test]
fn a_task_that_dies_is_swept_up_after() {
    check("configure:c input:u crashed:1", "c:configured start:1:2:1 sweep");
    check("configure:c input:u crashed:1 swept input:v", "c:configured start:1:2:1 sweep u:error start:2:3:1000001");
    check(
        "configure:c input:u crashed:1 input:v +5s",
        "c:configured start:1:2:1 sweep :warning u:error start:2:3:1000001",
    );
    check("configure:c input:u crashed:1 interrupt:i swept", "c:configured start:1:2:1 sweep u:error");
}

#[test]
fn an_executor_that_dies_is_replaced_thrice() {
    check("configure:c input:u executor_crashed swept swept", "c:configured start:1:2:1 replace sweep calls_lost");
    check("configure:c input:u executor_crashed +5s", "c:configured start:1:2:1 replace sweep :warning calls_lost");
    check(
        "executor_crashed executor_crashed executor_crashed executor_crashed bad:b",
        "replace sweep replace sweep replace sweep failed",
    );
    check(
        "executor_crashed executor_crashed executor_crashed swept +61s executor_crashed",
        "replace sweep replace sweep replace sweep calls_lost replace sweep",
    );
}

#[test]
fn a_session_ends_when_it_may() {
    let running = "c:configured start:1:2:1";
    check("no_more bad:b", "closed");
    check("configure:c input:u no_more ended:1", &format!("{running} closed"));
    check(
        "configure:c input:u input:v no_more ended:1 ended:2",
        &format!("{running} stop:replaced start:2:4:4 closed"),
    );
    check("configure:c input:u leave leave ended:1", &format!("{running} stop:interrupted closed"));
    check("configure:c input:u input:v leave ended:1", &format!("{running} stop:replaced v:error closed"));
    check("configure:c shutdown:s", "c:configured s:shutdown_complete closed");
    check(
        "configure:c input:u shutdown:s input:v leave ended:1",
        &format!("{running} stop:interrupted v:error s:shutdown_complete closed"),
    );
}

#[test]
fn when_nobody_is_there_every_question_is_denied() {
    let asked = "c:configured start:1:2:1 u:exec_approval_request";
    check("configure:c input:u ask:1:0 no_more", &format!("{asked} u:warning Denied:0"));
    check("configure:c input:u no_more ask:1:0 ended:1", &format!("{asked} u:warning Denied:0 closed"));
}

#[test]
fn a_rebuilt_session_goes_on_where_its_memory_ends() {
    let running = "c:configured start:1:2:1";
    check("rebuilt", "");
    check("configure:c rebuilt input:u", "c:configured c:configured start:1:2:1");
    check("configure:c input:u rebuilt input:v", &format!("{running} u:error c:configured start:2:3:1000001"));
    check(
        "configure:c input:u bookmark:1:r1 rebuilt input:v:r1",
        &format!("{running} u:error c:configured start:2:3:1000001"),
    );
    check(
        "configure:c input:u input:v bad:b rebuilt",
        &format!("{running} stop:replaced u:error v:error b:error c:configured"),
    );
    check(
        "configure:c input:u input:v rebuilt rebuilt",
        &format!("{running} stop:replaced u:error v:error c:configured c:configured"),
    );
    check(
        "configure:c input:u steer:s:u steer:t:u heard:1:s rebuilt",
        &format!("{running} steer steer u:error t:error c:configured"),
    );
    check("configure:c input:u no_more rebuilt", &format!("{running} u:error c:configured closed"));
    check("configure:c input:u leave rebuilt", &format!("{running} stop:interrupted u:error c:configured closed"));
    check(
        "configure:c input:u shutdown:s rebuilt",
        &format!("{running} stop:interrupted u:error c:configured s:shutdown_complete closed"),
    );
}
