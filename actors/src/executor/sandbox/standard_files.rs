//! Standard input, output and error, opened anew within the sandbox.
//!
//! A descriptor that was open before leads to the file system as it is outside: from a directory everything in it can be
//! written, also what is read-only within, and a file that was opened for reading opens again for writing through
//! `/proc/self/fd`, or gets another mode. So each of them is replaced by the same file as it is seen within. What was
//! opened for writing stays as it is: whoever started llmx gave it away to be written.

use super::mounts::CONSOLE;
use super::step::{Step, refused};
use crate::executor::process::NotStarted;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    CWD, FileType, Mode, OFlags, ResolveFlags, SeekFrom, Stat, fcntl_getfl, fstat, openat2, readlink, seek,
};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use std::path::{Path, PathBuf};

/// Where the command's reading of standard input shows outside, for whoever reads on from there.
#[derive(Debug, Default)]
pub(super) struct StandardFiles {
    /// The file as it was, and as the command has it.
    positions: Vec<(OwnedFd, OwnedFd)>,
}

type Put = fn(&OwnedFd) -> rustix::io::Result<()>;

impl StandardFiles {
    /// Runs within, once the mounts are arranged.
    pub(super) fn reopen() -> Result<Self, NotStarted> {
        let mut files = Self::default();
        files.take("standard input", rustix::stdio::stdin(), |new| rustix::stdio::dup2_stdin(new))?;
        files.take("standard output", rustix::stdio::stdout(), |new| rustix::stdio::dup2_stdout(new))?;
        files.take("standard error", rustix::stdio::stderr(), |new| rustix::stdio::dup2_stderr(new))?;
        Ok(files)
    }

    fn take(&mut self, name: &str, file: BorrowedFd<'_>, put: Put) -> Result<(), NotStarted> {
        let Some(kind) = Kind::of(file).step(format!("look at {name}"))? else { return Ok(()) };
        let path = path_of(file).step(format!("find {name}"))?;
        match open_same(&path, file, kind) {
            Ok(new) => self.replace(file, &new, kind, put).step(format!("reopen {name}")),
            // A terminal that is not the first, a device in a directory of the user's: there is no such device within.
            Err(_) if kind == Kind::Device => Ok(()),
            Err(error) => Err(refused(format!("{name} ({}) is not there within the sandbox: {error}", path.display()))),
        }
    }

    fn replace(&mut self, file: BorrowedFd<'_>, new: &OwnedFd, kind: Kind, put: Put) -> rustix::io::Result<()> {
        if kind == Kind::ReadFile {
            seek(new, SeekFrom::Start(seek(file, SeekFrom::Current(0))?))?;
            self.positions.push((fcntl_dupfd_cloexec(file, 3)?, fcntl_dupfd_cloexec(new, 3)?));
        }
        put(new)
    }

    /// The command is over.
    pub(super) fn hand_back_positions(&self) {
        for (outside, within) in &self.positions {
            if let Ok(position) = seek(within, SeekFrom::Current(0)) {
                let _ = seek(outside, SeekFrom::Start(position));
            }
        }
    }
}

/// What leads outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    ReadFile,
    Device,
}

impl Kind {
    fn of(file: BorrowedFd<'_>) -> rustix::io::Result<Option<Self>> {
        let stat = fstat(file)?;
        let writes = fcntl_getfl(file)?.intersects(OFlags::WRONLY | OFlags::RDWR);
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Some(Self::Directory),
            // Nobody finds what has no name, and its content is the user's gift.
            FileType::RegularFile if !writes && stat.st_nlink > 0 => Some(Self::ReadFile),
            FileType::CharacterDevice => Some(Self::Device),
            _ => None,
        })
    }
}

fn path_of(file: BorrowedFd<'_>) -> rustix::io::Result<PathBuf> {
    use rustix::fd::AsRawFd;
    use std::os::unix::ffi::OsStringExt;
    let link = readlink(format!("/proc/self/fd/{}", file.as_raw_fd()), Vec::new())?;
    Ok(PathBuf::from(std::ffi::OsString::from_vec(link.into_bytes())))
}

fn open_same(path: &Path, file: BorrowedFd<'_>, kind: Kind) -> rustix::io::Result<OwnedFd> {
    let access = fcntl_getfl(file)? & (OFlags::RWMODE | OFlags::NONBLOCK | OFlags::APPEND);
    let open = |path: &Path| -> rustix::io::Result<OwnedFd> {
        let flags = access | OFlags::NOCTTY | OFlags::CLOEXEC;
        let new = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
        if is_same(&fstat(file)?, &fstat(new.as_fd())?) { Ok(new) } else { Err(Errno::STALE) }
    };
    match open(path) {
        Err(_) if kind == Kind::Device => open(Path::new(CONSOLE)),
        other => other,
    }
}

fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}
