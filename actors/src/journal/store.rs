use super::{
    blobs::Blobs,
    file::{FileJournal, Manner},
    fork::Beginning,
    head::Head,
    layout::{Key, blob_directory, name_file},
    lines::read_into,
    listing::{Journals, list},
    private_files::{make_directory, write_whole},
    redaction::Redaction,
};
use crate::threads::{
    Journal, NewThread, Opened, Page, StoredThread, SyncPolicy, ThreadError, ThreadQuery, ThreadRef, ThreadStore,
    ThreadSummary,
};
use llmx_protocol::{
    ids::{ResponseId, SessionId},
    journal::{LineWriter, Reader, Restored, timestamp},
    machine::settings::Defaults,
    wire::rollout::{ForkedFrom, SessionMeta},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What a task is told that the engine died in.
const ENGINE_ENDED: &str = "the engine ended while this task ran; it was closed when the thread was opened again";
/// What a task is told that a fork cuts in two.
const FORKED: &str = "interrupted: the thread was forked in the middle of this task";

/// Keeps threads in files below a home directory.
#[derive(Clone, Debug)]
pub struct FileThreads {
    sessions: PathBuf,
    archived: PathBuf,
    own_provider: String,
    manner: Manner,
}

/// A journal that is there.
struct Found {
    path: PathBuf,
    archived: bool,
}

impl FileThreads {
    /// In `$LLMX_HOME`. `own_provider`: the one of threads that name none.
    #[must_use]
    pub fn new(home: &Path, own_provider: String, sync: SyncPolicy, redaction: Redaction) -> Self {
        Self {
            sessions: home.join("sessions"),
            archived: home.join("archived_sessions"),
            own_provider,
            manner: Manner { sync, redaction: Arc::new(redaction) },
        }
    }

    fn find(&self, thread: &ThreadRef) -> Result<Found, ThreadError> {
        let path = match thread {
            ThreadRef::Id(id) => self.path_of(id)?,
            ThreadRef::Path(path) => fs::canonicalize(path).ok(),
        };
        let path = path.filter(|path| path.is_file()).ok_or_else(|| ThreadError::NotFound(thread.to_string()))?;
        Ok(Found { archived: path.parent() == Some(&*canonical(&self.archived)), path })
    }

    /// An id that llmx made says when; the place follows. Others are looked for.
    fn path_of(&self, id: &SessionId) -> Result<Option<PathBuf>, ThreadError> {
        let likely = started(id)
            .map(|time| Key::new(id, time))
            .map(|key| [key.path_in(&canonical(&self.sessions)), canonical(&self.archived).join(key.file_name())]);
        if let Some(found) = likely.into_iter().flatten().find(|path| path.is_file()) {
            return Ok(Some(found));
        }
        let sessions = Journals::by_day(&canonical(&self.sessions), None, false)?;
        let archived = Journals::flat(&canonical(&self.archived), false)?;
        Ok(sessions.chain(archived).find(|(key, _)| key.id == id.as_str()).map(|(_, path)| path))
    }

    /// One of this store's own that nobody has open.
    fn find_closed(&self, thread: &ThreadRef) -> Result<(Found, FileJournal), ThreadError> {
        let found = self.find(thread)?;
        if !found.archived && !found.path.starts_with(canonical(&self.sessions)) {
            return Err(ThreadError::Invalid(format!("{} is not one of the kept threads", found.path.display())));
        }
        let lease = FileJournal::open(found.path.clone(), &self.manner)?;
        Ok((found, lease))
    }
}

impl ThreadStore for FileThreads {
    fn create(&self, thread: &NewThread) -> Option<Box<dyn Journal>> {
        let path = Key::new(&thread.id, thread.started).path_in(&self.sessions);
        Some(Box::new(FileJournal::new(path, &self.manner)))
    }

    fn open(&self, thread: &ThreadRef, defaults: &Defaults) -> Result<Opened, ThreadError> {
        let found = self.find(thread)?;
        let journal = FileJournal::open(found.path.clone(), &self.manner)?;
        opened(journal, &found, ENGINE_ENDED, defaults)
    }

    fn fork(
        &self,
        thread: &ThreadRef,
        at: Option<&ResponseId>,
        fork: &NewThread,
        defaults: &Defaults,
    ) -> Result<Opened, ThreadError> {
        let original = self.find(thread)?;
        let beginning = Beginning::read(&original.path, at)?;
        let meta = beginning.meta.ok_or_else(|| not_a_thread(&original.path))?;
        let path = Key::new(&fork.id, fork.started).path_in(&self.sessions);
        let meta = SessionMeta {
            timestamp: timestamp(fork.started),
            forked_from: Some(ForkedFrom { id: meta.id, response_id: at.cloned() }),
            id: fork.id.clone(),
            ..meta
        };
        let mut lines = Vec::with_capacity(beginning.lines.len() + 1024);
        LineWriter::default().meta(&meta, &meta.timestamp, &mut lines);
        lines.extend_from_slice(&beginning.lines);
        let cannot_write = || ThreadError::io("cannot write", path.clone());
        Blobs::new(blob_directory(&original.path), false).share_with(&blob_directory(&path)).map_err(cannot_write())?;
        let mut journal = FileJournal::new(path.clone(), &self.manner);
        journal.append(&lines).map_err(cannot_write())?;
        // After the directory is there.
        gone(fs::copy(name_file(&original.path), name_file(&path)).map(drop)).map_err(cannot_write())?;
        opened(journal, &Found { path, archived: false }, FORKED, defaults)
    }

    fn identify(&self, thread: &ThreadRef) -> Result<SessionId, ThreadError> {
        match thread {
            ThreadRef::Id(id) => Ok(id.clone()),
            ThreadRef::Path(_) => {
                let path = self.find(thread)?.path;
                Head::read(&path).id().cloned().ok_or_else(|| not_a_thread(&path))
            }
        }
    }

    fn read(&self, thread: &ThreadRef) -> Result<StoredThread, ThreadError> {
        let found = self.find(thread)?;
        let restored = restored(&found.path, None)?;
        Ok(StoredThread {
            summary: summary(&found)?,
            events: restored.events,
            times: restored.times,
            open_approvals: Vec::new(),
            seq: restored.seq,
            damage: restored.damage,
        })
    }

    fn list(&self, query: &ThreadQuery) -> Result<Page, ThreadError> {
        list(if query.archived { &self.archived } else { &self.sessions }, query, &self.own_provider)
    }

    fn archive(&self, thread: &ThreadRef) -> Result<(), ThreadError> {
        let (found, _lease) = self.find_closed(thread)?;
        let name = found.path.file_name().unwrap_or_default();
        if found.archived { Ok(()) } else { relocate(&found.path, &self.archived.join(name)) }
    }

    fn unarchive(&self, thread: &ThreadRef) -> Result<(), ThreadError> {
        let (found, _lease) = self.find_closed(thread)?;
        match found.path.file_name().and_then(Key::of_file) {
            Some(key) if found.archived => relocate(&found.path, &key.path_in(&self.sessions)),
            _ => Ok(()),
        }
    }

    /// The journal goes last: what is left of a thread that was not deleted in full is still one.
    fn delete(&self, thread: &ThreadRef) -> Result<(), ThreadError> {
        let (found, _lease) = self.find_closed(thread)?;
        let path = &found.path;
        gone(fs::remove_dir_all(blob_directory(path)))
            .map_err(ThreadError::io("cannot delete", blob_directory(path)))?;
        gone(fs::remove_file(name_file(path))).map_err(ThreadError::io("cannot delete", name_file(path)))?;
        gone(fs::remove_file(path)).map_err(ThreadError::io("cannot delete", path))
    }

    fn rename(&self, thread: &ThreadRef, name: &str) -> Result<(), ThreadError> {
        let file = name_file(&self.find(thread)?.path);
        let done = match name.trim() {
            "" => gone(fs::remove_file(&file)),
            name => write_whole(&file, name),
        };
        done.map_err(ThreadError::io("cannot write", file))
    }
}

/// A journal that was read, with its open task ended.
fn opened(mut journal: FileJournal, found: &Found, why: &str, defaults: &Defaults) -> Result<Opened, ThreadError> {
    let mut restored = restored(&found.path, Some(defaults))?;
    let mut lines = Vec::new();
    restored.end_interrupted_task(why, &timestamp(now()), &mut lines);
    if !lines.is_empty() {
        journal.append(&lines).map_err(ThreadError::io("cannot write", &found.path))?;
    }
    Ok(Opened { journal: Box::new(journal), restored, summary: summary(found)? })
}

fn restored(path: &Path, defaults: Option<&Defaults>) -> Result<Restored, ThreadError> {
    let mut reader = Reader::new(defaults);
    read_into(&mut reader, path)?;
    reader.finish().ok_or_else(|| not_a_thread(path))
}

fn summary(found: &Found) -> Result<ThreadSummary, ThreadError> {
    Head::read(&found.path).summary(&found.path, found.archived).ok_or_else(|| not_a_thread(&found.path))
}

fn not_a_thread(path: &Path) -> ThreadError {
    ThreadError::Corrupt { path: path.to_owned(), why: "no line says what thread it is".into() }
}

/// Moves a journal and what lies beside it; the journal last, so that it never lacks what it needs where it is found.
fn relocate(from: &Path, to: &Path) -> Result<(), ThreadError> {
    let cannot_move = || ThreadError::io("cannot move", from);
    if let Some(directory) = to.parent() {
        make_directory(directory).map_err(cannot_move())?;
    }
    gone(fs::rename(blob_directory(from), blob_directory(to))).map_err(cannot_move())?;
    gone(fs::rename(name_file(from), name_file(to))).map_err(cannot_move())?;
    fs::rename(from, to).map_err(cannot_move())
}

/// That something was not there is as good.
fn gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// When an id of version 7 was made, since the beginning of 1970.
pub(super) fn started(id: &SessionId) -> Option<Duration> {
    let (seconds, nanos) = uuid::Uuid::parse_str(id.as_str()).ok()?.get_timestamp()?.to_unix();
    Some(Duration::new(seconds, nanos))
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
