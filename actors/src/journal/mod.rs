//! Threads in files: `$LLMX_HOME/sessions/YYYY/MM/DD/rollout-<time>-<id>.jsonl` (reference `config-and-storage.md` §1, §5),
//! archived ones flat in `$LLMX_HOME/archived_sessions`. Beside a journal may lie `….name`, the name that a person gave the
//! thread, and `….blobs`, the big values of its lines, by hash.

mod appender;
mod blobs;
mod file;
mod fork;
mod git;
mod head;
mod layout;
mod lease;
mod lines;
mod listing;
mod private_files;
mod redaction;
mod store;

pub use self::{
    appender::{Appended, Appender},
    git::work_tree,
    redaction::Redaction,
    store::FileThreads,
};
