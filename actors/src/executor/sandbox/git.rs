//! Where a `.git` file points to (`gitrepository-layout(5)`): worktrees and submodules.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// More than this is no pointer. A path has at most 4096 bytes.
const LONGEST_POINTER: u64 = 8 * 1024;

/// The git directory that the file names and the one that it shares with other worktrees, canonical. A pointer to
/// nothing has no targets.
///
/// # Errors
/// What reading a file says, or that the file is no pointer.
pub(super) fn targets(pointer: &Path) -> io::Result<Vec<PathBuf>> {
    let text = read_pointer(pointer)?;
    let named = text.strip_prefix("gitdir:").ok_or_else(|| io::Error::other("it names no `gitdir:`"))?.trim();
    let Some(directory) = resolve(pointer.parent().unwrap_or(Path::new("/")), named)? else {
        return Ok(Vec::new());
    };
    let shared = match read_pointer(&directory.join("commondir")) {
        Ok(text) => resolve(&directory, text.trim())?,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
        Err(error) => return Err(error),
    };
    Ok([Some(directory), shared].into_iter().flatten().collect())
}

fn read_pointer(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(LONGEST_POINTER).read_to_string(&mut text)?;
    Ok(text)
}

fn resolve(base: &Path, named: &str) -> io::Result<Option<PathBuf>> {
    match fs::canonicalize(base.join(named)) {
        Ok(path) => Ok(Some(path)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
