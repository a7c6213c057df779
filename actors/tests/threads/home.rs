//! A home directory, and engines that keep their threads in it.

use llmx_actors::{
    engine::EngineHandle,
    journal::{FileThreads, Redaction},
    outbox::{EventStream, event_stream},
    testkit::World,
    threads::{Resumed, SyncPolicy, ThreadError, ThreadRef, ThreadStore},
};
use llmx_protocol::{
    ids::ResponseId,
    wire::event::{Event, EventMsg},
};
use std::{fs, path::PathBuf, sync::Arc};
use tempfile::TempDir;

pub(crate) struct Home(pub(crate) TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(TempDir::with_prefix("llmx-threads-").unwrap())
    }

    pub(crate) fn store(&self) -> FileThreads {
        FileThreads::new(self.0.path(), "openai".into(), SyncPolicy::Never, Redaction::default())
    }

    /// A new engine; dropped, it leaves its threads behind.
    pub(crate) fn world(&self) -> World {
        let store: Arc<dyn ThreadStore> = Arc::new(self.store());
        World::with(&[], |options| options.threads = store)
    }

    /// Every journal.
    pub(crate) fn journals(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![self.0.path().to_owned()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).unwrap().flatten() {
                match entry.path() {
                    path if path.is_dir() => open.push(path),
                    path if path.extension().is_some_and(|e| e == "jsonl") => found.push(path),
                    _ => {}
                }
            }
        }
        found
    }
}

pub(crate) async fn resume(engine: &EngineHandle, thread: &ThreadRef) -> Result<(Resumed, EventStream), ThreadError> {
    let (subscriber, events) = event_stream();
    Ok((engine.resume_thread(thread.clone(), subscriber).await?, events))
}

/// Without those that a journal does not have.
pub(crate) fn kept(events: impl IntoIterator<Item = Event>) -> Vec<Event> {
    events.into_iter().filter(|event| llmx_protocol::journal::is_journalled(&event.msg)).collect()
}

pub(crate) fn bookmarks(events: &[Event]) -> Vec<ResponseId> {
    let of = |event: &Event| match &event.msg {
        EventMsg::TurnComplete { response_id } => response_id.clone(),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}
