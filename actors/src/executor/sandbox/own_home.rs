//! What a command sees of llmx's own home: what was there when it began, but for what llmx is logged in with.
//!
//! To mount something over `auth.json` does not keep it: such a mount is gone when another file takes the name, as every
//! renewal does, and its successor has a name of its own before. So the home within is a directory of the sandbox's
//! own, into which everything else is mounted. What comes to be in the home later is not in there.

use super::mounts::{HARMLESS, copy_of, put};
use crate::auth::{AUTH_FILE, holds_credentials};
use std::fs::{self, DirEntry, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// A directory of the private `/dev`: one file system less to make.
const WITHIN: &str = "/dev/llmx";

/// Makes the directory, while `/dev` may be written.
///
/// # Errors
/// What the file system says. What vanishes meanwhile is no error.
pub(super) fn furnish(home: &Path) -> io::Result<()> {
    fs::create_dir(WITHIN)?;
    for entry in fs::read_dir(home)? {
        match take_over(&entry?) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

/// Mounts it over the home, read-only as `/dev` is by now; roots that are within stay as they are.
///
/// # Errors
/// What the kernel says.
pub(super) fn lay(home: &Path) -> io::Result<()> {
    put(&copy_of(Path::new(WITHIN), HARMLESS)?, home)
}

fn take_over(entry: &DirEntry) -> io::Result<()> {
    let (path, within) = (entry.path(), Path::new(WITHIN).join(entry.file_name()));
    let kind = entry.file_type()?;
    if holds_credentials(&entry.file_name()) {
        // Whoever reads it is told that he may not; an empty file would be taken for nobody logged in.
        return if entry.file_name() == AUTH_FILE { unreadable(&within) } else { Ok(()) };
    }
    if kind.is_symlink() {
        return symlink(fs::read_link(path)?, within);
    }
    if kind.is_dir() || kind.is_file() {
        let tree = copy_of(&path, HARMLESS)?;
        let place = if kind.is_dir() { fs::create_dir(&within) } else { File::create(&within).map(drop) };
        return place.and_then(|()| put(&tree, &within));
    }
    Ok(()) // sockets are nobody's business within
}

fn unreadable(path: &Path) -> io::Result<()> {
    File::create(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o000))
}
