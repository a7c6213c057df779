//! What the user typed, over all sessions: `$LLMX_HOME/history.jsonl`, one `{"session_id", "ts", "text"}` a line (reference
//! `config-and-storage.md` §7). Everything here blocks.

use llmx_protocol::{ids::SessionId, wire::event::HistoryEntry};
use rustix::fs::{FlockOperation, flock};
use serde::Deserialize;
use serde_json::json;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How often the lock is tried for.
const TRIES: u32 = 10;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// The history of one home directory.
#[derive(Debug)]
pub struct MessageHistory {
    path: PathBuf,
    keeps: bool,
}

#[derive(Deserialize)]
struct Line {
    /// Older files say `conversation_id`.
    #[serde(alias = "conversation_id")]
    session_id: SessionId,
    ts: u64,
    text: String,
}

impl MessageHistory {
    /// In this home; one that does not keep anything can still be read.
    #[must_use]
    pub fn new(home: &Path, keeps: bool) -> Self {
        Self { path: home.join("history.jsonl"), keeps }
    }

    /// Adds a line, in one write under a lock.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::WouldBlock`] if somebody keeps the lock for a second.
    pub fn add(&self, session: &SessionId, text: &str) -> io::Result<()> {
        if !self.keeps {
            return Ok(());
        }
        if let Some(home) = self.path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(home)?;
        }
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        lock(&file)?;
        let ts = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        file.write_all(format!("{}\n", json!({"session_id": session, "ts": ts, "text": text})).as_bytes())
    }

    /// What tells this log from another, and how many lines it has.
    #[must_use]
    pub fn extent(&self) -> (u64, usize) {
        let Ok(file) = File::open(&self.path) else {
            return (0, 0);
        };
        let id = file.metadata().map_or(0, |file| file.ino());
        let mut lines = 0;
        let mut from = BufReader::new(file);
        while let Ok(chunk) = from.fill_buf()
            && !chunk.is_empty()
        {
            lines += memchr::memchr_iter(b'\n', chunk).count();
            let read = chunk.len();
            from.consume(read);
        }
        (id, lines)
    }

    /// A line, counted from 0; `None` if it is not there or the log is another one by now.
    #[must_use]
    pub fn entry(&self, log_id: u64, offset: usize) -> Option<HistoryEntry> {
        let file = File::open(&self.path).ok()?;
        if file.metadata().ok()?.ino() != log_id {
            return None;
        }
        let line = BufReader::new(file).split(b'\n').nth(offset)?.ok()?;
        let Line { session_id, ts, text } = serde_json::from_slice(&line).ok()?;
        Some(HistoryEntry { conversation_id: session_id, ts, text })
    }
}

fn lock(file: &File) -> io::Result<()> {
    for _ in 0..TRIES {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => sleep(PAUSE),
            other => return other.map_err(io::Error::from),
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_found_again_by_its_place() {
        let home = tempfile::tempdir().unwrap();
        let history = MessageHistory::new(&home.path().join("new"), true);
        assert_eq!(history.extent(), (0, 0));
        history.add(&"s1".into(), "one\nline").unwrap();
        history.add(&"s2".into(), "two").unwrap();
        let (log, count) = history.extent();
        assert_eq!(count, 2);
        let found =
            |log, offset| history.entry(log, offset).map(|entry| (entry.conversation_id.to_string(), entry.text));
        assert_eq!(found(log, 0), Some(("s1".into(), "one\nline".into())));
        assert_eq!(found(log, 1), Some(("s2".into(), "two".into())));
        assert_eq!((found(log, 2), found(log + 1, 0)), (None, None));
        let mode = fs::metadata(home.path().join("new/history.jsonl")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_history_that_is_turned_off_writes_nothing() {
        let home = tempfile::tempdir().unwrap();
        MessageHistory::new(home.path(), false).add(&"s".into(), "secret").unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
