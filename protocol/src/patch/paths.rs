//! Which file a patch means. Only words are looked at, never a disk: what is a link is the reader's to see.

use super::PatchError;
use std::path::{Component, Path, PathBuf};

/// Directories below a root that are never written without asking: what is in them is run or obeyed later.
const GUARDED: [&str; 3] = [".git", ".llmx", ".agents"];

/// The absolute path that a patch means, without `.` and `..`. `cwd` is absolute.
///
/// # Errors
///
/// It cannot be a file's.
pub(super) fn resolve(cwd: &Path, text: &str) -> Result<PathBuf, PatchError> {
    let last = text.rsplit('/').next().unwrap_or_default();
    if matches!(last, "" | "." | "..") || text.contains('\0') {
        return Err(PatchError::NotAFilePath(text.into()));
    }
    Ok(normalise(&cwd.join(text)))
}

/// The path without `.` and `..`, by its words alone; what is above the root is the root.
#[must_use]
pub fn normalise(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(normal.pop()),
            other => normal.push(other),
        }
    }
    normal
}

/// Whether the path is below one of the roots and not in a guarded directory there. All are absolute and normal.
pub(super) fn is_below(path: &Path, roots: &[impl AsRef<Path>]) -> bool {
    roots.iter().filter_map(|root| path.strip_prefix(root).ok()).any(|inside| !inside.iter().any(is_guarded))
}

fn is_guarded(name: &std::ffi::OsStr) -> bool {
    GUARDED.iter().any(|guarded| name.eq_ignore_ascii_case(guarded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_from_the_directory_by_its_words() {
        let check = |text: &str, expected: &str| {
            assert_eq!(resolve(Path::new("/w/d"), text).as_deref(), Ok(Path::new(expected)), "{text}");
        };
        check("a", "/w/d/a");
        check("./a//b", "/w/d/a/b");
        check("a/../b", "/w/d/b");
        check("../a", "/w/a");
        check("../../../../a", "/a");
        check("/etc/passwd", "/etc/passwd");
        check("/w/d/../d/./a", "/w/d/a");
        check("~/a", "/w/d/~/a");
        check("a b\u{e9}\n", "/w/d/a b\u{e9}\n");
        check("...", "/w/d/...");
    }

    #[test]
    fn what_cannot_be_a_file_is_refused() {
        for text in ["", ".", "..", "/", "a/", "a/.", "a/..", "a\0b", "\0"] {
            let expected = Err(PatchError::NotAFilePath(text.into()));
            assert_eq!(resolve(Path::new("/w"), text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_root_covers_what_is_below_it_but_for_guarded_directories() {
        let check = |path: &str, expected: bool| {
            assert_eq!(is_below(Path::new(path), &["/w", "/v/.git/x"]), expected, "{path}");
        };
        check("/w/a", true);
        check("/w/.github/a", true);
        check("/w/.gitignore", true);
        check("/v/.git/x/a", true);
        check("/wa", false);
        check("/v/a", false);
        check("/w/.git/config", false);
        check("/w/.git", false);
        check("/w/sub/.git/hooks/pre-commit", false);
        check("/w/.GIT/config", false);
        check("/w/.llmx/config.toml", false);
        check("/w/.agents/a", false);
        check("/v/.git/x/.git/a", false);
    }
}
