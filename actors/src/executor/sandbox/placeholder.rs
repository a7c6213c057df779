//! Reserves names that do not exist, such as the `.git` of a directory that is no repository yet.
//!
//! A placeholder is an empty directory that the command sees read-only. git takes an empty `.git` for none, so a
//! repository further up is still found. Several sandboxes may share one: each holds a shared lock on it, and the last
//! one to leave takes it away. A helper that was killed leaves one behind; its mode tells it from a user's directory,
//! and the next sandbox in the same place takes it away.

use super::step::Step;
use crate::executor::process::NotStarted;
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, Stat, chmodat, flock, fstat, mkdir, open, rmdir};
use rustix::io::Errno;
use std::path::{Path, PathBuf};

/// `drwxr-xr-t`: nobody else makes such a directory, and everybody may lock it.
const MODE: u32 = 0o1755;

/// What the user's own `git init` leaves behind when it moved into a placeholder.
const ADOPTED_MODE: u32 = 0o755;

/// How often a placeholder may vanish between two looks before this is given up.
const MOST_TRIES: usize = 100;

/// The placeholders of one sandbox. Dropping them takes away those that nobody else uses.
#[derive(Debug, Default)]
pub(crate) struct Placeholders(Vec<Placeholder>);

#[derive(Debug)]
struct Placeholder {
    path: PathBuf,
    lock: OwnedFd,
}

impl Placeholders {
    /// Reserves each of `missing`. What another sandbox reserved is shared, what someone else created is left alone.
    pub(super) fn reserve(missing: &[PathBuf]) -> Result<Self, NotStarted> {
        let mut placeholders = Self::default();
        for path in missing {
            placeholders.0.extend(reserve(path).step(format!("reserve {}", path.display()))?);
        }
        Ok(placeholders)
    }
}

impl Drop for Placeholders {
    fn drop(&mut self) {
        for Placeholder { path, lock } in &self.0 {
            if flock(lock, FlockOperation::NonBlockingLockExclusive).is_err() {
                continue; // another sandbox needs it
            }
            if rmdir(path) == Err(Errno::NOTEMPTY) {
                let _ = chmodat(rustix::fs::CWD, path, Mode::from_raw_mode(ADOPTED_MODE), rustix::fs::AtFlags::empty());
            }
        }
    }
}

/// `None` where there is nothing to reserve: the user cannot create the name, so neither can the command.
fn reserve(path: &Path) -> rustix::io::Result<Option<Placeholder>> {
    for _ in 0..MOST_TRIES {
        match mkdir(path, Mode::from_raw_mode(MODE)) {
            Ok(()) => chmodat(rustix::fs::CWD, path, Mode::from_raw_mode(MODE), rustix::fs::AtFlags::empty())?,
            Err(Errno::EXIST) => {}
            Err(Errno::ROFS) => return Ok(None),
            Err(Errno::ACCESS | Errno::PERM) if !is_own_parent(path) => return Ok(None),
            Err(error) => return Err(error),
        }
        match lock(path) {
            Ok(Some(lock)) => return Ok(Some(Placeholder { path: path.to_owned(), lock })),
            Ok(None) => return Ok(None),
            Err(Errno::NOENT) => {} // its last user just took it away
            Err(error) => return Err(error),
        }
    }
    Err(Errno::AGAIN)
}

/// The owner of a directory may make it writable.
fn is_own_parent(path: &Path) -> bool {
    let parent = path.parent().and_then(|parent| rustix::fs::stat(parent).ok());
    parent.is_some_and(|parent| parent.st_uid == rustix::process::geteuid().as_raw())
}

/// `None` for what is no placeholder.
fn lock(path: &Path) -> rustix::io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match open(path, flags, Mode::empty()) {
        Err(Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => return Ok(None),
        other => other?,
    };
    if !is_placeholder(&fstat(&directory)?) {
        return Ok(None);
    }
    flock(&directory, FlockOperation::LockShared)?;
    // Between opening and locking it may have been taken away, and made anew by someone else.
    let (locked, named) = (fstat(&directory)?, rustix::fs::stat(path)?);
    if (locked.st_dev, locked.st_ino) != (named.st_dev, named.st_ino) {
        return Err(Errno::NOENT);
    }
    Ok(Some(directory))
}

/// Whether a sandbox made what is there.
pub(super) fn is_placeholder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory && stat.st_mode & 0o7777 == MODE
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_last_sandbox_takes_the_placeholder_away() {
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().join(".git");
        let first = Placeholders::reserve(std::slice::from_ref(&name)).unwrap();
        let second = Placeholders::reserve(std::slice::from_ref(&name)).unwrap();
        drop(first);
        assert!(name.is_dir());
        drop(second);
        assert!(!name.exists());
    }

    #[test]
    fn what_the_user_made_of_it_stays() {
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().join(".git");
        let placeholders = Placeholders::reserve(std::slice::from_ref(&name)).unwrap();
        fs::write(name.join("HEAD"), "ref: refs/heads/main").unwrap();
        drop(placeholders);
        assert!(name.join("HEAD").exists());
        assert!(!is_placeholder(&rustix::fs::stat(&name).unwrap()));
    }

    #[test]
    fn a_directory_of_the_user_is_never_taken_for_a_placeholder() {
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().join(".git");
        fs::create_dir(&name).unwrap();
        drop(Placeholders::reserve(std::slice::from_ref(&name)).unwrap());
        assert!(name.is_dir());
    }
}
