//! How a thread gets its session.

use super::{
    LoadedThread,
    messages::{Kept, Opened},
    subscriber::ToThread,
};
use crate::{
    engine::EngineHandle,
    threads::{Resumed, ThreadError, ThreadRef},
};
use actix::Addr;
use llmx_protocol::{
    ids::SessionId,
    wire::rpc::thread::{ThreadForkParams, ThreadResumeParams, ThreadStartParams},
};
use std::path::PathBuf;

/// How a thread begins here.
#[derive(Clone, Debug)]
pub(crate) enum Beginning {
    /// As a new one.
    New(Box<ThreadStartParams>),
    /// Where it was left.
    Resumed(Box<ThreadResumeParams>),
    /// With what another one holds.
    Forked(Box<ThreadForkParams>),
}

impl Beginning {
    pub(crate) fn settings(&self) -> &ThreadStartParams {
        match self {
            Self::New(params) => params,
            Self::Resumed(params) => &params.settings,
            Self::Forked(params) => &params.settings,
        }
    }

    /// Of a thread that is kept: the id that the client gave.
    pub(super) fn of(&self) -> Option<&SessionId> {
        match self {
            Self::New(_) => None,
            Self::Resumed(params) => Some(&params.thread_id),
            Self::Forked(params) => Some(&params.thread_id),
        }
    }

    /// Has the engine open the session; its events go to `thread`.
    pub(super) async fn open(self, engine: EngineHandle, thread: Addr<LoadedThread>) -> Result<Opened, ThreadError> {
        let subscriber = Box::new(ToThread(thread));
        let resumed = match self {
            Self::New(_) => {
                return Ok(Opened { session: engine.start_thread(subscriber).await?, kept: None });
            }
            Self::Resumed(params) => engine.resume_thread(which(params.thread_id, params.path), subscriber).await?,
            Self::Forked(params) => {
                let of = which(params.thread_id, params.path);
                engine.fork_thread(of, params.last_response_id, subscriber).await?
            }
        };
        let Resumed { session, thread } = resumed;
        let settings = session.settings().await;
        Ok(Opened { session, kept: Some(Kept { thread, settings }) })
    }
}

fn which(id: SessionId, path: Option<PathBuf>) -> ThreadRef {
    path.map_or(ThreadRef::Id(id), ThreadRef::Path)
}
