//! What is to be done to the files, written down before it is: what a death in the middle is recovered from.
//!
//! A journal is a file in llmx's home, where no confined command can write. Whoever works on it, engine or helper, holds
//! a shared lock on it (`flock(2)`), which the kernel takes away with their lives; whoever gets an exclusive one knows
//! that nobody does.

use super::slot::Slot;
use crate::executor::Limits;
use llmx_protocol::patch::{ChangeKind, Plan};
use llmx_protocol::wire::policy::SandboxPolicy;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Below llmx's home.
const DIRECTORY: &str = "patches";

/// Journals that are whole.
const WHOLE: &str = "json";

/// Journals that are being written: nothing was done for them yet.
const PARTIAL: &str = "partial";

/// Between two looks at a lock that somebody has: a lock cannot be waited for with a deadline.
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// What a journal says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// In the names of the files beside the targets.
    pub(super) id: String,
    /// Under which policy; none: without a sandbox.
    pub(super) limits: Option<RecordedLimits>,
    /// Directories that are missing, the outer before the inner.
    pub(super) directories: Vec<PathBuf>,
    /// The files.
    pub(super) slots: Vec<Slot>,
    /// What is said when all is done.
    pub(super) summary: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RecordedLimits {
    policy: SandboxPolicy,
    session_cwd: PathBuf,
}

/// A journal that this process works on.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) path: PathBuf,
    /// Its lock says that somebody lives who will see to it.
    _lock: File,
}

impl Record {
    /// What a plan comes to, name by name.
    fn of(plan: &Plan, limits: Option<&Limits>) -> Self {
        let slots: Vec<Slot> = plan.changes().iter().flat_map(|change| slots(&change.path, &change.kind)).collect();
        Self {
            id: uuid::Uuid::now_v7().simple().to_string(),
            limits: limits.map(|limits| RecordedLimits {
                policy: limits.policy.clone(),
                session_cwd: limits.session_cwd.clone(),
            }),
            directories: missing_directories(&slots),
            slots,
            summary: plan.summary(),
        }
    }

    pub(super) fn limits(&self) -> Option<Limits> {
        let RecordedLimits { policy, session_cwd } = self.limits.as_ref()?;
        Some(Limits { policy: policy.clone(), session_cwd: session_cwd.clone() })
    }
}

fn slots(path: &Path, kind: &ChangeKind) -> Vec<Slot> {
    let slot = |path: &Path, old: Option<&String>, new: Option<&String>, like: Option<&Path>| Slot {
        path: path.to_owned(),
        old: old.cloned(),
        new: new.cloned(),
        like: like.map(Path::to_owned),
    };
    match kind {
        ChangeKind::Add { content } => vec![slot(path, None, Some(content), None)],
        ChangeKind::Delete { original } => vec![slot(path, Some(original), None, None)],
        ChangeKind::Update { original, content, move_to: None } => {
            vec![slot(path, Some(original), Some(content), Some(path))]
        }
        ChangeKind::Update { original, content, move_to: Some(target) } => {
            vec![slot(target, None, Some(content), Some(path)), slot(path, Some(original), None, None)]
        }
    }
}

fn missing_directories(slots: &[Slot]) -> Vec<PathBuf> {
    let mut missing = BTreeSet::new();
    for slot in slots.iter().filter(|slot| slot.new.is_some()) {
        let is_missing = |path: &&Path| fs::symlink_metadata(path).is_err();
        missing.extend(slot.path.ancestors().skip(1).take_while(is_missing).map(Path::to_owned));
    }
    // By component, so an outer one comes before what is in it.
    missing.into_iter().collect()
}

impl Journal {
    /// Writes one. When this returns it is on the disk.
    pub(super) fn write(home: &Path, plan: &Plan, limits: Option<&Limits>) -> io::Result<Self> {
        let record = Record::of(plan, limits);
        let directory = home.join(DIRECTORY);
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let partial = directory.join(&record.id).with_extension(PARTIAL);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        flock(&file, FlockOperation::NonBlockingLockShared)?;
        let path = partial.with_extension(WHOLE);
        let written = file
            .write_all(&serde_json::to_vec(&record)?)
            .and_then(|()| file.sync_data())
            .and_then(|()| fs::rename(&partial, &path));
        match written {
            Ok(()) => Ok(Self { path, _lock: file }),
            Err(error) => {
                let _ = fs::remove_file(&partial);
                Err(error)
            }
        }
    }

    /// The journals of those who died over them, with what they say; what cannot be read is left alone. `patience`: how
    /// long to wait for whoever works on one, who may be about to die.
    pub(super) fn abandoned(home: &Path, patience: Duration) -> Vec<(Self, Record)> {
        let Ok(entries) = fs::read_dir(home.join(DIRECTORY)) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        // Their names begin with the time: the last one is undone first.
        paths.sort_by(|a, b| b.cmp(a));
        let deadline = Instant::now() + patience;
        paths.iter().filter_map(|path| Self::take_over(path, deadline)).collect()
    }

    fn take_over(path: &Path, deadline: Instant) -> Option<(Self, Record)> {
        let lock = File::open(path).ok()?;
        while flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            if Instant::now() >= deadline {
                return None;
            }
            thread::sleep(BETWEEN_LOOKS);
        }
        if path.extension()? == PARTIAL {
            let _ = fs::remove_file(path);
            return None;
        }
        let record = serde_json::from_slice(&fs::read(path).ok()?);
        // The helper will want to share it. Should another engine be quicker meanwhile, it is that one's.
        flock(&lock, FlockOperation::NonBlockingLockShared).ok()?;
        match record {
            Ok(record) => Some((Self { path: path.to_owned(), _lock: lock }, record)),
            Err(error) => {
                tracing::error!(journal = %path.display(), %error, "cannot read the journal of a patch");
                None
            }
        }
    }

    /// All is said and done.
    pub(super) fn remove(self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::error!(journal = %self.path.display(), %error, "cannot remove the journal of a patch");
        }
    }
}
