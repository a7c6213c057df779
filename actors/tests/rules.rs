//! The rules of DESIGN §4 on the real actors: whatever the UI, the model and the commands do, and whenever.

#![expect(clippy::expect_used, reason = "helpers of tests")]

use llmx_actors::testkit::{Answer, Gate, Process, ScriptedCommands, Ui, World, in_stopped_time, invariants};
use llmx_protocol::{
    machine::settings::{Defaults, Enforcement},
    model::failure::{Failure, FailureKind},
    wire::event::EventMsg,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// Small, so that scripts fill them.
const WINDOW: u32 = 512;
const ENOUGH_TO_FILL_A_WINDOW: usize = 2048;

/// What the UI does next.
#[derive(Clone, Debug)]
enum Move {
    Say,
    /// From the last bookmark that it read.
    GoOnFromBookmark,
    Configure,
    /// Says something to the task of the last input.
    Steer,
    Interrupt,
    Override,
    Garbage,
    /// Answers the oldest or the newest question that it read, perhaps once more.
    Decide(&'static str, Which),
    DecideOnNothing,
    /// Reads what there is and says yes to every question, newest first.
    ApproveAll,
    Read(usize),
    Wait(Duration),
    /// Lets everyone do a step.
    Step(usize),
}

#[derive(Clone, Copy, Debug)]
enum Which {
    ByTask,
    Oldest,
    Newest,
    Settled,
}

/// Now and then something before the session is configured, then tasks, each with what happens meanwhile.
fn moves() -> impl Strategy<Value = Vec<Move>> {
    let early = prop_oneof![4 => Just(Vec::new()), 1 => prop::collection::vec(a_move(), 1..4)];
    let task = prop::collection::vec(a_move(), 1..9).prop_map(|moves| [vec![Move::Say], moves].concat());
    let tasks = prop::collection::vec(task, 1..6).prop_map(|tasks| tasks.concat());
    (early, tasks).prop_map(|(early, tasks)| [early, vec![Move::Configure], tasks].concat())
}

fn a_move() -> impl Strategy<Value = Move> {
    let decision = prop::sample::select(vec!["approved", "approved", "approved_for_session", "denied", "abort"]);
    let which = prop::sample::select(vec![Which::ByTask, Which::Oldest, Which::Newest, Which::Settled]);
    let wait = prop::sample::select(vec![1, 1, 50, 150, 1000, 12_000]);
    prop_oneof![
        2 => Just(Move::Interrupt),
        2 => Just(Move::Steer),
        1 => prop::sample::select(vec![
            Move::Say, Move::GoOnFromBookmark, Move::Configure, Move::Override, Move::Garbage, Move::DecideOnNothing,
        ]),
        10 => (decision, which).prop_map(|(decision, which)| Move::Decide(decision, which)),
        5 => Just(Move::ApproveAll),
        12 => (1usize..60).prop_map(Move::Read),
        5 => wait.prop_map(|ms| Move::Wait(Duration::from_millis(ms))),
        4 => (1usize..20).prop_map(Move::Step),
    ]
}

/// A step of an answer, for scripts that can be printed and shrunk.
#[derive(Clone, Debug)]
enum Part {
    Says(usize),
    Whispers(usize),
    Calls(&'static str),
    /// A patch of one of a few files, which may be there already, and which one of may not be written.
    Patches(&'static str),
    CallsInHaste(&'static str),
    CallsNonsense,
    Pauses(u64),
    Step,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Completes,
    Ends,
    Breaks,
    IsRefused,
    IsRefusedForGood,
    NeverBegins,
    Stalls,
    NeverEnds,
    Panics,
    PanicsAtOnce,
}

const COMMANDS: [&str; 10] = [
    "quick",
    "denied",
    "slow",
    "chatty",
    "hanging",
    "stubborn",
    "lingering",
    "endless",
    "panicking",
    "panicking-when-killed",
];

const FILES: [&str; 4] = ["f", "g", "/outside/f", "/outside/g"];

fn play_all(commands: &ScriptedCommands) {
    let ms = Duration::from_millis;
    commands.play("denied", Process::new().writes("denied: Permission denied").exits(1));
    commands.play("slow", Process::new().pauses(ms(700)).writes("late").exits(1));
    commands.play("chatty", Process::new().writes("a".repeat(300)).pauses(ms(5)).writes("b".repeat(900)));
    commands.play("hanging", Process::new().writes("x").hangs());
    commands.play("stubborn", Process::new().hangs().ignores_sigterm());
    commands.play("lingering", Process::new().hangs().lingers(ms(3000)));
    commands.play("endless", Process::new().never_stops_writing(100));
    commands.play("panicking", Process::new().writes("oh").panics());
    commands.play("panicking-when-killed", Process::new().hangs().panics_when_killed());
}

fn answers() -> impl Strategy<Value = Vec<(Vec<Part>, End)>> {
    let command = || prop::sample::select(COMMANDS.to_vec());
    let part = prop_oneof![
        2 => (1usize..400).prop_map(Part::Says),
        2 => (1usize..400).prop_map(Part::Whispers),
        4 => command().prop_map(Part::Calls),
        3 => prop::sample::select(FILES.to_vec()).prop_map(Part::Patches),
        2 => command().prop_map(Part::CallsInHaste),
        1 => Just(Part::CallsNonsense),
        2 => (1u64..3000).prop_map(Part::Pauses),
        1 => Just(Part::Step),
    ];
    let end = prop_oneof![
        12 => Just(End::Completes),
        1 => Just(End::Ends),
        1 => Just(End::Breaks),
        1 => Just(End::IsRefused),
        1 => Just(End::IsRefusedForGood),
        1 => Just(End::NeverBegins),
        1 => Just(End::Stalls),
        1 => Just(End::NeverEnds),
        1 => Just(End::Panics),
        1 => Just(End::PanicsAtOnce),
    ];
    prop::collection::vec((prop::collection::vec(part, 0..5), end), 0..12)
}

/// Every call of a script has an id of its own: `c0`, `c1`, ….
fn play(script: &[(Vec<Part>, End)]) -> Vec<Answer> {
    let mut calls = 0..;
    let mut next_call = move || format!("c{}", calls.next().unwrap_or_default());
    script.iter().map(|(parts, end)| answer(parts, *end, &mut next_call)).collect()
}

fn answer(parts: &[Part], end: End, next_call: &mut impl FnMut() -> String) -> Answer {
    match end {
        End::IsRefused => return Answer::refused(Failure::connect("refused")),
        End::IsRefusedForGood => return Answer::refused(Failure::new(FailureKind::BadRequest, "no")),
        End::NeverBegins => return Answer::never(),
        End::PanicsAtOnce => return Answer::panicking(),
        _ => {}
    }
    let mut answer = Answer::new();
    let open = Gate::default();
    open.open();
    for part in parts {
        answer = match part {
            Part::Says(length) => answer.says(&"word ".repeat(length.div_ceil(5))),
            Part::Whispers(length) => answer.whispers(&"w".repeat(*length)),
            Part::Calls(command) => answer.calls(&next_call(), &[command]),
            Part::Patches(file) => {
                let patch = format!("*** Begin Patch\n*** Add File: {file}\n+x\n*** End Patch");
                answer.calls(&next_call(), &["apply_patch", &patch])
            }
            Part::CallsInHaste(command) => {
                answer.calls_with(&next_call(), &json!({"command": [command], "timeout_ms": 200}))
            }
            Part::CallsNonsense => answer.calls_with(&next_call(), &json!({"command": 7})),
            Part::Pauses(ms) => answer.pauses(Duration::from_millis(*ms)),
            Part::Step => answer.waits_for(&open),
        };
    }
    match end {
        End::Completes => answer.completes(),
        End::Breaks => answer.breaks(Failure::cut("gone")),
        End::Stalls => answer.stalls(),
        End::NeverEnds => answer.never_ends(100),
        End::Panics => answer.panics(),
        _ => answer,
    }
}

/// The UI with what it remembers.
struct Person {
    ui: Ui,
    submitted: usize,
    configured: bool,
    /// Submissions that were made before the session was configured.
    too_early: Vec<String>,
    /// User input, which must be answered.
    inputs: Vec<String>,
    /// What was said to tasks that may have run: the submission and its words.
    steers: Vec<(String, String)>,
    /// Questions that were read and not answered: task and call, and the op that answers.
    open: Vec<(String, String, &'static str)>,
    settled: Vec<(String, String, &'static str)>,
    /// Submissions that denied something, and what.
    denials: Vec<(String, String)>,
    approvals: usize,
    /// From then on commands may run without a question.
    approved_for_session: bool,
}

impl Person {
    fn new(ui: Ui) -> Self {
        Self {
            ui,
            submitted: 0,
            configured: false,
            too_early: Vec::new(),
            inputs: Vec::new(),
            steers: Vec::new(),
            open: Vec::new(),
            settled: Vec::new(),
            denials: Vec::new(),
            approvals: 0,
            approved_for_session: false,
        }
    }

    async fn make(&mut self, step: &Move) {
        match step {
            Move::Say => self.say(Value::Null).await,
            Move::GoOnFromBookmark => self.say(self.last_bookmark()).await,
            Move::Configure => {
                self.configured = true;
                self.submit(json!({"type": "configure_session", "cwd": "/work-tree"})).await;
            }
            Move::Steer => self.steer().await,
            Move::Interrupt => drop(self.submit(json!({"type": "interrupt"})).await),
            Move::Override => drop(self.submit(json!({"type": "override_turn_context", "effort": "high"})).await),
            Move::Garbage => drop(self.submit(json!({"type": "nonsense"})).await),
            Move::DecideOnNothing => drop(self.decide("exec_approval", "nobody", None, "approved").await),
            Move::Decide(decision, which) => self.decide_on(decision, *which).await,
            Move::ApproveAll => self.approve_all().await,
            Move::Read(events) => self.read(*events).await,
            Move::Wait(time) => tokio::time::sleep(*time).await,
            Move::Step(steps) => {
                for _ in 0..*steps {
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    async fn submit(&mut self, op: Value) -> String {
        self.submitted += 1;
        let id = format!("s{}", self.submitted);
        if !self.configured {
            self.too_early.push(id.clone());
        }
        self.ui.submit(&id, op).await;
        id
    }

    async fn say(&mut self, bookmark: Value) {
        let items = json!([{"type": "text", "text": "go"}]);
        let id = self.submit(json!({"type": "user_input", "items": items, "last_response_id": bookmark})).await;
        self.inputs.push(id);
    }

    async fn steer(&mut self) {
        let words = format!("look {}", self.steers.len());
        let task = self.inputs.last().map_or("nobody", String::as_str);
        let op = json!({"type": "steer", "id": task, "items": [{"type": "text", "text": words}]});
        let id = self.submit(op).await;
        self.steers.push((id, words));
    }

    fn last_bookmark(&self) -> Value {
        let bookmark = self.ui.seen.iter().rev().find_map(|seen| match &seen.event.msg {
            EventMsg::TurnComplete { response_id } => response_id.clone(),
            _ => None,
        });
        json!(bookmark)
    }

    async fn decide(&mut self, op: &str, task: &str, call: Option<&str>, decision: &str) -> String {
        self.approvals += usize::from(decision.starts_with("approved"));
        self.approved_for_session |= decision == "approved_for_session";
        self.submit(json!({"type": op, "id": task, "call_id": call, "decision": decision})).await
    }

    async fn decide_on(&mut self, decision: &str, which: Which) {
        let found = match which {
            Which::Oldest | Which::ByTask => self.open.first().cloned(),
            Which::Newest => self.open.last().cloned(),
            Which::Settled => self.settled.last().cloned(),
        };
        let Some((task, call, op)) = found else {
            return;
        };
        self.open.retain(|(_, open, _)| *open != call);
        self.settled.push((task.clone(), call.clone(), op));
        // Without a call the engine's oldest is meant, which may be another one.
        let named = (!matches!(which, Which::ByTask)).then_some(call.as_str());
        let id = self.decide(op, &task, named, decision).await;
        if decision == "denied" && named.is_some() {
            self.denials.push((id, call));
        }
    }

    async fn approve_all(&mut self) {
        self.read(100).await;
        while !self.open.is_empty() {
            self.decide_on("approved", Which::Newest).await;
        }
    }

    /// Reads so many events, or fewer, if no more come within a moment.
    async fn read(&mut self, events: usize) {
        for _ in 0..events {
            let Ok(event) = tokio::time::timeout(Duration::from_millis(1), self.ui.next_event()).await else {
                return;
            };
            let event = event.expect("the session is open");
            match event.msg {
                EventMsg::ExecApprovalRequest(request) => {
                    self.open.push((event.id.to_string(), request.call_id.to_string(), "exec_approval"));
                }
                EventMsg::ApplyPatchApprovalRequest(request) => {
                    self.open.push((event.id.to_string(), request.call_id.to_string(), "patch_approval"));
                }
                _ => {}
            }
        }
    }

    /// A task that gets through only if all of both windows is free again.
    async fn fill_both_windows(&mut self, world: &World) {
        world.model.forget_scripts();
        let words = "w".repeat(ENOUGH_TO_FILL_A_WINDOW);
        world.model.answers([Answer::new().whispers(&words).calls("last", &["flood"]).completes()]);
        world.commands.play("flood", Process::new().writes("f".repeat(ENOUGH_TO_FILL_A_WINDOW)));
        self.make(&Move::Configure).await;
        self.ui.say("last-task", "fill").await;
        loop {
            let event = self.ui.next_event().await.expect("the session is open");
            match event.msg {
                EventMsg::ExecApprovalRequest(_) if event.id.as_str() == "last-task" => {
                    self.decide("exec_approval", "last-task", None, "approved").await;
                }
                EventMsg::TaskComplete { .. } if event.id.as_str() == "last-task" => return,
                EventMsg::Error { message } if event.id.as_str() == "last-task" => panic!("last task: {message}"),
                _ => {}
            }
        }
    }

    fn answers_to(&self, id: &str) -> Vec<&EventMsg> {
        self.ui.seen.iter().map(|seen| &seen.event).filter(|e| e.id.as_str() == id).map(|e| &e.msg).collect()
    }

    /// Calls whose denial was taken: one that comes too late is answered with an error.
    fn denied(&self) -> impl Iterator<Item = &str> {
        self.denials.iter().filter(|(id, _)| self.answers_to(id).is_empty()).map(|(_, call)| call.as_str())
    }

    /// Since the last question about it: what failed in the sandbox had begun before anybody was asked.
    fn has_begun(&self, call: &str) -> bool {
        let events = self.ui.seen.iter().map(|seen| &seen.event.msg).rev();
        let mut since = events.take_while(|msg| match msg {
            EventMsg::ExecApprovalRequest(request) => request.call_id.as_str() != call,
            EventMsg::ApplyPatchApprovalRequest(request) => request.call_id.as_str() != call,
            _ => true,
        });
        since.any(|msg| match msg {
            EventMsg::ExecCommandBegin(begin) => begin.call_id.as_str() == call,
            EventMsg::PatchApplyBegin { call_id, .. } => call_id.as_str() == call,
            _ => false,
        })
    }

    fn check(&self) -> invariants::Checked {
        for id in &self.too_early {
            let answers = self.answers_to(id);
            if !matches!(answers[..], [EventMsg::Error { .. }]) {
                return Err(format!("{id} came too early and was answered {answers:?}"));
            }
        }
        if let Some(id) = self.inputs.iter().find(|id| self.answers_to(id).is_empty()) {
            return Err(format!("{id} was not answered"));
        }
        for (id, words) in &self.steers {
            let shown = |msg: &EventMsg| matches!(msg, EventMsg::UserMessage { message, .. } if message == words);
            let times = self.ui.seen.iter().filter(|seen| shown(&seen.event.msg)).count();
            if !matches!((times, &self.answers_to(id)[..]), (1, []) | (0, [EventMsg::Error { .. }])) {
                return Err(format!("{id} was heard {times} times and answered {:?}", self.answers_to(id)));
            }
        }
        if let Some(call) = self.denied().find(|call| self.has_begun(call)) {
            return Err(format!("{call} was denied and begun"));
        }
        if self.ui.transcript().contains("gave up waiting") {
            return Err("somebody gave up waiting, and nothing in here takes that long".into());
        }
        let seen = &self.ui.seen;
        invariants::numbers_have_no_gap(seen)?;
        invariants::tasks_end_once(seen)?;
        invariants::nothing_outlives_its_task(seen)?;
        invariants::commands_begin_and_end(seen)?;
        invariants::turns_complete_once(seen)
    }
}

/// Who is asked, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    Never,
    Before,
    /// In a sandbox, when something fails in it.
    AfterAFailure,
}

async fn live_through(moves: &[Move], script: &[(Vec<Part>, End)], asks: Asks) -> Result<(), TestCaseError> {
    let policy: &[&str] = match asks {
        Asks::Never => &[r#"approval_policy="never""#],
        Asks::Before => &[r#"approval_policy="untrusted""#],
        Asks::AfterAFailure => &[r#"approval_policy="on-failure""#, r#"sandbox_mode="workspace-write""#],
    };
    let world = World::with(policy, |options| {
        let defaults = Defaults { confining: Arc::new(Enforcement::Full), ..(*options.defaults).clone() };
        options.defaults = Arc::new(defaults);
        options.model_window = WINDOW;
        options.output_window = WINDOW;
    });
    play_all(&world.commands);
    world.model.answers(play(script));
    let mut person = Person::new(world.open().await);
    for step in moves {
        person.make(step).await;
        let free = asks != Asks::Before || person.approved_for_session;
        let begun = world.commands.started().len() + world.commands.applications();
        prop_assert!(free || begun <= person.approvals, "something ran without its approval");
        prop_assert!(world.commands.files().len() <= world.commands.applications(), "something was written unapplied");
    }
    person.fill_both_windows(&world).await;
    person.ui.submit("bye", json!({"type": "shutdown"})).await;
    person.ui.until_closed().await;
    person.ui.session.closed().await;
    tokio::time::sleep(Duration::from_millis(1)).await;

    let checked = person.check().and_then(|()| invariants::calls_have_one_output(&world.model.requests()));
    let transcript = || person.ui.transcript();
    prop_assert_eq!(checked, Ok(()), "{}", transcript());
    prop_assert!(matches!(person.ui.seen.last().map(|s| &s.event.msg), Some(EventMsg::ShutdownComplete)));
    prop_assert_eq!(world.harness.living(), Default::default());
    prop_assert_eq!(world.commands.live(), 0);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_hold_when_nobody_is_asked(moves in moves(), script in answers()) {
        in_stopped_time(live_through(&moves, &script, Asks::Never))?;
    }

    #[test]
    fn the_rules_hold_when_a_person_is_asked(moves in moves(), script in answers()) {
        in_stopped_time(live_through(&moves, &script, Asks::Before))?;
    }

    #[test]
    fn the_rules_hold_when_what_was_denied_is_asked_about(moves in moves(), script in answers()) {
        in_stopped_time(live_through(&moves, &script, Asks::AfterAFailure))?;
    }
}
