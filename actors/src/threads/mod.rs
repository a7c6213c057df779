//! Threads that outlive the process: what a host lists, reads, names, archives and deletes, and the traits behind which
//! they are kept. [`crate::journal`] keeps them in files.
//!
//! A live thread is a session; [`EngineHandle`](crate::engine::EngineHandle) starts, resumes and forks them.

mod error;
mod none;
mod store;
mod thread;

pub use self::{
    error::ThreadError,
    none::NoThreads,
    store::{Journal, Lease, NewThread, Opened, SyncLater, SyncPolicy, ThreadStore},
    thread::{Page, Resumed, StoredThread, ThreadOrder, ThreadOrigin, ThreadQuery, ThreadRef, ThreadSummary},
};
