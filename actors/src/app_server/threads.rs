//! Methods on threads that are kept, whether somebody works on them or not. Each is a future that answers its caller.

use super::{
    AppServer, AppServerOptions,
    caller::Caller,
    messages::Announce,
    stored,
    thread::{LoadedThread, Look, Renamed},
};
use crate::threads::{StoredThread, ThreadRef};
use actix::{Addr, WeakAddr};
use llmx_protocol::{
    ids::SessionId,
    wire::rpc::{
        Empty, RpcError, ServerNotification, method,
        thread::{
            HistoryParams, Thread, ThreadListParams, ThreadListResponse, ThreadNameUpdatedNotification,
            ThreadNotification, ThreadReadParams, ThreadResponse, ThreadSetNameParams, ThreadStatus,
            ThreadStatusChangedNotification,
        },
        turn::Turn,
    },
};
use std::collections::{BTreeMap, HashMap};

/// What such a method works with.
pub(super) struct Shelf {
    pub(super) options: AppServerOptions,
    pub(super) server: WeakAddr<AppServer>,
    pub(super) loaded: HashMap<SessionId, Addr<LoadedThread>>,
}

impl Shelf {
    pub(super) async fn list(self, params: ThreadListParams, caller: Caller) {
        let page = match self.options.engine.list_threads(stored::query(&params, &self.options)).await {
            Ok(page) => page,
            Err(error) => {
                return caller.refuse(&RpcError::invalid_request(format!("failed to list threads: {error}")));
            }
        };
        let mut data = Vec::with_capacity(page.threads.len());
        for summary in &page.threads {
            let kept = stored::thread(summary);
            data.push(match self.look(&summary.id).await {
                Some(live) => Thread { git_info: kept.git_info, updated_at: kept.updated_at, ..live },
                None => kept,
            });
        }
        let read_states = BTreeMap::new();
        let response = ThreadListResponse { data, read_states, next_cursor: page.next_cursor, backwards_cursor: () };
        caller.answer(method::ThreadList, &response);
    }

    pub(super) async fn read(self, params: ThreadReadParams, caller: Caller) {
        match self.thread(&params.thread_id, params.include_turns).await {
            Ok(thread) => caller.answer(method::ThreadRead, &ThreadResponse { thread }),
            Err(error) => caller.refuse(&error),
        }
    }

    /// One that is live and not kept has no turns to show.
    async fn thread(&self, id: &SessionId, with_turns: bool) -> Result<Thread, RpcError> {
        let live = self.look(id).await;
        if let (Some(live), false) = (&live, with_turns) {
            return Ok(live.clone());
        }
        let stored = match (self.stored(id).await, live.clone()) {
            (Err(_), Some(live)) => return Ok(live),
            (stored, _) => stored?,
        };
        let turns = if with_turns { stored::turns_of(&stored) } else { Vec::new() };
        Ok(Thread { turns, ..live.unwrap_or_else(|| stored::thread(&stored.summary)) })
    }

    async fn stored(&self, id: &SessionId) -> Result<StoredThread, RpcError> {
        let read = self.options.engine.read_thread(ThreadRef::Id(id.clone())).await;
        read.map_err(|error| stored::refusal(id, &error))
    }

    async fn turns(&self, id: &SessionId) -> Result<Vec<Turn>, RpcError> {
        Ok(self.thread(id, true).await?.turns)
    }

    async fn look(&self, id: &SessionId) -> Option<Thread> {
        self.loaded.get(id)?.send(Look).await.ok()
    }

    pub(super) async fn list_turns(self, params: HistoryParams, caller: Caller) {
        match self.turns(&params.thread_id).await.and_then(|turns| stored::turns_page(turns, &params)) {
            Ok(page) => caller.answer(method::ThreadTurnsList, &page),
            Err(error) => caller.refuse(&error),
        }
    }

    pub(super) async fn list_items(self, params: HistoryParams, caller: Caller) {
        match self.turns(&params.thread_id).await.and_then(|turns| stored::items_page(turns, &params)) {
            Ok(page) => caller.answer(method::ThreadItemsList, &page),
            Err(error) => caller.refuse(&error),
        }
    }

    pub(super) async fn archive(self, id: SessionId, caller: Caller) {
        if let Err(error) = self.options.engine.archive_thread(ThreadRef::Id(id.clone())).await {
            return caller.refuse(&stored::refusal(&id, &error));
        }
        self.unloaded(&id).await;
        caller.answer(method::ThreadArchive, &Empty {});
        self.announce(ServerNotification::ThreadArchived(ThreadNotification { thread_id: id }));
    }

    pub(super) async fn unarchive(self, id: SessionId, caller: Caller) {
        if let Err(error) = self.options.engine.unarchive_thread(ThreadRef::Id(id.clone())).await {
            return caller.refuse(&stored::refusal(&id, &error));
        }
        match self.stored(&id).await {
            Ok(stored) => {
                let thread = stored::thread(&stored.summary);
                caller.answer(method::ThreadUnarchive, &ThreadResponse { thread });
                self.announce(ServerNotification::ThreadUnarchived(ThreadNotification { thread_id: id }));
            }
            Err(error) => caller.refuse(&error),
        }
    }

    pub(super) async fn delete(self, id: SessionId, caller: Caller) {
        if let Err(error) = self.options.engine.delete_thread(ThreadRef::Id(id.clone())).await {
            return caller.refuse(&stored::refusal(&id, &error));
        }
        self.unloaded(&id).await;
        caller.answer(method::ThreadDelete, &Empty {});
        self.announce(ServerNotification::ThreadDeleted(ThreadNotification { thread_id: id }));
    }

    pub(super) async fn rename(self, ThreadSetNameParams { thread_id: id, name }: ThreadSetNameParams, caller: Caller) {
        if let Err(error) = self.options.engine.rename_thread(ThreadRef::Id(id.clone()), name.clone()).await {
            return caller.refuse(&stored::refusal(&id, &error));
        }
        let name = Some(name).filter(|name| !name.is_empty());
        if let Some(thread) = self.loaded.get(&id) {
            thread.do_send(Renamed(name.clone()));
        }
        caller.answer(method::ThreadSetName, &Empty {});
        let params = ThreadNameUpdatedNotification { thread_id: id, thread_name: name };
        self.announce(ServerNotification::ThreadNameUpdated(params));
    }

    /// Everybody has heard of it when this returns.
    async fn unloaded(&self, id: &SessionId) {
        if self.loaded.contains_key(id) {
            let params = ThreadStatusChangedNotification { thread_id: id.clone(), status: ThreadStatus::NotLoaded };
            if let Some(server) = self.server.upgrade() {
                // A server that is gone has nobody to tell.
                let _ = server.send(Announce(ServerNotification::ThreadStatusChanged(params))).await;
            }
        }
    }

    /// To every client.
    fn announce(&self, notification: ServerNotification) {
        if let Some(server) = self.server.upgrade() {
            server.do_send(Announce(notification));
        }
    }
}
