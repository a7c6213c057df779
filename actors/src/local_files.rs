//! The user's files on this machine.

use crate::auth::holds_credentials;
use llmx_protocol::local_files::LocalFiles;
use rustix::fs::{Mode, OFlags};
use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read},
    os::{fd::AsRawFd, unix::ffi::OsStringExt},
    path::{Path, PathBuf},
};

/// The file system. Only regular files are read: a pipe or a device in their place would never end.
#[derive(Clone, Copy, Debug)]
pub struct FileSystem;

impl LocalFiles for FileSystem {
    fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, String> {
        read_beginning(path, limit).map_err(|error| error.to_string())
    }

    fn exists(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }
}

fn read_beginning(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    // Without waiting for the other end of a pipe.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() || is_of_the_kernel(&file)? {
        return Err(io::Error::other("it is not a regular file"));
    }
    if is_credentials(&file)? {
        return Err(io::Error::other("it holds credentials"));
    }
    let mut bytes = Vec::new();
    file.take(u64::try_from(limit).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A link that a command left may lead to what no command can read: `/proc/self/environ` is llmx's own, with its keys.
pub(crate) fn is_of_the_kernel(file: &File) -> io::Result<bool> {
    let kind = rustix::fs::fstatfs(file)?.f_type;
    Ok([libc::PROC_SUPER_MAGIC, libc::SYSFS_MAGIC].contains(&kind))
}

/// Where an open file is, whatever links led to it.
pub(crate) fn real_path(file: &File) -> io::Result<PathBuf> {
    let path = rustix::fs::readlink(format!("/proc/self/fd/{}", file.as_raw_fd()), Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(path.into_bytes())))
}

/// Or to what llmx is logged in with, here or in another home: no instructions have such a name.
fn is_credentials(file: &File) -> io::Result<bool> {
    Ok(real_path(file)?.file_name().is_some_and(holds_credentials))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_regular_file_is_read_and_of_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let (file, pipe) = (directory.path().join("f"), directory.path().join("p"));
        std::fs::write(&file, "12345").unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        for (limit, expected) in [(0, ""), (3, "123"), (9, "12345")] {
            assert_eq!(FileSystem.read(&file, limit).unwrap(), expected.as_bytes());
        }
        for path in [&pipe, directory.path(), &directory.path().join("absent")] {
            assert!(FileSystem.read(path, 9).is_err(), "{}", path.display());
        }
        for (link, to) in [("l", "f"), ("environment", "/proc/self/environ"), ("credentials", ".auth.json.1")] {
            std::fs::write(directory.path().join(".auth.json.1"), "hunter2").unwrap();
            std::os::unix::fs::symlink(to, directory.path().join(link)).unwrap();
            let read = FileSystem.read(&directory.path().join(link), 9);
            assert_eq!(read.ok().as_deref(), (link == "l").then_some(&b"12345"[..]), "{link}");
        }
        assert!(FileSystem.exists(&file) && !FileSystem.exists(&directory.path().join("absent")));
    }
}
