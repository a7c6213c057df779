use super::{Journal, NewThread, Opened, Page, StoredThread, ThreadError, ThreadQuery, ThreadRef, ThreadStore};
use llmx_protocol::{
    ids::{ResponseId, SessionId},
    machine::settings::Defaults,
};

/// Keeps nothing: threads end with their sessions.
#[derive(Clone, Copy, Debug)]
pub struct NoThreads;

impl NoThreads {
    fn not_found<T>(thread: &ThreadRef) -> Result<T, ThreadError> {
        Err(ThreadError::NotFound(thread.to_string()))
    }
}

impl ThreadStore for NoThreads {
    fn create(&self, _: &NewThread) -> Option<Box<dyn Journal>> {
        None
    }

    fn open(&self, thread: &ThreadRef, _: &Defaults) -> Result<Opened, ThreadError> {
        Self::not_found(thread)
    }

    fn fork(
        &self,
        thread: &ThreadRef,
        _: Option<&ResponseId>,
        _: &NewThread,
        _: &Defaults,
    ) -> Result<Opened, ThreadError> {
        Self::not_found(thread)
    }

    fn identify(&self, thread: &ThreadRef) -> Result<SessionId, ThreadError> {
        match thread {
            ThreadRef::Id(id) => Ok(id.clone()),
            ThreadRef::Path(_) => Self::not_found(thread),
        }
    }

    fn read(&self, thread: &ThreadRef) -> Result<StoredThread, ThreadError> {
        Self::not_found(thread)
    }

    fn list(&self, _: &ThreadQuery) -> Result<Page, ThreadError> {
        Ok(Page::default())
    }

    fn archive(&self, thread: &ThreadRef) -> Result<(), ThreadError> {
        Self::not_found(thread)
    }

    fn unarchive(&self, thread: &ThreadRef) -> Result<(), ThreadError> {
        Self::not_found(thread)
    }

    fn delete(&self, thread: &ThreadRef) -> Result<(), ThreadError> {
        Self::not_found(thread)
    }

    fn rename(&self, thread: &ThreadRef, _: &str) -> Result<(), ThreadError> {
        Self::not_found(thread)
    }
}
