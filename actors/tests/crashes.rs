//! A crash is a value (DESIGN §3): whichever actor panics, wherever it is, the session ends up usable or says that it is
//! over, nothing of the task lives, and other sessions notice nothing.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use llmx_actors::{
    engine::Placement,
    testkit::{Answer, Crash, Gate, Process, Ui, World, in_real_time, in_stopped_time, invariants},
};
use llmx_protocol::{machine::session::SessionEnd, wire::event::EventMsg};
use serde_json::{Value, json};
use std::time::Duration;

/// Where the UI interrupts the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interrupt {
    Never,
    WhileStreaming,
    WhileAsking,
    WhileRunning,
}

/// What becomes of the task, and of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// As if nothing had happened.
    Completes,
    /// After another try at the model.
    CompletesAfterRetry,
    /// The model was told that its command was lost.
    CompletesWithoutItsCommand,
    /// It ends with an `error` that says who crashed.
    Fails(&'static str),
    /// It ends as interrupted, as it was told to.
    IsInterrupted,
    /// It ends with an `error`, and the session is there again.
    IsLostWithItsSession,
    /// It went well, and the session is there again.
    CompletesThenSessionReturns,
    /// It never began, and the UI was told so.
    IsRefused,
    /// Its session is over.
    EndsWithItsSession,
}
use Outcome::*;

/// Three sessions, two of them on one arbiter.
struct Scene {
    world: World,
    ui: Ui,
    /// The bookmark of a task before.
    bookmark: Value,
    bystanders: Vec<Ui>,
    bystanders_may_go_on: Gate,
    streaming: Gate,
    running: Gate,
}

impl Scene {
    /// Everyone is configured, the bystanders are in the middle of a task.
    async fn new() -> Self {
        let world = World::with(&[r#"approval_policy="untrusted""#], |o| o.placement = Placement::Spread(2));
        let mut ui = world.open().await;
        let bystanders = vec![world.open().await, world.open().await];
        ui.configure().await;
        world.model.answers_to(&ui.session.id, [Answer::new().says("first answer").completes()]);
        ui.say("before", "first words").await;
        let completed = ui.until("turn_complete", |msg| matches!(msg, EventMsg::TurnComplete { .. })).await;
        let EventMsg::TurnComplete { response_id } = completed.msg else { unreachable!() };
        ui.until_terminal("before").await;
        let mut scene = Self {
            world,
            ui,
            bookmark: json!(response_id),
            bystanders,
            bystanders_may_go_on: Gate::default(),
            streaming: Gate::default(),
            running: Gate::default(),
        };
        scene.busy_bystanders().await;
        scene
    }

    async fn busy_bystanders(&mut self) {
        for ui in &mut self.bystanders {
            let answer = Answer::new().whispers("one ").waits_for(&self.bystanders_may_go_on).says("two").completes();
            self.world.model.answers_to(&ui.session.id, [answer]);
            ui.configure().await;
            ui.say("long", "take your time").await;
            ui.until("a delta", |msg| matches!(msg, EventMsg::AgentMessageDelta { .. })).await;
        }
    }

    /// A task that streams, asks, runs a command, and has another turn.
    async fn start_task(&mut self, answer: Option<Answer>, interrupt: Interrupt) {
        if interrupt != Interrupt::WhileStreaming {
            self.streaming.open();
        }
        if interrupt != Interrupt::WhileRunning {
            self.running.open();
        }
        let usual = Answer::new().whispers("half").waits_for(&self.streaming).calls("c1", &["work"]).completes();
        self.world.model.answers_to(&self.ui.session.id, answer.into_iter().chain([usual]));
        self.ui.say("task", "do it").await;
    }

    /// Reads to the task's end, answering what is asked; `None` if the session went first.
    async fn live_through(&mut self, interrupt: Interrupt) -> Option<EventMsg> {
        let mut to_do = (interrupt != Interrupt::Never).then_some(interrupt);
        loop {
            let event = self.ui.next_event().await?;
            let now = match &event.msg {
                EventMsg::AgentMessageDelta { .. } => Some(Interrupt::WhileStreaming),
                EventMsg::ExecApprovalRequest(_) => Some(Interrupt::WhileAsking),
                EventMsg::ExecCommandOutputDelta { .. } => Some(Interrupt::WhileRunning),
                _ => None,
            };
            if to_do.is_some() && now == to_do {
                to_do = None;
                self.ui.submit("stop", json!({"type": "interrupt"})).await;
            } else if now == Some(Interrupt::WhileAsking) {
                self.ui.submit("yes", json!({"type": "exec_approval", "id": "task", "decision": "approved"})).await;
            }
            if event.msg.ends_a_task() && (event.id.as_str() == "task" || is_refusal(&event.msg)) {
                return Some(event.msg);
            }
        }
    }

    /// The session takes a new task, with the conversation as it was; and one from the bookmark.
    async fn is_usable(&mut self) {
        self.world.model.forget_scripts();
        self.ui.say("after", "second words").await;
        let end = self.ui.until_terminal("after").await;
        assert!(matches!(end, EventMsg::TaskComplete { .. }), "{}", self.ui.transcript());
        assert!(self.last_request().contains("first words") && self.last_request().contains("first answer"));
        let items = json!([{"type": "text", "text": "third words"}]);
        let fork = json!({"type": "user_input", "items": items, "last_response_id": self.bookmark});
        self.ui.submit("fork", fork).await;
        let end = self.ui.until_terminal("fork").await;
        assert!(matches!(end, EventMsg::TaskComplete { .. }), "{}", self.ui.transcript());
        assert!(self.last_request().contains("first answer") && !self.last_request().contains("second words"));
    }

    fn last_request(&self) -> String {
        let id = self.ui.session.id.as_str();
        let requests = self.world.model.requests();
        let last = requests.iter().rfind(|request| request.conversation == id);
        last.map(|request| request.body.to_string()).unwrap_or_default()
    }

    async fn bystanders_noticed_nothing(&mut self) {
        self.bystanders_may_go_on.open();
        for ui in &mut self.bystanders {
            ui.until_terminal("long").await;
            let kinds: Vec<_> = ui.seen.iter().map(|seen| kind(&seen.event.msg)).collect();
            assert_eq!(kinds.iter().filter(|kind| *kind == "session_configured").count(), 1);
            assert_eq!(kinds.last().map(String::as_str), Some("task_complete"));
            assert!(!kinds.iter().any(|kind| kind == "error" || kind == "stream_error"), "{}", ui.transcript());
        }
    }

    fn seen(&self, what: &str) -> usize {
        self.ui.seen.iter().filter(|seen| kind(&seen.event.msg) == what).count()
    }
}

fn kind(msg: &EventMsg) -> String {
    serde_json::to_value(msg).unwrap()["type"].as_str().unwrap().to_owned()
}

fn is_refusal(msg: &EventMsg) -> bool {
    matches!(msg, EventMsg::Error { message } if message.contains("before it had dealt with submission `task`"))
}

fn is_error(end: Option<&EventMsg>, says: &str) -> bool {
    matches!(end, Some(EventMsg::Error { message }) if message.contains(says))
}

/// What goes wrong.
#[derive(Clone, Debug)]
struct Case {
    crashes: Vec<Crash>,
    /// Before the usual answer.
    answer: Option<Answer>,
    /// Instead of the usual command.
    process: Option<Process>,
    interrupt: Interrupt,
}

impl Case {
    fn crash(actor: &'static str, at: &'static str) -> Self {
        Self { crashes: vec![Crash::new(actor, at)], ..Self::answer(None) }
    }

    fn answer(answer: impl Into<Option<Answer>>) -> Self {
        Self { crashes: Vec::new(), answer: answer.into(), process: None, interrupt: Interrupt::Never }
    }

    fn process(process: Process) -> Self {
        Self { process: Some(process), ..Self::answer(None) }
    }

    fn and_crash(mut self, actor: &'static str, at: &'static str) -> Self {
        self.crashes.push(Crash::new(actor, at));
        self
    }

    fn interrupted(self, interrupt: Interrupt) -> Self {
        Self { interrupt, ..self }
    }
}

fn check(case: Case, expected: Outcome) {
    in_real_time(async {
        let what = format!("{case:?}");
        let mut scene = Scene::new().await;
        let usual = Process::new().writes("out").waits_for(&scene.running);
        scene.world.commands.play("work", case.process.unwrap_or(usual));
        for crash in case.crashes {
            scene.world.harness.plan(Some(&scene.ui.session.id), crash);
        }
        scene.start_task(case.answer, case.interrupt).await;
        let end = scene.live_through(case.interrupt).await;
        scene.turned_out(end.as_ref(), expected, &what).await;
        // A session hears of its task's end when the UI has seen it already.
        assert_eq!(scene.world.harness.planned(), [], "{what}: it did not crash:\n{}", scene.ui.transcript());
        if expected != EndsWithItsSession {
            scene.is_usable().await;
            scene.kept_the_rules(&what);
        }
        scene.bystanders_noticed_nothing().await;
        scene.nothing_is_left(&what).await;
    });
}

impl Scene {
    async fn turned_out(&mut self, end: Option<&EventMsg>, expected: Outcome, what: &str) {
        let completed = matches!(end, Some(EventMsg::TaskComplete { .. }));
        let held = match expected {
            Completes => completed && self.seen("stream_error") == 0,
            CompletesAfterRetry => completed && self.seen("stream_error") == 1,
            CompletesWithoutItsCommand => completed && self.last_request().contains("lost"),
            Fails(who) => is_error(end, who) && !is_error(end, "may still run"),
            IsInterrupted => is_error(end, "interrupted") && self.seen("turn_aborted") == 1,
            IsLostWithItsSession => is_error(end, "the session crashed") && self.session_returns().await,
            CompletesThenSessionReturns => completed && self.session_returns().await,
            IsRefused => is_error(end, "crashed") && self.seen("task_started") == 1,
            EndsWithItsSession => end.is_none() && self.ui.end.is_none() && self.is_closed().await,
        };
        assert!(held, "{what}: {end:?}, not {expected:?}\n{}", self.ui.transcript());
    }

    fn kept_the_rules(&self, what: &str) {
        let seen = &self.ui.seen;
        let checked = invariants::numbers_have_no_gap(seen)
            .and_then(|()| invariants::tasks_end_once(seen))
            .and_then(|()| invariants::nothing_outlives_its_task(seen))
            .and_then(|()| invariants::calls_have_one_output(&self.world.model.requests()));
        assert_eq!(checked, Ok(()), "{what}\n{}", self.ui.transcript());
    }

    /// Of a session that died without a terminal event, its family ends a moment after its event stream.
    async fn nothing_is_left(&self, what: &str) {
        let left = || (self.world.commands.live(), self.world.model.open_in(&self.ui.session.id));
        for _ in 0..3000 {
            if left() == (0, 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}: {:?} commands and answers are left", left());
    }

    async fn session_returns(&mut self) -> bool {
        self.ui.until("session_configured", |msg| matches!(msg, EventMsg::SessionConfigured(_))).await;
        true
    }

    async fn is_closed(&mut self) -> bool {
        self.ui.session.closed().await;
        !self.ui.try_submit("late", json!({"type": "interrupt"})).await
    }
}

#[test]
fn a_model_stream_that_crashes_is_a_lost_try() {
    check(Case::crash("ModelStream", "Start"), CompletesAfterRetry);
    check(Case::crash("ModelStream", "Ended"), Completes);
    check(Case::crash("ModelStream", "CloseStream").interrupted(Interrupt::WhileStreaming), IsInterrupted);
    check(Case::answer(Answer::panicking()), CompletesAfterRetry);
    check(Case::answer(Answer::new().whispers("half").panics()), CompletesAfterRetry);
}

#[test]
fn a_turn_that_crashes_ends_its_task() {
    for at in ["Start", "Begin", "OpenModel", "Model", "Publish", "Ask", "Answered", "StartCall", "CallOutput"] {
        check(Case::crash("Turn", at), Fails("the turn crashed"));
    }
    for at in ["CallEnded", "Finish"] {
        check(Case::crash("Turn", at), Fails("the turn crashed"));
    }
    for at in ["Stop", "CloseModel", "ModelEnded"] {
        check(Case::crash("Turn", at).interrupted(Interrupt::WhileStreaming), IsInterrupted);
    }
    check(Case::crash("Turn", "Stop").interrupted(Interrupt::WhileAsking), IsInterrupted);
    for at in ["Stop", "KillCall", "CallEnded"] {
        check(Case::crash("Turn", at).interrupted(Interrupt::WhileRunning), IsInterrupted);
    }
}

#[test]
fn a_task_that_crashes_is_ended_by_its_session() {
    for at in ["StartTurn", "TurnEnded", "Bookmark"] {
        check(Case::crash("Task", at), Fails("the task crashed"));
    }
    for at in ["Start", "Begin", "Publish"] {
        check(Case::crash("Task", at), IsRefused);
    }
    check(Case::crash("Task", "Finish"), Completes);
    for (at, interrupt) in [
        ("Stop", Interrupt::WhileStreaming),
        ("StopTurn", Interrupt::WhileStreaming),
        ("Stop", Interrupt::WhileAsking),
        ("StopTurn", Interrupt::WhileRunning),
        ("TurnEnded", Interrupt::WhileRunning),
    ] {
        check(Case::crash("Task", at).interrupted(interrupt), IsInterrupted);
    }
}

#[test]
fn an_executor_that_crashes_is_replaced_and_its_calls_are_lost() {
    check(Case::crash("Executor", "StartCall"), CompletesWithoutItsCommand);
    check(Case::crash("Executor", "StartCall").and_crash("Executor", "Start"), CompletesWithoutItsCommand);
    check(Case::crash("Turn", "CallOutput").and_crash("Executor", "Sweep"), Fails("the turn crashed"));
    check(Case::crash("Task", "TurnEnded").and_crash("Executor", "Sweep"), Fails("the task crashed"));
    check(Case::crash("Executor", "KillCall").interrupted(Interrupt::WhileRunning), IsInterrupted);
    let panics = Process::new().writes("out").panics();
    check(Case::process(panics), CompletesWithoutItsCommand);
    let dies_badly = Process::new().writes("out").hangs().panics_when_killed();
    check(Case::process(dies_badly).interrupted(Interrupt::WhileRunning), IsInterrupted);
}

#[test]
fn a_session_that_crashes_is_rebuilt_and_its_task_is_over() {
    for at in ["Submit", "Record", "StartTask"] {
        check(Case::crash("Session", at), IsRefused);
    }
    for at in ["Ask", "Answer", "Bookmark"] {
        check(Case::crash("Session", at), IsLostWithItsSession);
    }
    check(Case::crash("Session", "Ask").and_crash("Session", "Begin"), IsLostWithItsSession);
    check(Case::crash("Session", "Ask").and_crash("Session", "Start"), IsLostWithItsSession);
    check(Case::crash("Session", "TaskEnded"), CompletesThenSessionReturns);
    check(Case::crash("Session", "StopTask").interrupted(Interrupt::WhileStreaming), IsLostWithItsSession);
    check(Case::crash("Session", "StopTask").interrupted(Interrupt::WhileAsking), IsLostWithItsSession);
    check(Case::crash("Session", "StopTask").interrupted(Interrupt::WhileRunning), IsLostWithItsSession);
}

#[test]
fn an_outbox_that_crashes_takes_its_session_along() {
    for at in ["Publish", "Remember"] {
        check(Case::crash("Outbox", at), EndsWithItsSession);
    }
}

/// Nobody is asked and nothing is interrupted: one session, in stopped time.
async fn alone() -> (World, Ui) {
    let world = World::new();
    let mut ui = world.open().await;
    ui.configure().await;
    (world, ui)
}

/// Each of these submissions kills the session.
async fn crash_session(world: &World, ui: &mut Ui, times: usize) {
    for n in 0..times {
        world.harness.plan(Some(&ui.session.id), Crash::new("Session", "Submit"));
        ui.submit(&format!("deadly-{n}"), json!({"type": "override_turn_context"})).await;
        let named = format!("before it had dealt with submission `deadly-{n}`");
        ui.until("an answer", |msg| is_error(Some(msg), &named)).await;
    }
}

#[test]
fn an_idle_session_that_crashes_is_rebuilt() {
    in_stopped_time(async {
        let (world, mut ui) = alone().await;
        crash_session(&world, &mut ui, 1).await;
        ui.until("session_configured", |msg| matches!(msg, EventMsg::SessionConfigured(_))).await;
        ui.say("t", "still there?").await;
        assert!(matches!(ui.until_terminal("t").await, EventMsg::TaskComplete { .. }));
    });
}

#[test]
fn an_idle_outbox_that_crashes_takes_its_session_along() {
    in_stopped_time(async {
        let (world, mut ui) = alone().await;
        world.harness.plan(None, Crash::new("Outbox", "Publish"));
        ui.submit("t", json!({"type": "undo"})).await;
        assert_eq!(ui.until_closed().await, None);
        ui.session.closed().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(world.harness.living(), Default::default());
    });
}

#[test]
fn the_fourth_crash_of_a_session_within_a_minute_closes_it() {
    in_stopped_time(async {
        let (world, mut ui) = alone().await;
        let mut other = world.open().await;
        other.configure().await;
        crash_session(&world, &mut ui, 4).await;
        ui.until("its last words", |msg| is_error(Some(msg), "crashes again and again and was closed")).await;
        assert!(matches!(ui.until_closed().await, Some(SessionEnd::Failed(_))));
        assert!(!ui.try_submit("late", json!({"type": "interrupt"})).await);
        other.say("t", "go").await;
        assert!(matches!(other.until_terminal("t").await, EventMsg::TaskComplete { .. }));
    });
}

#[test]
fn a_session_may_crash_three_times_a_minute_for_ever() {
    in_stopped_time(async {
        let (world, mut ui) = alone().await;
        for _ in 0..4 {
            crash_session(&world, &mut ui, 3).await;
            tokio::time::sleep(Duration::from_secs(61)).await;
        }
        ui.say("t", "still there?").await;
        assert!(matches!(ui.until_terminal("t").await, EventMsg::TaskComplete { .. }));
    });
}

/// A task with so many commands whose executor dies of each.
async fn lose_commands(world: &World, ui: &mut Ui, id: &str, lost: usize) -> EventMsg {
    for n in 0..lost {
        world.harness.plan(Some(&ui.session.id), Crash::new("Executor", "StartCall"));
        world.model.answers([Answer::new().calls(&format!("c{n}"), &["work"]).completes()]);
    }
    ui.say(id, "work").await;
    ui.until_terminal(id).await
}

#[test]
fn the_fourth_crash_of_an_executor_within_a_minute_ends_the_task_and_rebuilds_the_session() {
    in_stopped_time(async {
        let (world, mut ui) = alone().await;
        let end = lose_commands(&world, &mut ui, "t", 4).await;
        assert!(is_error(Some(&end), "the session crashed"), "{end:?}");
        ui.until("session_configured", |msg| matches!(msg, EventMsg::SessionConfigured(_))).await;
        let end = lose_commands(&world, &mut ui, "next", 3).await;
        assert!(matches!(end, EventMsg::TaskComplete { .. }), "{end:?}");
    });
}

#[test]
fn a_model_stream_that_always_crashes_uses_up_the_tries_and_ends_the_task() {
    in_stopped_time(async {
        let (world, mut ui) = alone().await;
        world.model.answers((0..100).map(|_| Answer::panicking()));
        ui.say("t", "go").await;
        let end = ui.until_terminal("t").await;
        assert!(is_error(Some(&end), "the model stream crashed"), "{end:?}");
        assert_eq!(world.model.request_count(), 5, "one request and four more tries");
    });
}

#[test]
fn submissions_that_wait_when_the_session_crashes_are_answered() {
    in_stopped_time(async {
        let (world, mut ui) = alone().await;
        world.model.answers([Answer::new().calls("c", &["slow-to-die"]).completes()]);
        world.commands.play("slow-to-die", Process::new().writes("x").hangs().lingers(Duration::from_secs(3)));
        ui.say("t", "run").await;
        ui.until("output", |msg| matches!(msg, EventMsg::ExecCommandOutputDelta { .. })).await;
        ui.submit("stop", json!({"type": "interrupt"})).await;
        ui.say("waits-1", "next").await;
        ui.say("waits-2", "and next").await;
        world.harness.plan(None, Crash::new("Session", "TaskEnded"));
        for id in ["waits-1", "waits-2"] {
            let named = format!("before it had dealt with submission `{id}`");
            ui.until("an answer", |msg| is_error(Some(msg), &named)).await;
        }
        ui.until("session_configured", |msg| matches!(msg, EventMsg::SessionConfigured(_))).await;
        assert_eq!(world.commands.live(), 0);
    });
}
