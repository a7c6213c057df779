use super::{
    beginning::Beginning,
    followers::Followers,
    messages::{Decide, Detach, Ended, Heard, Joined, Kept, Look, Opened, Renamed, ThreadCall, ThreadNumber},
    shown::{self, Facts},
    turns::{Queued, new_id},
};
use crate::{
    app_server::{
        AppServer,
        caller::Caller,
        messages::{LimitsTold, ThreadOver, ThreadReady},
        settings::ThreadSettings,
        stored, unix_millis,
    },
    engine::{EngineHandle, SessionHandle},
    flow::Credit,
    threads::{StoredThread, ThreadError, ThreadRef},
};
use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, MessageResult, WeakAddr, WrapFuture};
use llmx_protocol::{
    ids::{SessionId, SubmissionId},
    surface::{Queue, Said, Stay, Surface, last_usage},
    wire::{
        decision::ReviewDecision,
        event::{EventMsg, ItemEvent},
        item::TurnItem,
        rpc::{
            RpcError, ServerNotification, method,
            thread::{Thread, ThreadStartedNotification, ThreadUnsubscribeResponse, UnsubscribeStatus},
        },
    },
};
use std::time::Duration;

/// What a loaded thread is made of.
pub(crate) struct ThreadParts {
    pub(crate) number: ThreadNumber,
    pub(crate) engine: EngineHandle,
    pub(crate) server: WeakAddr<AppServer>,
    /// What the client wants, and what is configured where it says nothing.
    pub(crate) settings: ThreadSettings,
    pub(crate) beginning: Beginning,
    pub(crate) originator: String,
    /// Whoever wanted it; answered when the session is configured.
    pub(crate) caller: Caller,
}

/// A session with everyone who follows it. Child of the AppServer; lives as long as its session, which it ends when
/// nobody needs it.
pub struct LoadedThread {
    number: ThreadNumber,
    engine: EngineHandle,
    pub(super) server: WeakAddr<AppServer>,
    pub(super) settings: ThreadSettings,
    pub(super) facts: Facts,
    pub(super) session: Option<SessionHandle>,
    pub(super) surface: Surface,
    pub(super) followers: Followers,
    pub(super) starting: Option<Starting>,
    /// Clients that are about to follow it.
    pub(super) joining: usize,
    pub(super) stay: Stay,
    /// Whether the session does not know the settings yet that the next turn runs under.
    pub(super) unsaid: bool,
    /// What is to be submitted, one at a time.
    pub(super) queue: Queue<Queued>,
    pub(super) submitting: bool,
}

/// Before the session is configured.
pub(super) struct Starting {
    beginning: Beginning,
    caller: Caller,
}

impl LoadedThread {
    pub(crate) fn new(parts: ThreadParts) -> Self {
        let now = unix_millis();
        let facts = Facts {
            id: SessionId::default(),
            forked_from: None,
            preview: String::new(),
            ephemeral: parts.beginning.settings().ephemeral.unwrap_or_default(),
            created_at: now,
            updated_at: now,
            path: None,
            originator: parts.originator,
            name: None,
        };
        Self {
            number: parts.number,
            engine: parts.engine,
            server: parts.server,
            settings: parts.settings,
            facts,
            session: None,
            surface: Surface::new(SessionId::default()),
            followers: Followers::default(),
            starting: Some(Starting { beginning: parts.beginning, caller: parts.caller }),
            joining: 0,
            stay: Stay::default(),
            unsaid: false,
            queue: Queue::default(),
            submitting: false,
        }
    }

    fn open(&self, context: &mut Context<Self>) {
        let Some(Starting { beginning, .. }) = &self.starting else {
            return;
        };
        let opening = beginning.clone().open(self.engine.clone(), context.address());
        context.spawn(opening.into_actor(self).map(|opened, thread, context| match opened {
            Ok(opened) => context.address().do_send(opened),
            Err(error) => thread.not_opened(&error, context),
        }));
    }

    fn not_opened(&mut self, error: &ThreadError, context: &mut Context<Self>) {
        if let Some(Starting { beginning, caller }) = self.starting.take() {
            caller.refuse(&stored::refusal(beginning.of().unwrap_or(&self.facts.id), error));
        }
        context.stop();
    }

    fn shown(&self) -> Thread {
        shown::thread(&self.facts, &self.settings, self.surface.status())
    }

    /// The session took its settings: now the thread is there.
    fn ready(&mut self) {
        let is_new = |starting: &mut Starting| matches!(starting.beginning, Beginning::New(_));
        let Some(Starting { caller, .. }) = self.starting.take_if(is_new) else {
            return;
        };
        self.followers.add(caller.connection, caller.client.clone());
        caller.answer(method::ThreadStart, &shown::session(self.shown(), &self.settings));
        self.tell_started();
    }

    fn tell_started(&mut self) {
        let params = ThreadStartedNotification { thread: self.shown() };
        self.tell(vec![Said::Notify(ServerNotification::ThreadStarted(Box::new(params)))], None);
    }

    /// The session goes on with what was kept.
    fn goes_on(&mut self, Kept { thread, settings }: Kept) {
        let Some(Starting { beginning, caller }) = self.starting.take() else {
            return;
        };
        self.remember(&thread);
        if let Some(recorded) = settings {
            self.settings = ThreadSettings::recorded(&recorded, &self.settings, beginning.settings());
        }
        self.followers.add(caller.connection, caller.client.clone());
        let turns = stored::turns_of(&thread);
        match beginning {
            Beginning::New(_) => {}
            Beginning::Resumed(params) => {
                let turns = if params.exclude_turns { Vec::new() } else { turns };
                caller.answer(method::ThreadResume, &shown::resumed(self.shown(), turns, &self.settings));
            }
            Beginning::Forked(params) => {
                self.facts.forked_from = Some(params.thread_id);
                let turns = if params.exclude_turns { Vec::new() } else { turns };
                let shown = Thread { turns, ..self.shown() };
                caller.answer(method::ThreadFork, &shown::session(shown, &self.settings));
                let usage = last_usage(&self.facts.id, &thread.events);
                self.tell(usage.map(Said::Notify).into_iter().collect(), None);
                self.tell_started();
            }
        }
    }

    fn remember(&mut self, StoredThread { summary, .. }: &StoredThread) {
        let millis = |since: Duration| i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        self.facts.preview.clone_from(&summary.preview);
        self.facts.name.clone_from(&summary.name);
        self.facts.created_at = millis(summary.created_at);
        self.facts.updated_at = millis(summary.updated_at);
        self.facts.path.clone_from(&summary.path);
    }

    /// Someone else wants to follow: what was kept first.
    fn join(&mut self, exclude_turns: bool, caller: Caller, context: &mut Context<Self>) {
        if exclude_turns {
            return self.joined(Joined { turns: Vec::new(), caller });
        }
        self.joining += 1;
        let (engine, id) = (self.engine.clone(), self.facts.id.clone());
        let reading = async move { engine.read_thread(ThreadRef::Id(id)).await };
        context.spawn(reading.into_actor(self).map(|stored, thread, _| {
            let turns = stored.map_or_else(|_| Vec::new(), |stored| stored::turns_of(&stored));
            thread.joining -= 1;
            thread.joined(Joined { turns, caller });
            thread.ask_to_go();
        }));
    }

    /// The open questions come right behind the answer.
    fn joined(&mut self, Joined { turns, caller }: Joined) {
        let (connection, client) = (caller.connection, caller.client.clone());
        caller.answer(method::ThreadResume, &shown::resumed(self.shown(), turns, &self.settings));
        self.followers.add(connection, client);
        for (call, request) in self.surface.questions() {
            self.followers.ask_one(connection, &self.facts.id, call, request.clone());
        }
    }

    fn unsubscribe(&mut self, caller: Caller) {
        let status = if self.followers.remove(caller.connection) {
            UnsubscribeStatus::Unsubscribed
        } else {
            UnsubscribeStatus::NotSubscribed
        };
        caller.answer(method::ThreadUnsubscribe, &ThreadUnsubscribeResponse { status });
    }

    fn tell(&mut self, said: Vec<Said>, credit: Option<&Credit>) {
        self.followers.tell(&self.facts.id, said, credit);
    }

    fn heard(&mut self, id: &SubmissionId, msg: &EventMsg, said: &mut Vec<Said>, context: &mut Context<Self>) {
        match msg {
            EventMsg::SessionConfigured(configured) => {
                self.facts.path.clone_from(&configured.rollout_path);
                self.queue.restarted();
                self.ready();
            }
            EventMsg::Error { message } if self.starting.is_some() => self.refused(message, context),
            EventMsg::UserMessage { message, .. } if self.facts.preview.is_empty() => {
                self.facts.preview.clone_from(message);
            }
            EventMsg::TaskStarted { .. } => {
                self.facts.updated_at = unix_millis();
                self.queue.turn_began(id);
            }
            EventMsg::TokenCount { rate_limits: Some(limits), .. } => {
                if let Some(server) = self.server.upgrade() {
                    server.do_send(LimitsTold(*limits));
                }
            }
            EventMsg::ItemCompleted(ItemEvent { item: TurnItem::UserMessage { .. }, .. }) => self.queue.shown(id),
            EventMsg::Error { .. } if self.queue.refused(id, self.surface.running()) => return,
            _ => {}
        }
        self.surface.apply(id, msg, unix_millis(), said);
    }

    /// The session did not take its settings: there is no thread.
    fn refused(&mut self, why: &str, context: &mut Context<Self>) {
        if let Some(Starting { caller, .. }) = self.starting.take() {
            caller.refuse(&RpcError::invalid_request(format!("error creating thread: {why}")));
        }
        if let Some(session) = self.session.clone() {
            context.spawn(async move { session.leave().await.unwrap_or_default() }.into_actor(self));
        }
    }

    fn decide(&mut self, Decide { call, decision }: Decide, context: &mut Context<Self>) {
        let mut said = Vec::new();
        let op = self.surface.decide(&call, decision, unix_millis(), &mut said);
        self.tell(said, None);
        if let Some(op) = op {
            self.submit(new_id(), op, context, |_, _| {});
        }
    }

    /// Where nobody follows, nobody can answer: the answer is no.
    fn refuse_questions_of_nobody(&mut self, context: &mut Context<Self>) {
        if !self.followers.nobody() {
            return;
        }
        let open: Vec<_> = self.surface.questions().map(|(call, _)| call.clone()).collect();
        for call in open {
            self.decide(Decide { call, decision: ReviewDecision::Denied }, context);
        }
    }
}

impl Actor for LoadedThread {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.open(context);
    }
}

impl Handler<Opened> for LoadedThread {
    type Result = ();

    fn handle(&mut self, Opened { session, kept }: Opened, context: &mut Context<Self>) {
        self.facts.id = session.id.clone();
        self.surface = Surface::new(session.id.clone());
        self.session = Some(session.clone());
        if let Some(server) = self.server.upgrade() {
            let (number, id, thread) = (self.number, session.id.clone(), context.address());
            server.do_send(ThreadReady { number, id, thread, session });
        }
        if let Some(kept) = kept {
            return self.goes_on(kept);
        }
        let op = self.starting.as_ref().map(|starting| self.settings.configure(starting.beginning.settings()));
        if let Some(op) = op {
            self.submit(new_id(), op, context, |_, _| {});
        }
    }
}

impl Handler<ThreadCall> for LoadedThread {
    type Result = ();

    fn handle(&mut self, call: ThreadCall, context: &mut Context<Self>) {
        match call {
            ThreadCall::Start(params, caller) => self.start_turn(params, caller, context),
            ThreadCall::Interrupt(params, caller) => self.interrupt(&params, caller, context),
            ThreadCall::Steer(params, caller) => self.steer(params, caller, context),
            ThreadCall::Compact(caller) => self.enqueue(Queued::Compact(caller), context),
            ThreadCall::Review(target, caller) => self.enqueue(Queued::Review(target, caller), context),
            ThreadCall::Join(params, caller) => self.join(params.exclude_turns, caller, context),
            ThreadCall::Unsubscribe(caller) => self.unsubscribe(caller),
        }
        self.ask_to_go();
    }
}

impl Handler<Heard> for LoadedThread {
    type Result = ();

    fn handle(&mut self, Heard(delivery): Heard, context: &mut Context<Self>) {
        self.stay.session_wakes();
        let mut said = Vec::new();
        for (_, msg) in delivery.events.iter() {
            self.heard(delivery.events.id(), msg, &mut said, context);
        }
        self.tell(said, delivery.credit.as_ref());
        self.submit_next(context);
        self.refuse_questions_of_nobody(context);
    }
}

impl Handler<Decide> for LoadedThread {
    type Result = ();

    fn handle(&mut self, decide: Decide, context: &mut Context<Self>) {
        self.decide(decide, context);
    }
}

impl Handler<Look> for LoadedThread {
    type Result = MessageResult<Look>;

    fn handle(&mut self, _: Look, _: &mut Context<Self>) -> MessageResult<Look> {
        MessageResult(self.shown())
    }
}

impl Handler<Renamed> for LoadedThread {
    type Result = ();

    fn handle(&mut self, Renamed(name): Renamed, _: &mut Context<Self>) {
        self.facts.name = name;
    }
}

impl Handler<Detach> for LoadedThread {
    type Result = ();

    fn handle(&mut self, Detach(connection): Detach, context: &mut Context<Self>) {
        self.followers.remove(connection);
        self.refuse_questions_of_nobody(context);
        self.ask_to_go();
    }
}

impl Handler<Ended> for LoadedThread {
    type Result = ();

    /// One that goes waits until nothing is left of the session.
    fn handle(&mut self, _: Ended, context: &mut Context<Self>) {
        if self.stay.goes() {
            return;
        }
        if let Some(server) = self.server.upgrade() {
            server.do_send(ThreadOver(self.facts.id.clone()));
        }
        context.stop();
    }
}
