//! Reserves names that do not exist, such as the `.git` of a directory that is no repository yet.
//!
//! A placeholder is an empty directory that the command sees read-only. git takes an empty `.git` for none, so a
//! repository further up is still found. Several sandboxes may share one: each holds a shared lock on it, and the last
//! one to leave takes it away. A helper that was killed leaves one behind; its mode tells it from a user's directory,
//! and the next sandbox in the same place takes it away.
//!
//! To remove a directory costs 4 ms where the file system discards freed blocks at once (ext4 with `discard` and no
//! journal), and there may be six of them to a command. So the engine keeps those that were used in a directory
//! of llmx's home, and they are moved instead of made and removed wherever both are on one file system.

use super::step::Step;
use crate::executor::process::NotStarted;
use rustix::fd::OwnedFd;
use rustix::fs::{
    CWD, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, Stat, chmodat, flock, fstat, mkdir, open,
    renameat_with, rmdir,
};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `drwxr-xr-t`: nobody else makes such a directory, and everybody may lock it.
const MODE: u32 = 0o1755;

/// What the user's own `git init` leaves behind when it moved into a placeholder.
const ADOPTED_MODE: u32 = 0o755;

/// How often a placeholder may vanish between two looks, or be in the hands of its last user, before this is given up.
const MOST_TRIES: usize = 100;

/// Who leaves a placeholder has an exclusive lock on it for some milliseconds. Anybody who can read it can lock it for
/// as long as he likes; a start that waits for him would never end.
const WHILE_IT_IS_TAKEN_AWAY: Duration = Duration::from_millis(10);

/// How many placeholders may wait to be used again.
const MOST_SPARE: usize = 16;

/// The placeholders of one sandbox. Dropping them takes away those that nobody else uses.
#[derive(Debug)]
pub(crate) struct Placeholders {
    reserved: Vec<Placeholder>,
    spare: Spare,
}

/// Where placeholders wait to be used again: a directory that only llmx writes. `None`: they do not.
#[derive(Debug)]
pub(super) struct Spare(Option<PathBuf>);

#[derive(Debug)]
struct Placeholder {
    path: PathBuf,
    lock: OwnedFd,
}

impl Placeholders {
    /// Reserves each of `missing`. What another sandbox reserved is shared, what someone else created is left alone.
    pub(super) fn reserve(missing: &[PathBuf], spare: Spare) -> Result<Self, NotStarted> {
        let mut placeholders = Self { reserved: Vec::new(), spare };
        for path in missing {
            let reserved = reserve(path, &placeholders.spare).step(format!("reserve {}", path.display()))?;
            placeholders.reserved.extend(reserved);
        }
        Ok(placeholders)
    }
}

impl Drop for Placeholders {
    fn drop(&mut self) {
        for Placeholder { path, lock } in &self.reserved {
            if flock(lock, FlockOperation::NonBlockingLockExclusive).is_err() {
                continue; // another sandbox needs it
            }
            if is_empty(lock) && self.spare.keep(path, lock) {
                continue;
            }
            if rmdir(path) == Err(Errno::NOTEMPTY) {
                let _ = chmodat(CWD, path, Mode::from_raw_mode(ADOPTED_MODE), rustix::fs::AtFlags::empty());
            }
        }
    }
}

impl Spare {
    /// In this directory, which is made where its parent is there.
    pub(super) fn of(directory: Option<PathBuf>) -> Self {
        Self(directory.filter(|path| matches!(mkdir(path, Mode::from_raw_mode(0o700)), Ok(()) | Err(Errno::EXIST))))
    }

    fn places(&self) -> impl Iterator<Item = PathBuf> {
        self.0.iter().flat_map(|directory| (0..MOST_SPARE).map(|n| directory.join(n.to_string())))
    }

    /// Moves one to where it is needed.
    fn put(&self, path: &Path) -> rustix::io::Result<()> {
        let there = |place: &PathBuf| rustix::fs::lstat(place).is_ok_and(|stat| is_placeholder(&stat));
        self.places()
            .filter(there)
            .map(|place| move_to(&place, path))
            .find(|moved| *moved != Err(Errno::NOENT))
            .unwrap_or(Err(Errno::NOENT))
    }

    /// Moves one back. False if it has to be removed, or has become somebody's.
    fn keep(&self, path: &Path, placeholder: &OwnedFd) -> bool {
        let moved = |place: &PathBuf| (move_to(path, place), place.clone());
        let Some((Ok(()), place)) = self.places().map(|p| moved(&p)).find(|(moved, _)| *moved != Err(Errno::EXIST))
        else {
            return false;
        };
        // Someone may have put something into it in this moment.
        is_empty(placeholder) || move_to(&place, path).is_err()
    }
}

/// Nothing is replaced.
fn move_to(from: &Path, to: &Path) -> rustix::io::Result<()> {
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
}

fn is_empty(directory: &OwnedFd) -> bool {
    let Ok(mut entries) = Dir::read_from(directory) else {
        return false;
    };
    entries.all(|entry| entry.is_ok_and(|entry| matches!(entry.file_name().to_bytes(), b"." | b"..")))
}

/// `None` where there is nothing to reserve: the user cannot create the name, so neither can the command.
fn reserve(path: &Path, spare: &Spare) -> rustix::io::Result<Option<Placeholder>> {
    for _ in 0..MOST_TRIES {
        match spare.put(path).or_else(|_| make(path)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(Errno::ROFS) => return Ok(None),
            Err(Errno::ACCESS | Errno::PERM) if !is_own_parent(path) => return Ok(None),
            Err(error) => return Err(error),
        }
        match lock(path) {
            Ok(Some(lock)) => return Ok(Some(Placeholder { path: path.to_owned(), lock })),
            Ok(None) => return Ok(None),
            Err(Errno::NOENT) => {} // its last user just took it away
            Err(Errno::WOULDBLOCK) => std::thread::sleep(WHILE_IT_IS_TAKEN_AWAY), // or is about to
            Err(error) => return Err(error),
        }
    }
    Err(Errno::AGAIN)
}

fn make(path: &Path) -> rustix::io::Result<()> {
    mkdir(path, Mode::from_raw_mode(MODE))?;
    chmodat(CWD, path, Mode::from_raw_mode(MODE), rustix::fs::AtFlags::empty())
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
    flock(&directory, FlockOperation::NonBlockingLockShared)?;
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

    fn reserve_one(name: &PathBuf) -> Result<Placeholders, NotStarted> {
        Placeholders::reserve(std::slice::from_ref(name), Spare(None))
    }

    #[test]
    fn a_placeholder_is_moved_to_and_fro() {
        let (home, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let name = directory.path().join(".git");
        let spare = || Spare::of(Some(home.path().join("placeholders")));
        let inode = || std::os::unix::fs::MetadataExt::ino(&fs::metadata(&name).unwrap());
        let first = Placeholders::reserve(std::slice::from_ref(&name), spare()).unwrap();
        let made = inode();
        drop(first);
        assert!(!name.exists());
        assert!(home.path().join("placeholders/0").is_dir());
        let second = Placeholders::reserve(std::slice::from_ref(&name), spare()).unwrap();
        assert_eq!(inode(), made);
        assert!(!home.path().join("placeholders/0").exists());
        fs::write(name.join("HEAD"), "mine").unwrap();
        drop(second);
        assert!(name.join("HEAD").exists(), "what is somebody's stays");
        let third = Placeholders::reserve(std::slice::from_ref(&name), spare()).unwrap();
        drop(third);
        assert!(name.join("HEAD").exists(), "and is no placeholder any more");
    }

    #[test]
    fn the_last_sandbox_takes_the_placeholder_away() {
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().join(".git");
        let first = reserve_one(&name).unwrap();
        let second = reserve_one(&name).unwrap();
        drop(first);
        assert!(name.is_dir());
        drop(second);
        assert!(!name.exists());
    }

    #[test]
    fn what_the_user_made_of_it_stays() {
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().join(".git");
        let placeholders = reserve_one(&name).unwrap();
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
        drop(reserve_one(&name).unwrap());
        assert!(name.is_dir());
    }
}
