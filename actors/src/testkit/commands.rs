//! Commands that follow a script, and patches of files that are nowhere.

use super::Gate;
use crate::executor::{Application, Inspection, Killed, Order, OutputSink, Runner};
use bytes::Bytes;
use futures_util::{FutureExt, future::LocalBoxFuture};
use llmx_protocol::{
    machine::turn::{CallEnd, Inspected},
    patch::{Change, ChangeKind, FileState, plan},
    tool::apply_patch::verification_failed,
    wire::event::ExecOutputStream,
};
use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;
/// Between the chunks of what never ends.
const A_MOMENT: Duration = Duration::from_millis(10);

/// A [`Runner`] whose processes follow the script of their first word, or end well at once where there is none. What
/// applies a patch follows that of `apply_patch`. All clones are one.
#[derive(Clone, Debug, Default)]
pub struct ScriptedCommands(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    scripts: BTreeMap<String, Process>,
    started: Vec<Order>,
    files: BTreeMap<PathBuf, String>,
    applications: usize,
    kills: usize,
    live: usize,
    taken: usize,
}

/// What a process does, step by step: `Process::new().writes("x").exits(0)`. Where its steps end it ends well.
#[derive(Clone, Debug, Default)]
pub struct Process {
    steps: VecDeque<Step>,
    when_killed: WhenKilled,
}

#[derive(Clone, Debug)]
enum Step {
    Write(Bytes),
    WriteEndlessly(Bytes),
    Pause(Duration),
    Wait(Gate),
    Hang,
    Exit(i32),
    Panic,
}

#[derive(Clone, Copy, Debug, Default)]
enum WhenKilled {
    #[default]
    Dies,
    IgnoresSigterm,
    Lingers(Duration),
    Panics,
}

impl Process {
    /// One that has nothing to do yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes to its standard output.
    #[must_use]
    pub fn writes(self, text: impl Into<Bytes>) -> Self {
        self.then(Step::Write(text.into()))
    }

    /// Writes `chunk` bytes for ever, a hundred times a second if they are taken.
    #[must_use]
    pub fn never_stops_writing(self, chunk: usize) -> Self {
        self.then(Step::WriteEndlessly("x".repeat(chunk).into()))
    }

    /// Does nothing for so long.
    #[must_use]
    pub fn pauses(self, pause: Duration) -> Self {
        self.then(Step::Pause(pause))
    }

    /// Does nothing until the gate is open.
    #[must_use]
    pub fn waits_for(self, gate: &Gate) -> Self {
        self.then(Step::Wait(gate.clone()))
    }

    /// Does nothing until it is killed.
    #[must_use]
    pub fn hangs(self) -> Self {
        self.then(Step::Hang)
    }

    /// Ends with this code.
    #[must_use]
    pub fn exits(self, code: i32) -> Self {
        self.then(Step::Exit(code))
    }

    /// Its runner panics.
    #[must_use]
    pub fn panics(self) -> Self {
        self.then(Step::Panic)
    }

    /// When it is killed it lives until the grace is over.
    #[must_use]
    pub fn ignores_sigterm(self) -> Self {
        Self { when_killed: WhenKilled::IgnoresSigterm, ..self }
    }

    /// When it is killed, by whatever signal, it lives on for so long.
    #[must_use]
    pub fn lingers(self, on: Duration) -> Self {
        Self { when_killed: WhenKilled::Lingers(on), ..self }
    }

    /// When it is killed its runner panics.
    #[must_use]
    pub fn panics_when_killed(self) -> Self {
        Self { when_killed: WhenKilled::Panics, ..self }
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push_back(step);
        self
    }
}

impl ScriptedCommands {
    /// Every command whose first word is `name` does this.
    pub fn play(&self, name: &str, process: Process) {
        self.state().scripts.insert(name.to_owned(), process);
    }

    /// What was started, in order.
    #[must_use]
    pub fn started(&self) -> Vec<Order> {
        self.state().started.clone()
    }

    /// The files that patches have made, by their absolute paths.
    #[must_use]
    pub fn files(&self) -> BTreeMap<PathBuf, String> {
        self.state().files.clone()
    }

    /// How many patches were begun to be applied.
    #[must_use]
    pub fn applications(&self) -> usize {
        self.state().applications
    }

    /// How many were killed; those that were dropped with their run are not counted.
    #[must_use]
    pub fn kills(&self) -> usize {
        self.state().kills
    }

    /// How many live.
    #[must_use]
    pub fn live(&self) -> usize {
        self.state().live
    }

    /// How many bytes of output were taken so far, of all commands.
    #[must_use]
    pub fn bytes_taken(&self) -> usize {
        self.state().taken
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, name: Option<&String>) -> (Process, Alive) {
        let state = &mut *self.state();
        let script = name.and_then(|name| state.scripts.get(name)).cloned();
        state.live += 1;
        (script.unwrap_or_default(), Alive(self.clone()))
    }

    fn write(&self, changes: &[Change]) {
        let files = &mut self.state().files;
        for Change { path, kind } in changes {
            files.remove(path);
            match kind {
                ChangeKind::Add { content } | ChangeKind::Update { content, move_to: None, .. } => {
                    files.insert(path.clone(), content.clone());
                }
                ChangeKind::Update { content, move_to: Some(target), .. } => {
                    files.insert(target.clone(), content.clone());
                }
                ChangeKind::Delete { .. } => {}
            }
        }
    }
}

async fn follow(process: Process, alive: &Alive, killed: Killed, sink: &mut dyn OutputSink) -> CallEnd {
    let Process { steps, when_killed } = process;
    tokio::select! {
        biased;
        grace = killed => {
            alive.0.state().kills += 1;
            die(when_killed, grace).await
        }
        code = play(steps, &alive.0, sink) => CallEnd::Exited(code),
    }
}

impl Runner for ScriptedCommands {
    fn run(&self, order: Order, killed: Killed, mut sink: Box<dyn OutputSink>) -> LocalBoxFuture<'static, CallEnd> {
        let (process, alive) = self.start(order.command.first());
        self.state().started.push(order);
        async move { follow(process, &alive, killed, &mut *sink).await }.boxed_local()
    }

    fn inspect(&self, inspection: Inspection) -> LocalBoxFuture<'static, Result<Inspected, String>> {
        let files = self.files();
        let read = |path: &Path| files.get(path).cloned().map_or(FileState::Absent, FileState::Text);
        let found = plan(&inspection.patch, &inspection.cwd, read).map_err(|error| verification_failed(&error));
        let base = inspection.limits.session_cwd;
        let free = inspection.limits.policy.is_unrestricted();
        let found = found.map(|plan| Inspected {
            outside: plan
                .touched_paths()
                .filter(|path| !free && !path.starts_with(&base))
                .map(Path::to_owned)
                .collect(),
            plan: Arc::new(plan),
            base,
        });
        std::future::ready(found).boxed_local()
    }

    fn apply(
        &self,
        application: Application,
        killed: Killed,
        mut sink: Box<dyn OutputSink>,
    ) -> LocalBoxFuture<'static, CallEnd> {
        let (process, alive) = self.start(Some(&"apply_patch".to_owned()));
        self.state().applications += 1;
        async move {
            let end = follow(process, &alive, killed, &mut *sink).await;
            if end == CallEnd::Exited(0) {
                alive.0.write(application.plan.changes());
            }
            end
        }
        .boxed_local()
    }
}

/// A process that lives until this is dropped.
struct Alive(ScriptedCommands);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.state().live -= 1;
    }
}

async fn play(mut steps: VecDeque<Step>, commands: &ScriptedCommands, sink: &mut dyn OutputSink) -> i32 {
    while let Some(step) = steps.pop_front() {
        match step {
            Step::Write(bytes) => write(bytes, commands, sink).await,
            Step::WriteEndlessly(bytes) => loop {
                write(bytes.clone(), commands, sink).await;
                tokio::time::sleep(A_MOMENT).await;
            },
            Step::Pause(pause) => tokio::time::sleep(pause).await,
            Step::Wait(gate) => gate.pass().await,
            Step::Hang => std::future::pending().await,
            Step::Exit(code) => return code,
            Step::Panic => panic!("the script says panic"),
        }
    }
    0
}

async fn write(bytes: Bytes, commands: &ScriptedCommands, sink: &mut dyn OutputSink) {
    commands.state().taken += bytes.len();
    sink.take(ExecOutputStream::Stdout, bytes).await;
}

async fn die(how: WhenKilled, grace: Duration) -> CallEnd {
    match how {
        WhenKilled::Dies if grace.is_zero() => CallEnd::Signalled(SIGKILL),
        WhenKilled::Dies => CallEnd::Signalled(SIGTERM),
        WhenKilled::IgnoresSigterm => {
            tokio::time::sleep(grace).await;
            CallEnd::Signalled(SIGKILL)
        }
        WhenKilled::Lingers(on) => {
            tokio::time::sleep(on).await;
            CallEnd::Signalled(SIGKILL)
        }
        WhenKilled::Panics => panic!("the script says panic"),
    }
}
