use super::{
    AppServerOptions,
    caller::Caller,
    connection::{Connection, ConnectionId},
    messages::{Asked, Connect, Decided, Disconnected, LoadedSessions, ThreadOver, ThreadReady},
    settings::ThreadSettings,
    thread::{Decide, Detach, LoadedThread, ThreadCall, ThreadNumber, ThreadParts},
};
use crate::{
    engine::SessionHandle,
    supervise::{ChildExited, start_watched},
};
use actix::{Actor, Addr, AsyncContext, Context, Handler, MessageResult};
use llmx_protocol::{
    ids::SessionId,
    machine::connection::ServerInfo,
    wire::rpc::{
        ClientRequest, RpcError,
        account::{Account, AccountReadResponse},
        method,
        thread::ThreadStartParams,
    },
};
use std::collections::HashMap;

/// Knows the clients and the threads that are loaded. Top of its tree; the engine is beside it.
pub struct AppServer {
    options: AppServerOptions,
    threads: HashMap<SessionId, Entry>,
    connections: HashMap<ConnectionId, Addr<Connection>>,
    /// Started, and not ready or already over.
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
            threads: HashMap::new(),
            connections: HashMap::new(),
            last_thread: ThreadNumber(0),
            last_connection: ConnectionId(0),
        }
    }

    fn call(&mut self, asked: Asked, context: &mut Context<Self>) {
        let Asked { request, caller, originator } = asked;
        match request {
            ClientRequest::Initialize(_) => caller.refuse(&RpcError::invalid_request("Already initialized")),
            ClientRequest::ThreadStart(params) => self.start_thread(*params, originator, caller, context),
            ClientRequest::TurnStart(params) => {
                let thread = params.thread_id.clone();
                self.call_thread(&thread, |caller| ThreadCall::Start(params, caller), caller);
            }
            ClientRequest::TurnInterrupt(params) => {
                let thread = params.thread_id.clone();
                self.call_thread(&thread, |caller| ThreadCall::Interrupt(params, caller), caller);
            }
            ClientRequest::TurnSteer(params) => {
                let thread = params.thread_id.clone();
                self.call_thread(&thread, |caller| ThreadCall::Steer(params, caller), caller);
            }
            ClientRequest::AccountRead(_) => caller.answer(method::AccountRead, &self.account()),
        }
    }

    fn call_thread(&self, id: &SessionId, call: impl FnOnce(Caller) -> ThreadCall, caller: Caller) {
        match self.threads.get(id) {
            Some(entry) => entry.thread.do_send(call(caller)),
            None => caller.refuse(&RpcError::invalid_request(format!("thread not found: {id}"))),
        }
    }

    fn start_thread(
        &mut self,
        params: ThreadStartParams,
        originator: String,
        caller: Caller,
        context: &mut Context<Self>,
    ) {
        let settings = match ThreadSettings::derive(&self.options.sources, &self.options.cwd, &params) {
            Ok(settings) => settings,
            Err(why) => return caller.refuse(&RpcError::invalid_request(format!("error deriving config: {why}"))),
        };
        self.last_thread = ThreadNumber(self.last_thread.0 + 1);
        let parts = ThreadParts {
            engine: self.options.engine.clone(),
            server: context.address().downgrade(),
            settings,
            params,
            originator,
            caller,
        };
        let me = context.address().downgrade().recipient();
        // Its session and, once it is ready, this server hold its address.
        start_watched(self.last_thread, me, |_| LoadedThread::new(parts));
    }

    /// Whether the configured provider can be asked at all, and whose key that would be.
    fn account(&self) -> AccountReadResponse {
        let config = &self.options.config;
        let provider = config.providers.get(&config.model_provider);
        let has_key = provider.is_some_and(|p| {
            let in_environment = p.env_key.as_deref().and_then(|name| self.options.sources.environment.value(name));
            p.experimental_bearer_token.is_some() || in_environment.is_some()
        });
        let requires_openai_auth = provider.is_some_and(|p| p.requires_openai_auth);
        AccountReadResponse {
            account: (requires_openai_auth && has_key).then_some(Account::ApiKey {}),
            user_id: (),
            requires_openai_auth,
            workspace_routing: (),
        }
    }
}

impl Actor for AppServer {
    type Context = Context<Self>;
}

impl Handler<Connect> for AppServer {
    type Result = Addr<Connection>;

    fn handle(&mut self, Connect(sink): Connect, context: &mut Context<Self>) -> Addr<Connection> {
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
            for entry in self.threads.values() {
                entry.thread.do_send(Detach(id));
            }
        }
    }
}

impl Handler<ThreadReady> for AppServer {
    type Result = ();

    fn handle(&mut self, ThreadReady { id, thread, session }: ThreadReady, _: &mut Context<Self>) {
        self.threads.insert(id, Entry { thread, session });
    }
}

impl Handler<ThreadOver> for AppServer {
    type Result = ();

    fn handle(&mut self, ThreadOver(id): ThreadOver, _: &mut Context<Self>) {
        self.threads.remove(&id);
    }
}

impl Handler<LoadedSessions> for AppServer {
    type Result = MessageResult<LoadedSessions>;

    fn handle(&mut self, _: LoadedSessions, _: &mut Context<Self>) -> MessageResult<LoadedSessions> {
        MessageResult(self.threads.values().map(|entry| entry.session.clone()).collect())
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
    fn handle(&mut self, ChildExited { exit, .. }: ChildExited<ThreadNumber>, _: &mut Context<Self>) {
        let lost: Vec<_> =
            self.threads.iter().filter(|(_, e)| !e.thread.connected()).map(|(id, _)| id.clone()).collect();
        for id in lost {
            tracing::error!(thread = %id, why = exit.describe(), "a loaded thread crashed");
            if let Some(entry) = self.threads.remove(&id) {
                actix::spawn(async move { entry.session.leave().await.unwrap_or_default() });
            }
        }
    }
}
