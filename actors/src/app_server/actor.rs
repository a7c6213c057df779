use super::{
    AppServerOptions, accounts,
    caller::Caller,
    commands::{self, Commands},
    configuration,
    connection::{Connection, ConnectionId, Notes, ToClient},
    file_search::FileSearches,
    messages::{
        Announce, Asked, Connect, Decided, Disconnected, LimitsTold, LoadedSessions, ThreadIdle, ThreadOver,
        ThreadReady, ThreadStays,
    },
    settings::ThreadSettings,
    thread::{Beginning, Decide, Detach, LoadedThread, MayGo, ThreadCall, ThreadNumber, ThreadParts},
    threads::Shelf,
    unix_millis,
};
use crate::{
    engine::SessionHandle,
    supervise::{ChildExited, start_watched},
};
use actix::{Actor, Addr, AsyncContext, Context, Handler, MessageResult, WrapFuture};
use llmx_protocol::{
    ids::SessionId,
    machine::connection::ServerInfo,
    surface::{Loaded, Over},
    wire::{
        rpc::{
            ClientRequest, Empty, RpcError, ServerNotification,
            configuration::EmptyListResponse,
            method, notification_line,
            thread::{
                PageParams, ThreadLoadedListResponse, ThreadNotification, ThreadResumeParams, ThreadStatus,
                ThreadStatusChangedNotification, ThreadUnsubscribeResponse, UnsubscribeStatus,
            },
        },
        usage::RateLimitSnapshot,
    },
};
use std::collections::HashMap;

/// Knows the clients and the threads that are loaded. Top of its tree; the engine is beside it.
pub struct AppServer {
    options: AppServerOptions,
    threads: Loaded<Entry, Asked>,
    /// Those that are kept and are being opened.
    opening: HashMap<ThreadNumber, SessionId>,
    connections: HashMap<ConnectionId, Addr<Connection>>,
    commands: Commands,
    searches: FileSearches,
    /// What a server said last of the caller's limits.
    limits: Option<RateLimitSnapshot>,
    last_thread: ThreadNumber,
    last_connection: ConnectionId,
}

struct Entry {
    thread: Addr<LoadedThread>,
    session: SessionHandle,
}

impl AppServer {
    /// A server without clients and threads.
    #[must_use]
    pub fn new(options: AppServerOptions) -> Self {
        Self {
            options,
            threads: Loaded::default(),
            opening: HashMap::new(),
            connections: HashMap::new(),
            commands: Commands::default(),
            searches: FileSearches::default(),
            limits: None,
            last_thread: ThreadNumber(0),
            last_connection: ConnectionId(0),
        }
    }

    fn call_all(&mut self, asked: Vec<Asked>, context: &mut Context<Self>) {
        for asked in asked {
            self.call(asked, context);
        }
    }

    fn call(&mut self, asked: Asked, context: &mut Context<Self>) {
        let asked = match asked.request.thread().cloned() {
            Some(thread) => self.threads.ask(&thread, asked),
            None => Some(asked),
        };
        if let Some(asked) = asked {
            self.call_now(asked, context);
        }
    }

    /// The thread that it is about, if any, is loaded or it is not.
    fn call_now(&mut self, asked: Asked, context: &mut Context<Self>) {
        let Asked { request, caller, originator } = asked;
        match request {
            ClientRequest::Initialize(_) => caller.refuse(&RpcError::invalid_request("Already initialized")),
            ClientRequest::ThreadStart(params) => self.begin(Beginning::New(params), originator, caller, context),
            ClientRequest::ThreadFork(params) => self.begin(Beginning::Forked(params), originator, caller, context),
            ClientRequest::ThreadResume(params) => self.resume(params, originator, caller, context),
            ClientRequest::ThreadList(params) => self.shelf(context, |shelf| shelf.list(params, caller)),
            ClientRequest::ThreadRead(params) => self.shelf(context, |shelf| shelf.read(params, caller)),
            ClientRequest::ThreadArchive(params) => {
                self.shelf(context, |shelf| shelf.archive(params.thread_id, caller));
            }
            ClientRequest::ThreadUnarchive(params) => {
                self.shelf(context, |shelf| shelf.unarchive(params.thread_id, caller));
            }
            ClientRequest::ThreadDelete(params) => self.shelf(context, |shelf| shelf.delete(params.thread_id, caller)),
            ClientRequest::ThreadSetName(params) => self.shelf(context, |shelf| shelf.rename(params, caller)),
            ClientRequest::ThreadTurnsList(params) => self.shelf(context, |shelf| shelf.list_turns(params, caller)),
            ClientRequest::ThreadItemsList(params) => self.shelf(context, |shelf| shelf.list_items(params, caller)),
            ClientRequest::ThreadLoadedList(page) => self.list_loaded(&page, caller),
            request => self.call_thread(request, caller, context),
        }
    }

    /// What one thread that is loaded does.
    fn call_thread(&mut self, request: ClientRequest, caller: Caller, context: &mut Context<Self>) {
        match request {
            ClientRequest::TurnStart(params) => {
                self.tell_thread(&params.thread_id.clone(), caller, |caller| ThreadCall::Start(params, caller));
            }
            ClientRequest::TurnInterrupt(params) => {
                self.tell_thread(&params.thread_id.clone(), caller, |caller| ThreadCall::Interrupt(params, caller));
            }
            ClientRequest::TurnSteer(params) => {
                self.tell_thread(&params.thread_id.clone(), caller, |caller| ThreadCall::Steer(params, caller));
            }
            ClientRequest::ThreadCompactStart(params) => {
                self.tell_thread(&params.thread_id, caller, ThreadCall::Compact);
            }
            ClientRequest::ReviewStart(params) => {
                self.tell_thread(&params.thread_id, caller, |caller| ThreadCall::Review(params.target, caller));
            }
            ClientRequest::ThreadUnsubscribe(params) if self.threads.get(&params.thread_id).is_none() => {
                let status = UnsubscribeStatus::NotLoaded;
                caller.answer(method::ThreadUnsubscribe, &ThreadUnsubscribeResponse { status });
            }
            ClientRequest::ThreadUnsubscribe(params) => {
                self.tell_thread(&params.thread_id, caller, ThreadCall::Unsubscribe);
            }
            request => self.call_machine(request, caller, context),
        }
    }

    /// What has nothing to do with threads.
    fn call_machine(&mut self, request: ClientRequest, caller: Caller, context: &mut Context<Self>) {
        let nothing = EmptyListResponse { data: Vec::new(), next_cursor: () };
        match request {
            ClientRequest::GetAccount(params) => {
                let read = accounts::read(self.options.clone(), params.refresh_token, caller);
                context.spawn(read.into_actor(self));
            }
            ClientRequest::LoginAccount(params) => accounts::log_in(self.options.engine.accounts(), params, caller),
            ClientRequest::CancelLoginAccount(params) => {
                accounts::cancel(self.options.engine.accounts(), params, caller);
            }
            ClientRequest::LogoutAccount(_) => accounts::log_out(self.options.engine.accounts(), caller),
            ClientRequest::GetAccountRateLimits(_) => {
                let read = accounts::read_rate_limits(self.options.engine.accounts().clone(), self.limits, caller);
                context.spawn(read.into_actor(self));
            }
            ClientRequest::ModelList(page) => match configuration::models(&self.options.config, &page) {
                Ok(models) => caller.answer(method::ModelList, &models),
                Err(error) => caller.refuse(&error),
            },
            ClientRequest::ModelProviderList(_) => {
                caller.answer(method::ModelProviderList, &configuration::providers(&self.options.config));
            }
            ClientRequest::ConfigRead(_) => match configuration::read(&self.options) {
                Ok(config) => caller.answer(method::ConfigRead, &config),
                Err(error) => caller.refuse(&error),
            },
            ClientRequest::PermissionProfileList(_) => caller.answer(method::PermissionProfileList, &nothing),
            ClientRequest::ListMcpServerStatus(_) => caller.answer(method::ListMcpServerStatus, &nothing),
            ClientRequest::SkillsList(params) => {
                caller.answer(method::SkillsList, &configuration::skills(&self.options, params));
            }
            ClientRequest::CommandExec(params) => {
                if let Some(run) = self.commands.start(*params, &self.options, caller) {
                    context.spawn(run.into_actor(self));
                }
            }
            ClientRequest::CommandExecTerminate(params) => {
                if self.commands.terminate(caller.connection, &params.process_id) {
                    caller.answer(method::CommandExecTerminate, &Empty {});
                } else {
                    caller.refuse(&commands::no_process(&params.process_id));
                }
            }
            ClientRequest::CommandExecWrite(params) => self.commands.write(params, caller, context),
            ClientRequest::CommandExecResize(params) => self.commands.resize(&params, caller, context),
            ClientRequest::FuzzyFileSearch(params) => self.searches.search(params, &self.options, caller, context),
            ClientRequest::FuzzyFileSearchSessionStart(params) => {
                self.searches.start(params, &self.options, caller, context);
            }
            ClientRequest::FuzzyFileSearchSessionUpdate(params) => self.searches.update(params, caller),
            ClientRequest::FuzzyFileSearchSessionStop(params) => self.searches.stop(params, caller),
            // Dealt with before.
            _ => {}
        }
    }

    fn tell_thread(&self, id: &SessionId, caller: Caller, call: impl FnOnce(Caller) -> ThreadCall) {
        match self.threads.get(id) {
            Some(entry) => entry.thread.do_send(call(caller)),
            None => caller.refuse(&RpcError::invalid_request(format!("thread not found: {id}"))),
        }
    }

    fn resume(
        &mut self,
        params: Box<ThreadResumeParams>,
        originator: String,
        caller: Caller,
        context: &mut Context<Self>,
    ) {
        match self.threads.get(&params.thread_id) {
            Some(entry) => entry.thread.do_send(ThreadCall::Join(params, caller)),
            None => self.begin(Beginning::Resumed(params), originator, caller, context),
        }
    }

    fn begin(&mut self, beginning: Beginning, originator: String, caller: Caller, context: &mut Context<Self>) {
        let settings = ThreadSettings::derive(&self.options.sources, &self.options.cwd, beginning.settings());
        let settings = match settings {
            Ok(settings) => settings,
            Err(why) => return caller.refuse(&RpcError::invalid_request(format!("error deriving config: {why}"))),
        };
        self.last_thread = ThreadNumber(self.last_thread.0 + 1);
        let number = self.last_thread;
        if let Beginning::Resumed(params) = &beginning {
            self.opening.insert(number, params.thread_id.clone());
            self.threads.opening(params.thread_id.clone());
        }
        let (engine, server) = (self.options.engine.clone(), context.address().downgrade());
        let parts = ThreadParts { number, engine, server, settings, beginning, originator, caller };
        let me = context.address().downgrade().recipient();
        // Its session and, once it is ready, this server hold its address.
        start_watched(number, me, |_| LoadedThread::new(parts));
    }

    /// A thread is not loaded any more. Everybody hears of one that was let go, before what was asked of it meanwhile is
    /// dealt with.
    fn forget(&mut self, id: &SessionId, context: &mut Context<Self>) {
        let Some(Over { was_let_go, waited }) = self.threads.over(id) else {
            return;
        };
        if was_let_go {
            let params = ThreadStatusChangedNotification { thread_id: id.clone(), status: ThreadStatus::NotLoaded };
            self.announce(&ServerNotification::ThreadStatusChanged(params));
            self.announce(&ServerNotification::ThreadClosed(ThreadNotification { thread_id: id.clone() }));
        }
        self.call_all(waited, context);
    }

    /// To every client.
    fn announce(&self, notification: &ServerNotification) {
        let mut line = Vec::new();
        notification_line(notification, unix_millis(), &mut line);
        let notes = Notes::one(notification.method(), line, None);
        for connection in self.connections.values() {
            connection.do_send(ToClient::Notes(notes.clone()));
        }
    }

    fn shelf<F: Future<Output = ()> + 'static>(&self, context: &mut Context<Self>, work: impl FnOnce(Shelf) -> F) {
        let loaded = self.threads.iter().map(|(id, entry)| (id.clone(), entry.thread.clone())).collect();
        let server = context.address().downgrade();
        context.spawn(work(Shelf { options: self.options.clone(), server, loaded }).into_actor(self));
    }

    fn list_loaded(&self, page: &PageParams, caller: Caller) {
        let ids: Vec<_> = self.threads.iter().map(|(id, _)| id.clone()).collect();
        let after = ids.iter().filter(|id| page.cursor.as_ref().is_none_or(|cursor| id.as_str() > cursor.as_str()));
        let limit = page.limit.map_or(usize::MAX, |limit| limit.max(1) as usize);
        let mut data: Vec<_> = after.cloned().collect();
        let more = data.len() > limit;
        data.truncate(limit);
        let next_cursor = data.last().filter(|_| more).map(ToString::to_string);
        caller.answer(method::ThreadLoadedList, &ThreadLoadedListResponse { data, next_cursor });
    }
}

impl Actor for AppServer {
    type Context = Context<Self>;
}

impl Handler<Connect> for AppServer {
    type Result = Addr<Connection>;

    fn handle(&mut self, Connect(sink): Connect, context: &mut Context<Self>) -> Addr<Connection> {
        if self.last_connection == ConnectionId(0) {
            let server = context.address().downgrade().recipient();
            let announcing = accounts::announce_facts(self.options.engine.accounts().clone(), server);
            context.spawn(announcing.into_actor(self));
        }
        self.last_connection = ConnectionId(self.last_connection.0 + 1);
        let id = self.last_connection;
        let server = ServerInfo {
            home: self.options.sources.home.as_ref().map(|home| home.display().to_string()).unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            platform: self.options.platform.clone(),
        };
        let (me, up) = (context.address().downgrade().recipient(), context.address().downgrade());
        let connection = start_watched(id, me, |_| Connection::new(id, server, up, sink));
        self.connections.insert(id, connection.clone());
        connection
    }
}

impl Handler<Asked> for AppServer {
    type Result = ();

    fn handle(&mut self, asked: Asked, context: &mut Context<Self>) {
        self.call(asked, context);
    }
}

impl Handler<Decided> for AppServer {
    type Result = ();

    fn handle(&mut self, Decided { thread, call, decision }: Decided, _: &mut Context<Self>) {
        if let Some(entry) = self.threads.get(&thread) {
            entry.thread.do_send(Decide { call, decision });
        }
    }
}

impl Handler<Disconnected> for AppServer {
    type Result = ();

    fn handle(&mut self, Disconnected(id): Disconnected, _: &mut Context<Self>) {
        if self.connections.remove(&id).is_some() {
            self.commands.end_all_of(id);
            self.searches.end_all_of(id);
            for (_, entry) in self.threads.iter() {
                entry.thread.do_send(Detach(id));
            }
        }
    }
}

impl Handler<ThreadReady> for AppServer {
    type Result = ();

    fn handle(&mut self, ready: ThreadReady, context: &mut Context<Self>) {
        let ThreadReady { number, id, thread, session } = ready;
        let wanted = self.opening.remove(&number);
        let waited = self.threads.opened(id.clone(), Entry { thread, session });
        self.call_all(waited, context);
        // A file that the client named may hold another one.
        if let Some(wanted) = wanted.filter(|wanted| *wanted != id) {
            self.forget(&wanted, context);
        }
    }
}

impl Handler<ThreadIdle> for AppServer {
    type Result = ();

    fn handle(&mut self, ThreadIdle(id): ThreadIdle, _: &mut Context<Self>) {
        if let Some(entry) = self.threads.may_leave(&id) {
            entry.thread.do_send(MayGo);
        }
    }
}

impl Handler<ThreadStays> for AppServer {
    type Result = ();

    fn handle(&mut self, ThreadStays(id): ThreadStays, context: &mut Context<Self>) {
        let waited = self.threads.stays(&id);
        self.call_all(waited, context);
    }
}

impl Handler<ThreadOver> for AppServer {
    type Result = ();

    fn handle(&mut self, ThreadOver(id): ThreadOver, context: &mut Context<Self>) {
        self.forget(&id, context);
    }
}

impl Handler<LimitsTold> for AppServer {
    type Result = ();

    fn handle(&mut self, LimitsTold(limits): LimitsTold, _: &mut Context<Self>) {
        self.limits = Some(limits);
    }
}

impl Handler<Announce> for AppServer {
    type Result = ();

    fn handle(&mut self, Announce(notification): Announce, _: &mut Context<Self>) {
        self.announce(&notification);
    }
}

impl Handler<LoadedSessions> for AppServer {
    type Result = MessageResult<LoadedSessions>;

    fn handle(&mut self, _: LoadedSessions, _: &mut Context<Self>) -> MessageResult<LoadedSessions> {
        MessageResult(self.threads.iter().map(|(_, entry)| entry.session.clone()).collect())
    }
}

impl Handler<ChildExited<ConnectionId>> for AppServer {
    type Result = ();

    /// One that said goodbye is forgotten already.
    fn handle(&mut self, ChildExited { child, exit }: ChildExited<ConnectionId>, context: &mut Context<Self>) {
        if self.connections.contains_key(&child) {
            tracing::error!(connection = child.0, why = exit.describe(), "connection crashed");
        }
        self.handle(Disconnected(child), context);
    }
}

impl Handler<ChildExited<ThreadNumber>> for AppServer {
    type Result = ();

    /// Its callers were answered when they were dropped; without it nobody can reach the session, which is ended.
    fn handle(&mut self, exited: ChildExited<ThreadNumber>, context: &mut Context<Self>) {
        let ChildExited { child, exit } = exited;
        if let Some(id) = self.opening.remove(&child) {
            self.forget(&id, context);
        }
        let lost = self.threads.iter().filter(|(_, entry)| !entry.thread.connected());
        let lost: Vec<_> = lost.map(|(id, entry)| (id.clone(), entry.session.clone())).collect();
        for (id, session) in lost {
            tracing::error!(thread = %id, why = exit.describe(), "a loaded thread crashed");
            actix::spawn(async move { session.leave().await.unwrap_or_default() });
            self.forget(&id, context);
        }
    }
}
