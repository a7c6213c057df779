//! One writer a journal: an advisory lock on the file itself. The kernel takes it back when the process dies, so none is
//! ever left over.

use crate::threads::Lease;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
};

/// The lock; held as long as the file is open.
#[derive(Debug)]
pub(super) struct FileLease;

impl FileLease {
    /// Takes the lock without waiting; `Ok(Err(holder))` if somebody has it.
    pub(super) fn take(file: &File) -> io::Result<Result<Self, String>> {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Ok(Self)),
            Err(Errno::WOULDBLOCK) => Ok(Err(holder(file))),
            Err(error) => Err(error.into()),
        }
    }
}

impl Lease for FileLease {
    /// Nobody can take it from a process that lives.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Who has the lock on this file, as far as the system says.
fn holder(file: &File) -> String {
    let pid = file.metadata().ok().and_then(|file| {
        let locks = fs::read_to_string("/proc/locks").ok()?;
        locks.lines().find_map(|line| holder_in(line, file.ino()))
    });
    match pid {
        Some(pid) if pid == std::process::id() => format!("this process ({pid})"),
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}

/// `1: FLOCK  ADVISORY  WRITE 4711 08:02:1234 0 EOF`: number, kind, mode, access, process, device and inode, range. Lines with
/// `->` are of those who wait.
fn holder_in(line: &str, inode: u64) -> Option<u32> {
    let [_, "FLOCK", _, "WRITE", pid, file, ..] = line.split_whitespace().collect::<Vec<_>>()[..] else {
        return None;
    };
    let of_file: u64 = file.rsplit(':').next()?.parse().ok()?;
    (of_file == inode).then(|| pid.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_is_told_who_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        let first = File::create(&path).unwrap();
        let _held = FileLease::take(&first).unwrap().unwrap();
        let second = File::open(&path).unwrap();
        let me = format!("this process ({})", std::process::id());
        assert_eq!(FileLease::take(&second).unwrap().unwrap_err(), me);
        drop(first);
        assert!(FileLease::take(&second).unwrap().is_ok());
    }

    #[test]
    fn the_holder_is_read_from_the_systems_list() {
        let line = "1: FLOCK  ADVISORY  WRITE 4711 08:02:1234 0 EOF";
        assert_eq!(holder_in(line, 1234), Some(4711));
        assert_eq!(holder_in(line, 1235), None);
        assert_eq!(holder_in("1: -> FLOCK  ADVISORY  WRITE 4711 08:02:1234 0 EOF", 1234), None);
        assert_eq!(holder_in("1: POSIX  ADVISORY  WRITE 4711 08:02:1234 0 EOF", 1234), None);
    }
}
