//! Where threads are kept. Everything here may block; the engine calls it off its arbiters.

use super::{Page, StoredThread, ThreadError, ThreadQuery, ThreadRef, ThreadSummary};
use llmx_protocol::{
    ids::{ResponseId, SessionId},
    journal::Restored,
    machine::{session::Memory, settings::Defaults},
    wire::event::EventMsg,
};
use serde::Deserialize;
use std::{fmt, io, path::PathBuf, time::Duration};

/// A thread that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewThread {
    /// The thread.
    pub id: SessionId,
    /// When, since the beginning of 1970.
    pub started: Duration,
}

impl NewThread {
    /// One that begins now.
    #[must_use]
    pub fn now() -> Self {
        let id = uuid::Uuid::now_v7();
        let (seconds, nanos) = id.get_timestamp().map_or((0, 0), |time| time.to_unix());
        Self { id: SessionId::from(id.to_string()), started: Duration::new(seconds, nanos) }
    }
}

/// A thread that was kept and goes on.
pub struct Opened {
    /// Where what it says next is written.
    pub journal: Box<dyn Journal>,
    /// What its session knows; the task that was cut is ended, in the journal too.
    pub restored: Restored,
    /// What a list shows of it.
    pub summary: ThreadSummary,
}

impl Opened {
    /// What its session knows, and is to tell the UI.
    pub(crate) fn memory(&self) -> Memory {
        let mut memory = self.restored.memory.clone();
        memory.notices = self.notices();
        memory
    }

    fn notices(&self) -> Vec<String> {
        let lost = &self.restored.damage;
        let shown: Vec<_> = lost.iter().take(SHOWN_DAMAGE).map(ToString::to_string).collect();
        let more =
            if lost.len() > SHOWN_DAMAGE { format!("; and {} more", lost.len() - SHOWN_DAMAGE) } else { String::new() };
        let damaged = (!lost.is_empty())
            .then(|| format!("the thread's journal is damaged, left out: {}{more}", shown.join("; ")));
        let unconfigured = self.restored.unconfigurable.as_ref();
        let unconfigured =
            unconfigured.map(|why| format!("the thread's settings cannot be restored, configure it: {why}"));
        damaged.into_iter().chain(unconfigured).collect()
    }

    /// Of what was published, what the reference's rollouts keep.
    pub(crate) fn messages(&self) -> Vec<EventMsg> {
        let is_message = |msg: &&EventMsg| {
            matches!(
                msg,
                EventMsg::UserMessage { .. }
                    | EventMsg::AgentMessage { .. }
                    | EventMsg::AgentReasoning { .. }
                    | EventMsg::AgentReasoningRawContent { .. }
                    | EventMsg::TokenCount { .. }
                    | EventMsg::TurnAborted { .. }
            )
        };
        self.restored.events.iter().map(|event| &event.msg).filter(is_message).cloned().collect()
    }
}

/// So many damaged lines are named.
const SHOWN_DAMAGE: usize = 3;

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("summary", &self.summary).finish_non_exhaustive()
    }
}

/// Keeps threads. The journals are the truth; what a store has besides can be made from them.
pub trait ThreadStore: fmt::Debug + Send + Sync {
    /// The journal of a thread that begins; `None` if this store keeps nothing. Does not block: what there is to
    /// create is created by the first [`Journal::append`].
    fn create(&self, thread: &NewThread) -> Option<Box<dyn Journal>>;

    /// Takes the thread's lease and reads its journal. `defaults`: what its settings are completed from.
    ///
    /// # Errors
    /// [`ThreadError::Locked`] if someone else has it open, and all the others.
    fn open(&self, thread: &ThreadRef, defaults: &Defaults) -> Result<Opened, ThreadError>;

    /// Starts `fork` with what `thread` held up to the bookmark, or all of it, and with its name.
    ///
    /// # Errors
    /// [`ThreadError::Invalid`] if the bookmark is not there, and all the others.
    fn fork(
        &self,
        thread: &ThreadRef,
        at: Option<&ResponseId>,
        fork: &NewThread,
        defaults: &Defaults,
    ) -> Result<Opened, ThreadError>;

    /// Which thread it is.
    ///
    /// # Errors
    /// The file is none.
    fn identify(&self, thread: &ThreadRef) -> Result<SessionId, ThreadError>;

    /// Looks at a thread, whoever has it open.
    ///
    /// # Errors
    /// All but [`ThreadError::Locked`].
    fn read(&self, thread: &ThreadRef) -> Result<StoredThread, ThreadError>;

    /// Some threads, in the order that is asked for.
    ///
    /// # Errors
    /// [`ThreadError::Invalid`] for a cursor that no page gave.
    fn list(&self, query: &ThreadQuery) -> Result<Page, ThreadError>;

    /// Puts a thread away. One that is away already stays so.
    ///
    /// # Errors
    /// [`ThreadError::Locked`] while it is open, and all the others.
    fn archive(&self, thread: &ThreadRef) -> Result<(), ThreadError>;

    /// Takes a thread out again.
    ///
    /// # Errors
    /// As [`archive`](Self::archive).
    fn unarchive(&self, thread: &ThreadRef) -> Result<(), ThreadError>;

    /// Forgets a thread, for good.
    ///
    /// # Errors
    /// As [`archive`](Self::archive).
    fn delete(&self, thread: &ThreadRef) -> Result<(), ThreadError>;

    /// Gives a thread a name, or takes it away with an empty one. It may be open.
    ///
    /// # Errors
    /// All but [`ThreadError::Locked`].
    fn rename(&self, thread: &ThreadRef, name: &str) -> Result<(), ThreadError>;
}

/// What one thread says, line by line. Owned by the one that has its lease.
pub trait Journal: Send {
    /// Adds whole lines behind all others. When it fails nothing of them is there, or only what a reader skips.
    ///
    /// # Errors
    /// The system's, or that the lease was lost.
    fn append(&mut self, lines: &[u8]) -> io::Result<()>;

    /// Waits until all of it would survive a power cut.
    ///
    /// # Errors
    /// The system's.
    fn sync(&mut self) -> io::Result<()>;

    /// Does what [`sync`](Self::sync) does, on another thread, for what was appended until now; `None` where there is
    /// nothing to do.
    fn sync_later(&self) -> Option<SyncLater>;

    /// Whether appending may block: then the engine has a thread do it.
    fn blocks(&self) -> bool;

    /// The file, if it is one.
    fn path(&self) -> Option<PathBuf>;

    /// What keeps others from writing.
    fn lease(&self) -> &dyn Lease;
}

/// Waits until a journal would survive a power cut.
pub type SyncLater = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// The right to write a thread; given back when it is dropped.
pub trait Lease: Send {
    /// Whether it still holds.
    ///
    /// # Errors
    /// Names the one who has it now.
    fn check(&self) -> Result<(), String>;
}

/// When a journal is made to survive a power cut. That of the process it survives anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncPolicy {
    /// When the system likes.
    Never,
    /// At the end of each task, without making it wait.
    #[default]
    Task,
    /// Before anything is published.
    Item,
}
