use super::{
    EngineHandle, EngineOptions, OpenSession, OutboxId, SessionHandle,
    handle::{Shared, Whereabouts},
    messages::{OpenThread, SessionStarted},
    placement::{Hub, Hubs},
    seat::Seat,
};
use crate::{
    auth::KeeperId,
    journal::Appender,
    outbox::{Close, Outbox, OutboxParts, Publish, Recall, Subscriber, Writing},
    session::{AdoptedThread, SessionFinished},
    supervise::{ChildExited, Lifeline, now, start_watched},
    threads::{NewThread, Opened},
};
use actix::{Actor, Addr, AsyncContext, Context, Handler, MessageResult};
use dashmap::DashMap;
use llmx_protocol::{
    ids::{SessionId, SubmissionId},
    machine::{
        gate::Origin,
        restart::RestartBudget,
        session::{Memory, SessionEnd},
    },
    wire::event::EventMsg,
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::watch;

/// How long the processes of a dead session may take to die before it is rebuilt without them.
const FAMILY_DEADLINE: Duration = Duration::from_secs(10);

/// Supervises sessions.
pub struct Engine {
    options: EngineOptions,
    hubs: Hubs,
    sessions: HashMap<SessionId, Entry>,
    registry: Arc<DashMap<SessionId, SessionHandle>>,
    /// Started with the first thread that is kept.
    appender: Option<Appender>,
    keeper_line: Lifeline,
    keeper_restarts: RestartBudget,
}

/// A session, as its supervisor knows it.
struct Entry {
    hub: Hub,
    /// Whether its thread is kept.
    kept: bool,
    /// The thread, where that is not the one that it began with.
    adopted: Option<SessionId>,
    restarts: RestartBudget,
    /// Its end, once it said so.
    finished: Option<SessionEnd>,
    /// Held by the session and by all its commands.
    family: Arc<Lifeline>,
    /// Held by the outbox, which outlives the session's actor.
    outbox_line: Lifeline,
    outbox: watch::Sender<Option<Addr<Outbox>>>,
    whereabouts: watch::Sender<Whereabouts>,
}

/// A thread whose session is to be started.
struct Newcomer {
    id: SessionId,
    started: Duration,
    /// Whether its thread is kept.
    kept: bool,
    memory: Memory,
    subscriber: Box<dyn Subscriber>,
}

impl Engine {
    /// Starts an engine on this arbiter, unsupervised: a host that has a supervisor of its own starts
    /// [`Engine::new`] under it.
    #[must_use]
    pub fn launch(options: EngineOptions) -> EngineHandle {
        let engine = Self::new(options);
        let shared = engine.shared();
        // Before anybody has the handle.
        let engine = Self::create(|context| {
            engine.run_keeper(context);
            engine
        });
        EngineHandle::new(engine, shared)
    }

    /// What hosts that start the engine themselves make an [`EngineHandle`] of.
    #[must_use]
    pub fn shared(&self) -> Shared {
        let options = &self.options;
        Shared::new(self.registry.clone(), options.threads.clone(), options.defaults.clone(), options.accounts.clone())
    }

    /// An engine without sessions.
    #[must_use]
    pub fn new(options: EngineOptions) -> Self {
        let hubs = Hubs::new(options.placement, options.transports.clone());
        Self {
            options,
            hubs,
            sessions: HashMap::new(),
            registry: Arc::default(),
            appender: None,
            keeper_line: Lifeline::default(),
            keeper_restarts: RestartBudget::default(),
        }
    }

    fn run_keeper(&self, context: &Context<Self>) {
        let parent = context.address().downgrade().recipient();
        self.options.accounts.run_here(parent, self.keeper_line.tether());
    }

    fn writing(&mut self) -> Writing {
        let appender = self.appender.get_or_insert_with(Appender::start).clone();
        Writing { appender, sync: self.options.sync }
    }

    /// A thread that begins, kept where the options say.
    fn begin(&mut self, subscriber: Box<dyn Subscriber>, context: &mut Context<Self>) -> SessionHandle {
        let thread = NewThread::now();
        let journal = self.options.threads.create(&thread).map(|journal| (journal, self.writing()));
        let NewThread { id, started } = thread;
        let newcomer = Newcomer { id, started, kept: journal.is_some(), memory: Memory::default(), subscriber };
        self.open(newcomer, context, move |parts| Outbox::new(parts, journal))
    }

    fn go_on(&mut self, OpenThread { subscriber, opened }: OpenThread, context: &mut Context<Self>) -> SessionHandle {
        let memory = opened.memory();
        let Opened { journal, restored, summary } = opened;
        let writing = self.writing();
        let newcomer = Newcomer { id: summary.id, started: summary.created_at, kept: true, memory, subscriber };
        self.open(newcomer, context, move |parts| Outbox::resumed(parts, &restored, journal, writing))
    }

    fn open(
        &mut self,
        Newcomer { id, started, kept, memory, subscriber }: Newcomer,
        context: &mut Context<Self>,
        outbox: impl FnOnce(OutboxParts) -> Outbox + Send + 'static,
    ) -> SessionHandle {
        let entry = Entry {
            hub: self.hubs.next(),
            kept,
            adopted: None,
            restarts: RestartBudget::default(),
            finished: None,
            family: Arc::default(),
            outbox_line: Lifeline::default(),
            outbox: watch::Sender::new(None),
            whereabouts: watch::Sender::new(Whereabouts::Starting),
        };
        let threads = self.options.threads.clone();
        let handle = SessionHandle::new(id.clone(), entry.outbox.subscribe(), entry.whereabouts.subscribe(), threads);
        let seat = self.seat(&id, &entry, context);
        let parts = OutboxParts {
            thread: id.clone(),
            started,
            origin: self.options.origin.clone(),
            history: self.options.history.clone(),
            subscriber,
            tether: entry.outbox_line.tether(),
        };
        let outbox_at = entry.outbox.clone();
        let engine = context.address();
        entry.hub.run(self.options.observed(&id, async move {
            let parent = engine.downgrade().recipient();
            let outbox = start_watched(OutboxId(seat.id.clone()), parent, |_| outbox(parts));
            outbox_at.send_replace(Some(outbox.clone()));
            seat.start(outbox, memory);
        }));
        self.registry.insert(id.clone(), handle.clone());
        self.sessions.insert(id, entry);
        handle
    }

    fn seat(&self, id: &SessionId, entry: &Entry, context: &Context<Self>) -> Seat {
        Seat {
            id: id.clone(),
            engine: context.address(),
            options: self.options.clone(),
            hub: entry.hub.clone(),
            family: entry.family.clone(),
            kept: entry.kept,
        }
    }

    /// A session died: a new one takes its place when nothing of the old one lives, or the thread is closed.
    fn rebuild(&mut self, id: &SessionId, why: &str, context: &mut Context<Self>) {
        let Some(entry) = self.sessions.get_mut(id) else {
            return;
        };
        tracing::error!(session = %id, why, "session crashed");
        entry.whereabouts.send_replace(Whereabouts::Starting);
        let again = entry.restarts.spend(now());
        if !again {
            entry.finished = Some(SessionEnd::Failed(why.to_owned()));
        }
        let outbox = entry.outbox.borrow().clone();
        let Some(outbox) = outbox else {
            return self.forget(id);
        };
        let entry = &self.sessions[id];
        let seat = self.seat(id, entry, context);
        let (closed, why) = (entry.whereabouts.clone(), why.to_owned());
        entry.hub.run(self.options.observed(id, async move {
            if tokio::time::timeout(FAMILY_DEADLINE, seat.family.slack()).await.is_err() {
                tracing::error!(session = %seat.id, "commands of a dead session still run");
            }
            let Ok(memory) = outbox.send(Recall).await else {
                return;
            };
            if again {
                seat.start(outbox, memory);
            } else {
                give_up(&outbox, &memory, why);
                closed.send_replace(Whereabouts::Closed);
            }
        }));
    }

    fn forget(&mut self, id: &SessionId) {
        self.registry.remove(id);
        if let Some(entry) = self.sessions.remove(id) {
            if let Some(thread) = &entry.adopted {
                self.registry.remove(thread);
                entry.hub.transport.conversation_ended(thread.as_str());
            }
            entry.hub.transport.conversation_ended(id.as_str());
            entry.whereabouts.send_replace(Whereabouts::Closed);
        }
    }
}

/// The last words of a thread that cannot go on.
fn give_up(outbox: &Addr<Outbox>, memory: &Memory, why: String) {
    let text = format!("internal error: the session crashes again and again and was closed: {why}");
    let (origin, id) = match memory.running.clone() {
        Some((task, submission)) => (Origin::Task(task), submission),
        None => (Origin::Session, SubmissionId::default()),
    };
    outbox.do_send(Publish { origin, id, msgs: vec![EventMsg::error(text)], credit: None });
    outbox.do_send(Close(SessionEnd::Failed(why)));
}

impl Actor for Engine {
    type Context = Context<Self>;

    /// Commands that sessions start meanwhile wait for it.
    fn started(&mut self, context: &mut Context<Self>) {
        actix::spawn(self.options.runner.prepare());
        if !self.options.accounts.are_kept() {
            self.run_keeper(context);
        }
    }
}

impl Handler<ChildExited<KeeperId>> for Engine {
    type Result = ();

    /// It has nothing that is not in `auth.json`: whoever waited for a login was told, and may try again.
    fn handle(&mut self, ChildExited { exit, .. }: ChildExited<KeeperId>, context: &mut Context<Self>) {
        tracing::error!(why = exit.describe(), "the keeper of accounts crashed");
        if self.keeper_restarts.spend(now()) {
            self.run_keeper(context);
        }
    }
}

impl Handler<OpenSession> for Engine {
    type Result = MessageResult<OpenSession>;

    fn handle(&mut self, OpenSession(subscriber): OpenSession, context: &mut Context<Self>) -> Self::Result {
        MessageResult(self.begin(subscriber, context))
    }
}

impl Handler<OpenThread> for Engine {
    type Result = MessageResult<OpenThread>;

    fn handle(&mut self, open: OpenThread, context: &mut Context<Self>) -> Self::Result {
        MessageResult(self.go_on(open, context))
    }
}

impl Handler<SessionStarted> for Engine {
    type Result = ();

    fn handle(&mut self, SessionStarted { id, session }: SessionStarted, _: &mut Context<Self>) {
        if let Some(entry) = self.sessions.get(&id) {
            entry.whereabouts.send_replace(Whereabouts::Open(session));
        }
    }
}

impl Handler<SessionFinished> for Engine {
    type Result = ();

    /// One that failed is treated as one that crashed, when it is gone.
    fn handle(&mut self, SessionFinished { session, end }: SessionFinished, _: &mut Context<Self>) {
        if let Some(entry) = self.sessions.get_mut(&session)
            && end == SessionEnd::Closed
        {
            entry.finished = Some(end);
        }
    }
}

impl Handler<AdoptedThread> for Engine {
    type Result = ();

    /// Found under both ids from now on.
    fn handle(&mut self, AdoptedThread { session, thread }: AdoptedThread, _: &mut Context<Self>) {
        let Some(entry) = self.sessions.get_mut(&session).filter(|_| session != thread) else {
            return;
        };
        let handle = self.registry.get(&session).map(|handle| handle.clone());
        if let Some(handle) = handle {
            self.registry.insert(thread.clone(), handle);
        }
        if let Some(before) = entry.adopted.replace(thread.clone()).filter(|before| *before != thread) {
            self.registry.remove(&before);
        }
    }
}

impl Handler<ChildExited<SessionId>> for Engine {
    type Result = ();

    fn handle(&mut self, ChildExited { child, exit }: ChildExited<SessionId>, context: &mut Context<Self>) {
        let Some(entry) = self.sessions.get(&child) else {
            return;
        };
        let Some(end) = entry.finished.clone() else {
            return self.rebuild(&child, exit.describe(), context);
        };
        if let Some(outbox) = &*entry.outbox.borrow() {
            outbox.do_send(Close(end));
        }
    }
}

impl Handler<ChildExited<OutboxId>> for Engine {
    type Result = ();

    /// The last of a family: without it nobody hears the session. If it died early, the family dies with the entry.
    fn handle(&mut self, ChildExited { child: OutboxId(id), exit }: ChildExited<OutboxId>, _: &mut Context<Self>) {
        if self.sessions.get(&id).is_some_and(|e| e.finished.is_none()) {
            tracing::error!(session = %id, why = exit.describe(), "outbox crashed; the session is closed");
        }
        self.forget(&id);
    }
}
