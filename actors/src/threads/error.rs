use std::{io, path::PathBuf};

/// Why something cannot be done with a thread.
#[derive(Debug, thiserror::Error)]
pub enum ThreadError {
    /// There is no such thread.
    #[error("no thread {0}")]
    NotFound(String),
    /// Somebody else has it open.
    #[error("thread {thread} is open in {holder}")]
    Locked {
        /// Which.
        thread: String,
        /// Who: `process 4711`, where the system says it.
        holder: String,
    },
    /// Its journal does not say what thread it is.
    #[error("{path} is not a thread: {why}")]
    Corrupt {
        /// The journal.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The system refused.
    #[error("{what} {path}: {source}")]
    Io {
        /// What was to be done: `cannot read`.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What was asked for makes no sense: a cursor that no page gave, a bookmark that is not in the thread.
    #[error("{0}")]
    Invalid(String),
    /// The session or the whole engine is gone.
    #[error("the session is closed")]
    Closed,
}

impl ThreadError {
    /// An [`Io`](Self::Io) error as a function of its source.
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
