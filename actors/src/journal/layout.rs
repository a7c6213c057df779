//! Where a thread's files are, and what their names say.

use llmx_protocol::{
    ids::SessionId,
    journal::{parse_timestamp, timestamp},
};
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    time::Duration,
};

/// The place of a thread in the order of all: when it began, then its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// `YYYY-MM-DDThh-mm-ss`; UTC where llmx wrote it.
    pub(super) time: String,
    /// The thread.
    pub(super) id: String,
}

const TIME: usize = "YYYY-MM-DDThh-mm-ss".len();

impl Key {
    /// Of a thread that begins.
    pub(super) fn new(id: &SessionId, started: Duration) -> Self {
        let mut time = timestamp(started).replace(':', "-");
        time.truncate(TIME);
        Self { time, id: id.as_str().to_owned() }
    }

    /// From the name of a journal.
    pub(super) fn of_file(name: &OsStr) -> Option<Self> {
        let stem = name.to_str()?.strip_prefix("rollout-")?.strip_suffix(".jsonl")?;
        let (time, id) = stem.split_at_checked(TIME)?;
        let key = Self { time: time.to_owned(), id: id.strip_prefix('-')?.to_owned() };
        key.started().filter(|_| !key.id.is_empty()).map(|_| key)
    }

    /// From a cursor.
    pub(super) fn of_cursor(cursor: &str) -> Option<Self> {
        let (time, id) = cursor.split_once('|')?;
        let key = Self { time: time.to_owned(), id: id.to_owned() };
        key.started().map(|_| key)
    }

    /// To go on behind this thread.
    pub(super) fn cursor(&self) -> String {
        format!("{}|{}", self.time, self.id)
    }

    /// When the thread began.
    pub(super) fn started(&self) -> Option<Duration> {
        let (date, time) = self.time.split_at_checked("YYYY-MM-DD".len())?;
        parse_timestamp(&format!("{date}{}Z", time.replace('-', ":")))
    }

    /// `YYYY-MM-DD`.
    pub(super) fn date(&self) -> &str {
        self.time.get(.."YYYY-MM-DD".len()).unwrap_or_default()
    }

    /// The name of the journal.
    pub(super) fn file_name(&self) -> String {
        format!("rollout-{}-{}.jsonl", self.time, self.id)
    }

    /// Below the directory of sessions.
    pub(super) fn path_in(&self, sessions: &Path) -> PathBuf {
        let mut path = sessions.to_owned();
        path.extend(self.date().split('-'));
        path.join(self.file_name())
    }
}

/// The file beside a journal that holds the thread's name.
pub(super) fn name_file(journal: &Path) -> PathBuf {
    journal.with_extension("name")
}

/// The directory beside a journal that holds its big values.
pub(super) fn blob_directory(journal: &Path) -> PathBuf {
    journal.with_extension("blobs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_when_and_who() {
        let key = Key::new(&"0190-ab".into(), Duration::from_millis(1_709_251_199_999));
        assert_eq!(key.file_name(), "rollout-2024-02-29T23-59-59-0190-ab.jsonl");
        assert_eq!(key.path_in(Path::new("/s")), Path::new("/s/2024/02/29/rollout-2024-02-29T23-59-59-0190-ab.jsonl"));
        assert_eq!(Key::of_file(key.file_name().as_ref()), Some(key.clone()));
        assert_eq!(Key::of_cursor(&key.cursor()), Some(key));
        for name in ["x", "rollout-.jsonl", "rollout-2024-02-29T23-59-59.jsonl", "rollout-2024-99-29T23-59-59-a.jsonl"]
        {
            assert_eq!(Key::of_file(name.as_ref()), None, "{name}");
        }
        assert_eq!(Key::of_cursor("2024|x"), None);
    }
}
