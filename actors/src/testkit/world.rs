//! An engine in a world where everything follows a script, and the UI of one of its sessions.

use super::{Harness, ScriptedCommands, ScriptedModel};
use crate::{
    config::{ConfigSources, load},
    engine::{Engine, EngineHandle, EngineOptions, Placement, SessionHandle},
    executor::process::HelperPath,
    outbox::{Delivery, Gone, Subscriber},
};
use llmx_protocol::{
    ids::SessionId,
    machine::{
        session::SessionEnd,
        settings::{Defaults, Enforcement},
    },
    wire::{
        event::{Event, EventMsg},
        submission::Submission,
    },
};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{sync::mpsc, time::timeout};

/// How long a test waits for one event before it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// The directory of a world's sessions. Nothing looks whether it is there.
const CWD: &str = "/work-tree";

/// What commands may do in a world where nothing else is said: anything, without a question.
const FREE: [&str; 3] =
    [r#"approval_policy="never""#, r#"sandbox_mode="danger-full-access""#, "disable_response_storage=true"];

/// An engine with a scripted model and scripted commands. Dropped, it ends the engine.
pub struct World {
    /// The engine.
    pub engine: EngineHandle,
    /// The only model.
    pub model: ScriptedModel,
    /// What runs commands.
    pub commands: ScriptedCommands,
    /// What sees the actors.
    pub harness: Harness,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// All on this arbiter; commands may do anything without a question.
    #[must_use]
    pub fn new() -> Self {
        Self::with(&[], |_| {})
    }

    /// With a configuration changed as by `-c key=value`, and options changed in code.
    ///
    /// # Panics
    /// If the configuration is not valid.
    #[must_use]
    pub fn with(overrides: &[&str], change: impl FnOnce(&mut EngineOptions)) -> Self {
        let (model, commands) = (ScriptedModel::default(), ScriptedCommands::default());
        let mut options = Self::options(overrides, &model, &commands);
        change(&mut options);
        let harness = options.harness.clone();
        Self { engine: Engine::launch(options), model, commands, harness }
    }

    /// The options of an engine with this model and these commands, for applications that start it themselves.
    ///
    /// # Panics
    /// If the configuration is not valid.
    #[must_use]
    pub fn options(overrides: &[&str], model: &ScriptedModel, commands: &ScriptedCommands) -> EngineOptions {
        let overrides = FREE.iter().chain(overrides).map(ToString::to_string).collect();
        let loaded = load(&ConfigSources { overrides, ..ConfigSources::default() });
        let loaded = loaded.unwrap_or_else(|error| panic!("the configuration of a test: {error}"));
        let options = EngineOptions::configured(loaded.config, Vec::new(), Vec::new(), HelperPath::this_program());
        // Nobody asks the machine that runs the tests: scripted commands are as confined as they are said to be.
        let defaults = Defaults { confining: Arc::new(Enforcement::Full), ..(*options.defaults).clone() };
        EngineOptions {
            defaults: Arc::new(defaults),
            transports: model.factory(),
            runner: Arc::new(commands.clone()),
            placement: Placement::Here,
            ..options
        }
    }

    /// Opens a session that is not configured yet.
    ///
    /// # Panics
    /// If the engine is gone.
    pub async fn open(&self) -> Ui {
        let (to, deliveries) = mpsc::unbounded_channel();
        let id = Arc::<OnceLock<SessionId>>::default();
        let tap = Tap { to, id: id.clone(), model: self.model.clone(), commands: self.commands.clone() };
        let opened = self.engine.open_session(Box::new(tap)).await;
        let session = opened.unwrap_or_else(|closed| panic!("{closed}"));
        id.get_or_init(|| session.id.clone());
        Ui { session, deliveries, ahead: VecDeque::new(), seen: Vec::new(), end: None }
    }
}

/// An event, and what lived when it was delivered.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The event.
    pub event: Event,
    /// How many commands lived, of all sessions.
    pub live_commands: usize,
    /// How many connections to the model were open, of this session.
    pub open_answers: usize,
    /// How many requests the model had got, of all sessions.
    pub requests: usize,
}

enum Delivered {
    Events { delivery: Delivery, live_commands: usize, open_answers: usize, requests: usize },
    End(SessionEnd),
}

/// Looks around at the moment of delivery.
struct Tap {
    to: mpsc::UnboundedSender<Delivered>,
    id: Arc<OnceLock<SessionId>>,
    model: ScriptedModel,
    commands: ScriptedCommands,
}

impl Subscriber for Tap {
    fn deliver(&mut self, delivery: Delivery) -> Result<(), Gone> {
        let open_answers = self.id.get().map_or(0, |id| self.model.open_in(id));
        let (live_commands, requests) = (self.commands.live(), self.model.request_count());
        let events = Delivered::Events { delivery, live_commands, open_answers, requests };
        self.to.send(events).map_err(|_| Gone)
    }

    fn close(&mut self, end: &SessionEnd) {
        let _ = self.to.send(Delivered::End(end.clone()));
    }
}

/// The UI of one session. What it does not read holds the session back, as a real one's would.
pub struct Ui {
    /// The session.
    pub session: SessionHandle,
    /// Every event that was read, in order.
    pub seen: Vec<Seen>,
    /// How the session ended, once that was read.
    pub end: Option<SessionEnd>,
    deliveries: mpsc::UnboundedReceiver<Delivered>,
    /// Read, but not asked for yet.
    ahead: VecDeque<Seen>,
}

impl Ui {
    /// Submits an op.
    ///
    /// # Panics
    /// If it is none, or if the session is closed.
    pub async fn submit(&self, id: &str, op: Value) {
        assert!(self.try_submit(id, op).await, "submission {id}: the session is closed");
    }

    /// Submits an op, if the session is still there; whether it was.
    pub async fn try_submit(&self, id: &str, op: Value) -> bool {
        let line = json!({"id": id, "op": op}).to_string();
        self.session.submit(Submission::parse(line.as_bytes())).await.is_ok()
    }

    /// Submits user input.
    ///
    /// # Panics
    /// If the session is closed.
    pub async fn say(&self, id: &str, text: &str) {
        self.submit(id, json!({"type": "user_input", "items": [{"type": "text", "text": text}]})).await;
    }

    /// Configures the session and waits until it is.
    ///
    /// # Panics
    /// If it cannot be.
    pub async fn configure(&mut self) {
        self.submit("configure", json!({"type": "configure_session", "cwd": CWD})).await;
        self.until("session_configured", |msg| matches!(msg, EventMsg::SessionConfigured(_))).await;
    }

    /// The next event; `None` when the session's outbox is gone.
    ///
    /// # Panics
    /// If there is none for thirty seconds.
    pub async fn next_event(&mut self) -> Option<Event> {
        while self.ahead.is_empty() {
            let Ok(delivered) = timeout(PATIENCE, self.deliveries.recv()).await else {
                panic!("no event came; before it:\n{}", self.transcript());
            };
            self.take(delivered?);
        }
        let seen = self.ahead.pop_front()?;
        let event = seen.event.clone();
        self.seen.push(seen);
        Some(event)
    }

    /// Reads up to the first event that is `wanted`, and returns it.
    ///
    /// # Panics
    /// If it does not come.
    pub async fn until(&mut self, what: &str, wanted: impl Fn(&EventMsg) -> bool) -> Event {
        loop {
            match self.next_event().await {
                Some(event) if wanted(&event.msg) => return event,
                Some(_) => {}
                None => panic!("the session ended without {what}; its events:\n{}", self.transcript()),
            }
        }
    }

    /// Reads up to the terminal event of a task, and returns it.
    ///
    /// # Panics
    /// If it does not come.
    pub async fn until_terminal(&mut self, task: &str) -> EventMsg {
        loop {
            let event = self.until(&format!("a terminal event of {task}"), EventMsg::ends_a_task).await;
            if event.id.as_str() == task {
                return event.msg;
            }
        }
    }

    /// Reads to the end of the session.
    ///
    /// # Panics
    /// If it does not come.
    pub async fn until_closed(&mut self) -> Option<SessionEnd> {
        while self.next_event().await.is_some() {}
        self.end.clone()
    }

    /// What was read so far, a line an event.
    #[must_use]
    pub fn transcript(&self) -> String {
        self.seen.iter().map(|seen| serde_json::to_string(&seen.event).unwrap_or_default() + "\n").collect()
    }

    fn take(&mut self, delivered: Delivered) {
        match delivered {
            Delivered::End(end) => self.end = Some(end),
            Delivered::Events { delivery, live_commands, open_answers, requests } => {
                let lines = delivery.lines().split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                self.ahead.extend(lines.map(|line| Seen { event: read(line), live_commands, open_answers, requests }));
            }
        }
    }
}

fn read(line: &[u8]) -> Event {
    serde_json::from_slice(line).unwrap_or_else(|e| panic!("not an event: {e}: {}", String::from_utf8_lossy(line)))
}
