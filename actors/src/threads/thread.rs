//! What a host sees of a thread.

use crate::engine::SessionHandle;
use llmx_protocol::{
    ids::{CallId, SessionId, SubmissionId},
    journal::Damage,
    wire::{
        event::{Event, EventMsg},
        rollout::{GitInfo, SessionSource},
    },
};
use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

/// Which thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThreadRef {
    /// By its id.
    Id(SessionId),
    /// By the file of its journal, which may lie anywhere.
    Path(PathBuf),
}

impl fmt::Display for ThreadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// Who starts threads, as their first line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadOrigin {
    /// The client program.
    pub originator: String,
    /// The front.
    pub source: SessionSource,
}

/// A thread in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadSummary {
    /// The thread.
    pub id: SessionId,
    /// The name that a person gave it.
    pub name: Option<String>,
    /// The first message of the user; empty if there is none yet.
    pub preview: String,
    /// The provider's id, where it has one.
    pub model_provider: Option<String>,
    /// The model that it began with.
    pub model: Option<String>,
    /// When it began, since the beginning of 1970.
    pub created_at: Duration,
    /// When something was last written, since the beginning of 1970.
    pub updated_at: Duration,
    /// The directory that it began in.
    pub cwd: PathBuf,
    /// The file of its journal, if it has one.
    pub path: Option<PathBuf>,
    /// Whether it was put away.
    pub archived: bool,
    /// Which front it was started by.
    pub source: SessionSource,
    /// The version of the engine that started it.
    pub cli_version: String,
    /// The work tree that it began in.
    pub git: Option<GitInfo>,
}

/// A thread with everything that a UI needs to show it.
#[derive(Clone, Debug)]
pub struct StoredThread {
    /// What a list shows.
    pub summary: ThreadSummary,
    /// What was published, in order, with its numbers; without the deltas, whose wholes are here.
    pub events: Vec<Event>,
    /// When they were, by their numbers, since the beginning of 1970; only those of which it is known.
    pub times: BTreeMap<u64, Duration>,
    /// The approval requests among them that nobody has answered yet; only a live thread has some.
    pub open_approvals: Vec<Event>,
    /// The number of the last event that was published, deltas counted.
    pub seq: u64,
    /// What of the journal could not be read.
    pub damage: Vec<Damage>,
}

impl StoredThread {
    /// As it was when the event with this number was the last; only what came after another one.
    #[must_use]
    pub(crate) fn snapshot(mut self, seq: u64, after: Option<u64>, open: &[(SubmissionId, CallId)]) -> Self {
        self.events.retain(|event| event.seq <= seq);
        let is_open = |id: &SubmissionId, call: &CallId| open.iter().any(|(i, c)| i == id && c == call);
        let asks = |event: &&Event| asked_for(&event.msg).is_some_and(|call| is_open(&event.id, call));
        self.open_approvals = self.events.iter().filter(asks).cloned().collect();
        self.events.retain(|event| after.is_none_or(|after| event.seq > after));
        self.seq = seq;
        self
    }
}

/// The call that a person is asked about.
fn asked_for(msg: &EventMsg) -> Option<&CallId> {
    match msg {
        EventMsg::ExecApprovalRequest(request) => Some(&request.call_id),
        EventMsg::ApplyPatchApprovalRequest(request) => Some(&request.call_id),
        _ => None,
    }
}

/// A thread that is live again, or was all the time.
#[derive(Debug)]
pub struct Resumed {
    /// To be submitted to.
    pub session: SessionHandle,
    /// What was published before the first event that its subscriber gets.
    pub thread: StoredThread,
}

/// Which threads to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadQuery {
    /// Go on behind the last page; its `next_cursor`.
    pub cursor: Option<String>,
    /// How many at most; 25 unless said, 1 at least.
    pub limit: Option<usize>,
    /// Only those of these providers; all if empty. A thread that names none belongs to the configured provider.
    pub providers: Vec<String>,
    /// Only those that began in one of these directories; all if empty.
    pub cwds: Vec<PathBuf>,
    /// Those that were put away instead of the others.
    pub archived: bool,
    /// Only those whose name or first message has this in it, in whatever case.
    pub search: Option<String>,
    /// Only those that were started by these fronts; all if empty.
    pub sources: Vec<SessionSource>,
    /// By what time they are put in order. A cursor belongs to its order.
    pub order: ThreadOrder,
    /// Whether the oldest comes first, not the newest.
    pub oldest_first: bool,
}

/// What threads are put in order by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThreadOrder {
    /// When they began.
    #[default]
    Began,
    /// When they were last written. Every journal is looked at for that, though only the heads of those shown are read.
    Written,
}

/// Some threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In the order that was asked for.
    pub threads: Vec<ThreadSummary>,
    /// To go on; `None` if there are no more.
    pub next_cursor: Option<String>,
}
