//! The user's files on this machine.

use llmx_protocol::local_files::LocalFiles;
use rustix::fs::{Mode, OFlags};
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
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
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(u64::try_from(limit).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    Ok(bytes)
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
        assert!(FileSystem.exists(&file) && !FileSystem.exists(&directory.path().join("absent")));
    }
}
