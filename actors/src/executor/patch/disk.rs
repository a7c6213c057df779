//! The files that a patch is planned on: those of this machine.

use crate::auth::holds_credentials;
use crate::local_files::{is_of_the_kernel, real_path};
use llmx_protocol::patch::{FileState, Files};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A patch of a larger file is refused: all of it is held in memory several times.
const LARGEST: u64 = 64 * 1024 * 1024;

/// The disk, with links followed where a patch may follow them.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    /// llmx's own, canonical: what it is logged in with is in no patch, for what a patch would change is shown, and kept
    /// where commands read.
    llmx_home: Option<PathBuf>,
}

impl Disk {
    pub(super) fn with(llmx_home: Option<&Path>) -> Self {
        Self { llmx_home: llmx_home.and_then(|home| fs::canonicalize(home).ok()) }
    }

    fn text(&self, path: &Path) -> FileState {
        match self.bytes(path) {
            Ok(bytes) => String::from_utf8(bytes).map_or(FileState::NotUtf8, FileState::Text),
            Err(error) => FileState::Unreadable(error.to_string()),
        }
    }

    /// What stands there may have changed since it was looked at: no link is followed and no pipe is waited for.
    fn bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        if !file.metadata()?.is_file() || is_of_the_kernel(&file)? {
            return Err(Errno::INVAL.into());
        }
        if self.is_credentials(&real_path(&file)?) {
            return Err(io::Error::other("it holds llmx's credentials"));
        }
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn is_credentials(&self, path: &Path) -> bool {
        path.parent().is_some_and(|parent| Some(parent) == self.llmx_home.as_deref())
            && path.file_name().is_some_and(holds_credentials)
    }
}

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
            Ok(_) => self.text(path),
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
            let mut disk = Disk::with(Some(&ground.join("link")));
            let located = disk.locate(&ground.join(path));
            assert_eq!((located.clone(), disk.read(&located)), (ground.join(at), state), "{path}");
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
        fs::write(ground.join("auth.json"), "the project's").unwrap();
        fs::write(ground.join("real/auth.json"), "llmx's").unwrap();
        check("auth.json", "auth.json", FileState::Text("the project's".into()));
        check("link/auth.json", "real/auth.json", FileState::Unreadable("it holds llmx's credentials".into()));
        let mut disk = Disk::default();
        for unreadable in [ground.join("real/f/g"), "/proc/self/environ".into(), "/proc/self/limits".into()] {
            assert!(matches!(disk.read(&unreadable), FileState::Unreadable(_)), "{}", unreadable.display());
        }
        assert_eq!(disk.read(Path::new("/dev/null")), FileState::Special);
    }
}
