//! Reserves names that do not exist, such as the `.git` of a directory that is no repository yet.
//!
//! A placeholder is an empty directory that the command sees read-only. git takes an empty `.git` for none, so a
//! repository further up is still found. Several sandboxes may share one: each holds a shared lock on it, and the last
//! one to leave takes it away. A helper that was killed leaves one behind; its mode tells it from a user's directory,
//! and the next sandbox in the same place takes it away.
//!
//! To remove a directory costs 4 ms where the file system discards freed blocks at once (ext4 with `discard` and no
//! journal), and there may be six of them to a command. So the engine keeps those that were used in a directory
//! of llmx's home, and they are moved instead of made and removed wherever both are on one file system. Each goes back
//! only to the name that it came from: a command of another session, whose roots enclose that name, may hold the
//! directory open or have put another one in its place, and must not get into a repository elsewhere by that.

use super::step::Step;
use crate::executor::process::NotStarted;
use rustix::fd::OwnedFd;
use rustix::fs::{
    CWD, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, Stat, fchmod, flock, fstat, mkdir, open,
    renameat_with, rmdir,
};
use rustix::io::Errno;
use std::hash::{DefaultHasher, Hash, Hasher};
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
const MOST_SPARE: usize = 64;

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
                let _ = fchmod(lock, Mode::from_raw_mode(ADOPTED_MODE));
            }
        }
    }
}

impl Spare {
    /// In this directory, which is made where its parent is there.
    pub(super) fn of(directory: Option<PathBuf>) -> Self {
        Self(directory.filter(|path| matches!(mkdir(path, Mode::from_raw_mode(0o700)), Ok(()) | Err(Errno::EXIST))))
    }

    /// Where the placeholder of a name waits.
    fn place_of(&self, path: &Path) -> Option<PathBuf> {
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        Some(self.0.as_ref()?.join(format!("{:016x}", hasher.finish())))
    }

    /// Moves it to where it is needed.
    fn put(&self, path: &Path) -> rustix::io::Result<()> {
        let place = self.place_of(path).ok_or(Errno::NOENT)?;
        let waiting = open_directory(&place)?;
        if !is_placeholder(&fstat(&waiting)?) || !is_empty(&waiting) {
            return Err(Errno::NOENT);
        }
        move_to(&place, path)
    }

    /// Moves it back. False if it has to be removed, or has become somebody's.
    fn keep(&self, path: &Path, placeholder: &OwnedFd) -> bool {
        let Some(place) = self.place_of(path) else { return false };
        self.make_room();
        if move_to(path, &place).is_err() {
            return false;
        }
        // Someone may have put something into it in this moment, or another in its place.
        is_empty(placeholder) && is_named(placeholder, &place) || move_to(&place, path).is_err()
    }

    /// Takes some of the others away if there are too many.
    fn make_room(&self) {
        let entries = self.0.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten().flatten();
        for entry in entries.skip(MOST_SPARE - 1) {
            let _ = rmdir(entry.path());
        }
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
    fchmod(open_directory(path)?, Mode::from_raw_mode(MODE))
}

/// The owner of a directory may make it writable.
fn is_own_parent(path: &Path) -> bool {
    let parent = path.parent().and_then(|parent| rustix::fs::stat(parent).ok());
    parent.is_some_and(|parent| parent.st_uid == rustix::process::geteuid().as_raw())
}

/// `None` for what is no placeholder.
fn lock(path: &Path) -> rustix::io::Result<Option<OwnedFd>> {
    let directory = match open_directory(path) {
        Err(Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => return Ok(None),
        other => other?,
    };
    if !is_placeholder(&fstat(&directory)?) {
        return Ok(None);
    }
    flock(&directory, FlockOperation::NonBlockingLockShared)?;
    // Between opening and locking it may have been taken away, and made anew by someone else.
    if is_named(&directory, path) { Ok(Some(directory)) } else { Err(Errno::NOENT) }
}

/// Itself, and nothing that a link leads to.
fn open_directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn is_named(directory: &OwnedFd, path: &Path) -> bool {
    let (Ok(one), Ok(named)) = (fstat(directory), rustix::fs::lstat(path)) else { return false };
    (one.st_dev, one.st_ino) == (named.st_dev, named.st_ino)
}

/// Whether a sandbox made what is there.
pub(super) fn is_placeholder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory && stat.st_mode & 0o7777 == MODE
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn reserve_one(name: &PathBuf) -> Result<Placeholders, NotStarted> {
        Placeholders::reserve(std::slice::from_ref(name), Spare(None))
    }

    #[test]
    fn a_placeholder_is_moved_to_and_fro() {
        let (home, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let name = directory.path().join(".git");
        let spare = || Spare::of(Some(home.path().join("placeholders")));
        let inode = || fs::metadata(&name).unwrap().ino();
        let first = Placeholders::reserve(std::slice::from_ref(&name), spare()).unwrap();
        let made = inode();
        drop(first);
        assert!(!name.exists());
        assert_eq!(fs::read_dir(home.path().join("placeholders")).unwrap().count(), 1);
        let second = Placeholders::reserve(std::slice::from_ref(&name), spare()).unwrap();
        assert_eq!(inode(), made);
        assert_eq!(fs::read_dir(home.path().join("placeholders")).unwrap().count(), 0);
        fs::write(name.join("HEAD"), "mine").unwrap();
        drop(second);
        assert!(name.join("HEAD").exists(), "what is somebody's stays");
        let third = Placeholders::reserve(std::slice::from_ref(&name), spare()).unwrap();
        drop(third);
        assert!(name.join("HEAD").exists(), "and is no placeholder any more");
    }

    /// A command of another session, whose root encloses this one, can do anything at the name.
    #[test]
    fn what_somebody_did_to_a_placeholder_gets_into_no_other_directory() {
        let replaced = |name: &PathBuf| {
            fs::rename(name, name.with_extension("old")).unwrap();
            fs::create_dir(name).unwrap();
            fs::write(name.join("config"), "evil").unwrap();
            fs::set_permissions(name, fs::Permissions::from_mode(MODE)).unwrap();
        };
        let linked = |name: &PathBuf| {
            fs::rename(name, name.with_extension("old")).unwrap();
            std::os::unix::fs::symlink("/etc", name).unwrap();
        };
        let attacks: [&dyn Fn(&PathBuf); 3] = [&replaced, &linked, &|_| {}];
        for attack in attacks {
            let (home, attacked, other) =
                (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let spare = || Spare::of(Some(home.path().join("placeholders")));
            let name = attacked.path().join(".git");
            let placeholders = Placeholders::reserve(std::slice::from_ref(&name), spare()).unwrap();
            let held = fs::metadata(&name).unwrap().ino();
            attack(&name);
            drop(placeholders);
            for waiting in fs::read_dir(home.path().join("placeholders")).unwrap() {
                fs::write(waiting.unwrap().path().join("through-an-open-directory"), "evil").unwrap();
            }
            let name = other.path().join(".git");
            let placeholders = Placeholders::reserve(std::slice::from_ref(&name), spare()).unwrap();
            assert_eq!(fs::read_dir(&name).unwrap().count(), 0);
            assert_ne!(fs::metadata(&name).unwrap().ino(), held);
            drop(placeholders);
            let name = attacked.path().join(".git");
            if !name.exists() {
                drop(Placeholders::reserve(std::slice::from_ref(&name), spare()).unwrap());
                assert!(!name.exists());
            }
        }
    }

    #[test]
    fn only_so_many_wait() {
        let (home, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let spare = || Spare::of(Some(home.path().join("placeholders")));
        let names: Vec<PathBuf> = (0..=2 * MOST_SPARE).map(|n| directory.path().join(n.to_string())).collect();
        for name in &names {
            drop(Placeholders::reserve(std::slice::from_ref(name), spare()).unwrap());
        }
        assert_eq!(fs::read_dir(home.path().join("placeholders")).unwrap().count(), MOST_SPARE);
        assert!(fs::read_dir(directory.path()).unwrap().next().is_none());
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
