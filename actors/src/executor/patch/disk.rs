//! The files that a patch is planned on: those of this machine.

use llmx_protocol::patch::{FileState, Files};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A patch of a larger file is refused: all of it is held in memory several times.
const LARGEST: u64 = 64 * 1024 * 1024;

/// The disk, with links followed where a patch may follow them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disk;

impl Files for Disk {
    fn read(&mut self, path: &Path) -> FileState {
        if path.to_str().is_none() {
            return FileState::Unreadable("its path is not UTF-8".into());
        }
        match fs::symlink_metadata(path) {
            Ok(meta) if meta.is_symlink() => FileState::Symlink(linked_file(path)),
            Ok(meta) if meta.is_dir() => FileState::Directory,
            Ok(meta) if !meta.is_file() => FileState::Special,
            Ok(meta) if meta.len() > LARGEST => FileState::Unreadable(format!("it has more than {LARGEST} bytes")),
            Ok(_) => text(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => absent(path),
            Err(error) => FileState::Unreadable(error.to_string()),
        }
    }

    fn locate(&mut self, path: &Path) -> PathBuf {
        match (path.parent(), path.file_name()) {
            (Some(directory), Some(name)) => real(directory).join(name),
            _ => path.to_owned(),
        }
    }
}

/// The path without links, as far as it exists.
pub(super) fn real(path: &Path) -> PathBuf {
    for existing in path.ancestors() {
        if let Ok(found) = fs::canonicalize(existing) {
            let missing = path.strip_prefix(existing).unwrap_or(Path::new(""));
            // Joining nothing would leave a slash at the end.
            return if missing.as_os_str().is_empty() { found } else { found.join(missing) };
        }
    }
    path.to_owned()
}

/// The regular file at the end of a link.
fn linked_file(link: &Path) -> Option<PathBuf> {
    let file = fs::canonicalize(link).ok()?;
    file.metadata().is_ok_and(|meta| meta.is_file()).then_some(file)
}

/// Nothing is there; but a link on the way that leads nowhere is something.
fn absent(path: &Path) -> FileState {
    let is_link = |path: &Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
    if path.ancestors().skip(1).any(is_link) { FileState::Symlink(None) } else { FileState::Absent }
}

fn text(path: &Path) -> FileState {
    match read(path) {
        Ok(bytes) => String::from_utf8(bytes).map_or(FileState::NotUtf8, FileState::Text),
        Err(error) => FileState::Unreadable(error.to_string()),
    }
}

/// What stands there may have changed since it was looked at: no link is followed and no pipe is waited for.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(Errno::INVAL.into());
    }
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn paths_are_where_they_really_are() {
        let directory = tempfile::tempdir().unwrap();
        let ground = fs::canonicalize(directory.path()).unwrap();
        fs::create_dir_all(ground.join("real/inner")).unwrap();
        symlink(ground.join("real"), ground.join("link")).unwrap();
        symlink("nowhere", ground.join("dangling")).unwrap();
        fs::write(ground.join("real/f"), "x").unwrap();
        symlink("real/f", ground.join("to-f")).unwrap();
        symlink("real", ground.join("to-directory")).unwrap();
        fs::write(ground.join("latin1"), b"\xe9").unwrap();
        let check = |path: &str, at: &str, state: FileState| {
            let located = Disk.locate(&ground.join(path));
            assert_eq!((located.clone(), Disk.read(&located)), (ground.join(at), state), "{path}");
        };
        check("real/f", "real/f", FileState::Text("x".into()));
        check("link/f", "real/f", FileState::Text("x".into()));
        check("link/inner/new", "real/inner/new", FileState::Absent);
        check("link/new/newer", "real/new/newer", FileState::Absent);
        check("to-f", "to-f", FileState::Symlink(Some(ground.join("real/f"))));
        check("to-directory", "to-directory", FileState::Symlink(None));
        check("dangling", "dangling", FileState::Symlink(None));
        check("dangling/f", "dangling/f", FileState::Symlink(None));
        check("link", "link", FileState::Symlink(None));
        check("real", "real", FileState::Directory);
        check("latin1", "latin1", FileState::NotUtf8);
        assert!(matches!(Disk.read(&ground.join("real/f/g")), FileState::Unreadable(_)));
        assert_eq!(Disk.read(Path::new("/dev/null")), FileState::Special);
    }
}
