//! A socket in the file system: for its owner alone from its first moment, and gone when its server is.

use rustix::fs::{FlockOperation, Mode, OFlags, fchmod, flock, open};
use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    net::{UnixListener, UnixSocket, UnixStream},
    time::sleep,
};

/// How many that connect at once may wait to be let in.
const WAITING: u32 = 1024;
/// How often another one that is being made in the same directory is waited for, and how long each time.
const TRIES: usize = 500;
const MOMENT: Duration = Duration::from_millis(10);

/// The file. Removed when this is dropped, unless it is somebody else's by now.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|meta| (meta.dev(), meta.ino()) == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "failed to remove the socket");
        }
    }
}

/// Makes the socket; the path is absolute. One that a dead server left is replaced; a live server's is an error that says so.
pub(super) async fn bind(path: &Path) -> Result<(UnixListener, SocketFile), String> {
    let failed = |what: &str, error: io::Error| format!("failed to {what} {}: {error}", path.display());
    let _alone = alone_beside(path).await?;
    if let Ok(meta) = fs::symlink_metadata(path) {
        if !meta.file_type().is_socket() {
            return Err(format!("{} exists and is no socket", path.display()));
        }
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(|error| failed("replace", error))?;
            }
            Ok(_) => return Err(format!("another server listens on {}", path.display())),
            Err(error) => return Err(failed("look at", error)),
        }
    }
    let listener = bind_private(path).map_err(|error| failed("listen on", error))?;
    let meta = fs::symlink_metadata(path).map_err(|error| failed("look at", error))?;
    let identity = (meta.dev(), meta.ino());
    Ok((listener, SocketFile { path: path.to_owned(), identity }))
}

/// Linux gives the file the mode that the socket has when it is bound (less the umask, as always): there is no moment
/// at which others could connect, and neither a umask to change for the whole process nor a directory to hide it in.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let socket = UnixSocket::new_stream()?;
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    socket.bind(path)?;
    socket.listen(WAITING)
}

/// Between binding and listening a socket looks like a dead server's: nobody else must look meanwhile. Locks the
/// directory, which leaves nothing behind; the kernel unlocks it when the guard is dropped.
async fn alone_beside(path: &Path) -> Result<std::os::fd::OwnedFd, String> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let failed = |error: rustix::io::Errno| format!("failed to use the directory {}: {error}", directory.display());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let lock = open(directory, flags, Mode::empty()).map_err(failed)?;
    for _ in 0..TRIES {
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::AGAIN) => sleep(MOMENT).await,
            Err(error) => return Err(failed(error)),
            Ok(()) => return Ok(lock),
        }
    }
    Err(format!("the directory {} is locked by somebody else", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn it_is_private_and_goes_with_its_server() {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().join("s");
        let (listener, file) = bind(&path).await.expect("the place is free");
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let taken = bind(&path).await.expect_err("it is taken");
        assert!(taken.contains("another server listens on") && taken.contains(&*path.to_string_lossy()), "{taken}");
        drop((listener, file));
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_a_dead_server_left_is_replaced() {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path));
        assert!(path.exists(), "a listener that dies leaves its file");
        let (_listener, _file) = bind(&path).await.expect("nobody listens there");
        assert!(UnixStream::connect(&path).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_no_socket_stays() {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().join("s");
        fs::write(&path, "precious").expect("files can be written");
        assert!(bind(&path).await.is_err_and(|why| why.contains("is no socket")));
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "precious");
        assert!(bind(&directory.path().join("no/s")).await.is_err_and(|why| why.contains("no")));
    }

    #[tokio::test]
    async fn a_server_removes_no_file_but_its_own() {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().join("s");
        let (_listener, file) = bind(&path).await.expect("the place is free");
        fs::remove_file(&path).expect("it is there");
        let (_other, _others_file) = bind(&path).await.expect("the place is free");
        drop(file);
        assert!(path.exists());
    }

    /// Of many that start at once over a dead server's socket one gets it.
    #[tokio::test]
    async fn of_many_one_gets_it() {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path));
        let all = futures_util::future::join_all((0..20).map(|_| bind(&path))).await;
        assert_eq!(all.iter().filter(|one| one.is_ok()).count(), 1);
    }
}
