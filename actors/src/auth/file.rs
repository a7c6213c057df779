//! `auth.json`: credentials in a file that only its owner can read, replaced as a whole or not at all.

use super::stored::StoredLogin;
use rustix::fs::{FlockOperation, flock};
use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// No file of credentials is larger, in bytes.
const LARGEST: u64 = 1 << 20;

/// Why credentials cannot be read or kept, in words for a person; the file is never quoted.
#[derive(Debug, thiserror::Error)]
pub(super) enum AuthFileError {
    /// The system says no.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("{}: {problem}", path.display())]
    Unsafe {
        /// Which file or directory.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// Its name in the llmx home.
pub(crate) const AUTH_FILE: &str = "auth.json";

/// Whether a file of this name in the llmx home is `auth.json`, its successor, a copy that an editor left, or its lock,
/// which nobody may hold but llmx.
pub(crate) fn holds_credentials(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let name = name.strip_prefix('.').unwrap_or(&name);
    name.starts_with(AUTH_FILE) || name == LOCK_FILE
}

const LOCK_FILE: &str = "auth.lock";

/// The file, which need not be there. Every method blocks.
#[derive(Clone, Debug)]
pub(super) struct AuthFile {
    path: PathBuf,
}

/// The right to change the file, which one process has at a time; ends with this value, or with the process.
pub(super) struct Lock(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

impl AuthFile {
    /// In the llmx home.
    #[must_use]
    pub(super) fn within(home: &Path) -> Self {
        Self { path: home.join(AUTH_FILE) }
    }

    /// Whose credentials are in it.
    ///
    /// # Errors
    /// It is no regular file, a symbolic link for example, or makes no sense.
    pub(super) fn read(&self) -> Result<Option<StoredLogin>, AuthFileError> {
        let file = match open_for_reading(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                return Err(self.bad(SYMLINK));
            }
            Err(error) => return Err(self.io(error)),
        };
        let facts = file.metadata().map_err(|e| self.io(e))?;
        if !facts.is_file() {
            return Err(self.bad("it is no regular file"));
        }
        if facts.mode() & 0o077 != 0 {
            tracing::warn!(path = %self.path.display(), "others may read this file of credentials: chmod 600 it");
        }
        let mut text = String::new();
        file.take(LARGEST).read_to_string(&mut text).map_err(|e| self.io(e))?;
        StoredLogin::parse(&text).map_err(|problem| self.bad(problem))
    }

    /// Replaces it, with the mode 0600, in a directory that is made with 0700 if need be.
    ///
    /// # Errors
    /// It is a symbolic link, others may write its directory, or the system says no. The old file is left then.
    pub(super) fn write(&self, login: &StoredLogin) -> Result<(), AuthFileError> {
        let directory = self.directory();
        self.make_directory(directory)?;
        self.refuse_symlink()?;
        let (new, mut file) = self.new_neighbour(directory)?;
        let written = file.write_all(login.to_json().as_bytes()).and_then(|()| file.sync_all());
        let replaced = written.and_then(|()| fs::rename(&new, &self.path));
        if let Err(error) = replaced {
            let _ = fs::remove_file(&new);
            return Err(self.io(error));
        }
        // The name is as safe as the content only when the directory is written too.
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(|e| self.io(e))
    }

    /// Removes it; says whether there was one.
    ///
    /// # Errors
    /// The system says no.
    pub(super) fn remove(&self) -> Result<bool, AuthFileError> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.io(error)),
        }
    }

    /// The lock, if no other process has it now.
    ///
    /// # Errors
    /// The system says no.
    pub(super) fn try_lock(&self) -> Result<Option<Lock>, AuthFileError> {
        self.make_directory(self.directory())?;
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(no_follow())
            .open(self.path.with_file_name(LOCK_FILE))
            .map_err(|e| self.io(e))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(self.io(error.into())),
        }
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// A directory that others may write is one in which they may put a file of their own in the place of this one.
    fn make_directory(&self, directory: &Path) -> Result<(), AuthFileError> {
        let failed = |source| AuthFileError::Io { path: directory.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let mode = fs::metadata(directory).map_err(failed)?.mode();
        let is_sticky = mode & 0o1000 != 0;
        if mode & 0o022 != 0 && !is_sticky {
            let problem =
                "others may write this directory, so credentials are not kept in it: chmod go-w it".to_owned();
            return Err(AuthFileError::Unsafe { path: directory.to_owned(), problem });
        }
        Ok(())
    }

    fn refuse_symlink(&self) -> Result<(), AuthFileError> {
        match fs::symlink_metadata(&self.path) {
            Ok(facts) if facts.is_symlink() => Err(self.bad(SYMLINK)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.io(error)),
            _ => Ok(()),
        }
    }

    fn new_neighbour(&self, directory: &Path) -> Result<(PathBuf, File), AuthFileError> {
        let path = directory.join(format!(".{AUTH_FILE}.{}", uuid::Uuid::now_v7()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(|e| self.io(e))?;
        // Whatever the umask took away or a default ACL added.
        file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(|e| self.io(e))?;
        Ok((path, file))
    }

    fn io(&self, source: io::Error) -> AuthFileError {
        AuthFileError::Io { path: self.path.clone(), source }
    }

    fn bad(&self, problem: impl Into<String>) -> AuthFileError {
        AuthFileError::Unsafe { path: self.path.clone(), problem: problem.into() }
    }
}

const SYMLINK: &str = "it is a symbolic link, which credentials do not follow";

/// A pipe in its place must not make the reader wait.
fn open_for_reading(path: &Path) -> io::Result<File> {
    let flags = no_follow() | rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn no_follow() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    fn home() -> (TempDir, AuthFile) {
        let home = TempDir::new().unwrap();
        let file = AuthFile::within(home.path());
        (home, file)
    }

    fn key(text: &str) -> StoredLogin {
        StoredLogin::ApiKey(text.into())
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn credentials_are_kept_for_the_owner_alone() {
        let outer = TempDir::new().unwrap();
        let home = outer.path().join("a/b");
        let file = AuthFile::within(&home);
        assert_eq!(file.read().unwrap(), None);
        file.write(&key("sk-1")).unwrap();
        assert_eq!((mode(&home), mode(&home.join("auth.json"))), (0o700, 0o600));
        fs::set_permissions(home.join("auth.json"), fs::Permissions::from_mode(0o644)).unwrap();
        file.write(&key("sk-2")).unwrap();
        assert_eq!((mode(&home.join("auth.json")), file.read().unwrap()), (0o600, Some(key("sk-2"))));
        assert_eq!(fs::read_dir(&home).unwrap().count(), 1, "nothing else is left behind");
        assert!(file.remove().unwrap());
        assert!(!file.remove().unwrap());
        assert_eq!(file.read().unwrap(), None);
    }

    #[test]
    fn a_symbolic_link_is_neither_read_nor_written() {
        let (home, file) = home();
        let victim = home.path().join("victim");
        fs::write(&victim, r#"{"OPENAI_API_KEY":"sk-theirs"}"#).unwrap();
        for target in [victim.as_path(), Path::new("nowhere")] {
            symlink(target, home.path().join("auth.json")).unwrap();
            assert!(file.read().unwrap_err().to_string().ends_with(SYMLINK));
            assert!(file.write(&key("sk-1")).unwrap_err().to_string().ends_with(SYMLINK));
            assert!(file.remove().unwrap(), "the link itself can go");
        }
        assert!(fs::read_to_string(&victim).unwrap().contains("sk-theirs"));
        symlink(&victim, home.path().join("auth.lock")).unwrap();
        assert!(file.try_lock().is_err());
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let (home, file) = home();
        let path = home.path().join("auth.json");
        fs::create_dir(&path).unwrap();
        assert!(file.read().is_err());
        fs::remove_dir(&path).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
        assert!(file.read().unwrap_err().to_string().ends_with("it is no regular file"));
    }

    #[test]
    fn a_directory_that_others_may_write_is_refused() {
        let (home, file) = home();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(file.write(&key("sk-1")).unwrap_err().to_string().contains("chmod go-w"));
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        file.write(&key("sk-1")).unwrap();
    }

    #[test]
    fn one_holder_at_a_time() {
        let (_home, file) = home();
        let lock = file.try_lock().unwrap();
        assert!(lock.is_some());
        assert!(file.try_lock().unwrap().is_none());
        drop(lock);
        assert!(file.try_lock().unwrap().is_some());
    }
}
