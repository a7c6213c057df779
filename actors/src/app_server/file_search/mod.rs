//! Finds files for clients: walks directories as git would, and ranks what is there. Both may take long and run beside the
//! arbiters; both end when nobody wants their result any more.

mod index;
mod session;

use self::{
    index::{Index, Interest},
    session::Session,
};
use super::{AppServer, AppServerOptions, caller::Caller, connection::ConnectionId};
use actix::{AsyncContext, Context};
use llmx_protocol::wire::rpc::{
    Empty, RpcError,
    files::{
        FuzzyFileSearchParams, FuzzyFileSearchResponse, FuzzyFileSearchSessionStartParams,
        FuzzyFileSearchSessionStopParams, FuzzyFileSearchSessionUpdateParams,
    },
    method,
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// How many sessions a client may have at once: each holds the paths of its directories.
const MOST_SESSIONS: usize = 16;

/// Searches that are under way. Dropping an entry ends its search.
#[derive(Default)]
pub(super) struct FileSearches {
    /// By cancellation token.
    running: HashMap<(ConnectionId, String), Interest>,
    unnamed: u64,
    sessions: HashMap<(ConnectionId, String), Session>,
}

impl FileSearches {
    pub(super) fn search(
        &mut self,
        params: FuzzyFileSearchParams,
        options: &AppServerOptions,
        caller: Caller,
        context: &mut Context<AppServer>,
    ) {
        self.running.retain(|_, interest| !interest.is_satisfied());
        let (interest, roots) = (Interest::default(), absolute(params.roots, &options.cwd));
        let (cancelled, query) = (interest.cancelled(), params.query);
        let token = params.cancellation_token.unwrap_or_else(|| self.new_token());
        self.running.insert((caller.connection, token), interest);
        let searching = async move {
            let found = tokio::task::spawn_blocking(move || Index::of(&roots, &cancelled).search(&query, &cancelled));
            match found.await {
                Ok(files) => caller.answer(method::FuzzyFileSearch, &FuzzyFileSearchResponse { files }),
                Err(died) => caller.refuse(&RpcError::internal(format!("the search failed: {died}"))),
            }
        };
        context.spawn(actix::fut::wrap_future(searching));
    }

    fn new_token(&mut self) -> String {
        self.unnamed += 1;
        // No token that a client would choose.
        format!("\0{}", self.unnamed)
    }

    pub(super) fn start(
        &mut self,
        params: FuzzyFileSearchSessionStartParams,
        options: &AppServerOptions,
        caller: Caller,
        context: &mut Context<AppServer>,
    ) {
        let key = (caller.connection, params.session_id);
        self.sessions.remove(&key);
        if self.sessions.keys().filter(|(connection, _)| *connection == key.0).count() >= MOST_SESSIONS {
            return caller.refuse(&RpcError::invalid_request(format!("{MOST_SESSIONS} searches are open already")));
        }
        let roots = absolute(params.roots, &options.cwd);
        let (session, searching) = Session::start(key.1.clone(), roots, caller.client.clone());
        self.sessions.insert(key, session);
        caller.answer(method::FuzzyFileSearchSessionStart, &Empty {});
        context.spawn(actix::fut::wrap_future(searching));
    }

    pub(super) fn update(&self, params: FuzzyFileSearchSessionUpdateParams, caller: Caller) {
        match self.sessions.get(&(caller.connection, params.session_id.clone())) {
            Some(session) => {
                // The answer first: what is found comes after it.
                caller.answer(method::FuzzyFileSearchSessionUpdate, &Empty {});
                session.look_for(params.query);
            }
            None => {
                let id = params.session_id;
                caller.refuse(&RpcError::invalid_request(format!("fuzzy file search session not found: {id}")));
            }
        }
    }

    /// That there is none is as good.
    pub(super) fn stop(&mut self, params: FuzzyFileSearchSessionStopParams, caller: Caller) {
        self.sessions.remove(&(caller.connection, params.session_id));
        caller.answer(method::FuzzyFileSearchSessionStop, &Empty {});
    }

    /// Ends what a client left behind.
    pub(super) fn end_all_of(&mut self, connection: ConnectionId) {
        self.running.retain(|(of, _), _| *of != connection);
        self.sessions.retain(|(of, _), _| *of != connection);
    }
}

fn absolute(roots: Vec<PathBuf>, cwd: &Path) -> Vec<PathBuf> {
    roots.into_iter().map(|root| cwd.join(root)).collect()
}
