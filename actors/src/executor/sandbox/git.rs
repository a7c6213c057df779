//! What a repository consists of beside its `.git` (`gitrepository-layout(5)`): where the `.git` file of a worktree or
//! a submodule points to, and what the links in a git directory point to.

use super::way::{End, Way, follow};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// More than this is no pointer. A path has at most 4096 bytes.
const LONGEST_POINTER: u64 = 8 * 1024;

/// The ways to the git directory that a `.git` file names and to the one that it shares with other worktrees.
///
/// # Errors
/// What reading a file says, or that the file is no pointer.
pub(super) fn ways_from(pointer: &Path) -> io::Result<Vec<Way>> {
    let text = read_pointer(pointer)?;
    let named = text.strip_prefix("gitdir:").ok_or_else(|| io::Error::other("it names no `gitdir:`"))?.trim();
    let own = follow(&pointer.parent().unwrap_or(Path::new("/")).join(named))?;
    let End::At(directory) = &own.end else { return Ok(vec![own]) };
    match read_pointer(&directory.join("commondir")) {
        Ok(text) => Ok(vec![follow(&directory.join(text.trim()))?, own]),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(vec![own]),
        Err(error) => Err(error),
    }
}

/// The ways that start with a link in a git directory or among its hooks.
///
/// # Errors
/// What the file system says.
pub(super) fn ways_out_of(directory: &Path) -> io::Result<Vec<Way>> {
    let hooks = directory.join("hooks");
    let mut ways = Vec::new();
    for place in [directory, &hooks] {
        let entries = match fs::read_dir(place) {
            // What the user cannot read the command cannot write.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_symlink() {
                ways.push(follow(&entry.path())?);
            }
        }
    }
    Ok(ways)
}

fn read_pointer(path: &Path) -> io::Result<String> {
    // A pipe in its place must not make llmx wait for somebody who writes.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = String::new();
    file.take(LONGEST_POINTER).read_to_string(&mut text)?;
    Ok(text)
}
