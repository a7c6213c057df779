//! Where a path leads, and what on the way would lead it elsewhere.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows in one path.
const MOST_LINKS: usize = 40;

/// A way through the file system, step by step: whoever changes one of them leads it elsewhere.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Way {
    /// The directories that it goes through, canonical.
    pub(super) through: Vec<PathBuf>,
    /// The links that it follows, each in a canonical directory.
    pub(super) links: Vec<PathBuf>,
    /// Where it ends, canonical.
    pub(super) end: End,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    At(PathBuf),
    /// This name is missing.
    Missing(PathBuf),
}

impl Default for End {
    fn default() -> Self {
        Self::At("/".into())
    }
}

/// As the kernel does; see `path_resolution(7)`. The path is absolute.
///
/// # Errors
/// What the file system says, or that there are too many links.
pub(super) fn follow(path: &Path) -> io::Result<Way> {
    let mut way = Way::default();
    let mut at = PathBuf::from("/");
    let mut ahead: VecDeque<OsString> = steps(path).collect();
    while let Some(step) = ahead.pop_front() {
        if step == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&step);
        match fs::symlink_metadata(&next) {
            Ok(meta) if meta.is_symlink() => {
                let target = fs::read_link(&next)?;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                steps(&target).rev().for_each(|step| ahead.push_front(step));
                way.links.push(next);
                if way.links.len() > MOST_LINKS {
                    return Err(io::Error::other("too many symbolic links"));
                }
            }
            Ok(_) => {
                way.through.push(next.clone());
                at = next;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                way.end = End::Missing(next);
                return Ok(way);
            }
            Err(error) => return Err(error),
        }
    }
    way.end = End::At(at);
    Ok(way)
}

fn steps(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn every_step_of_a_way_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path().canonicalize().unwrap();
        fs::create_dir_all(here.join("a/b")).unwrap();
        fs::create_dir(here.join("c")).unwrap();
        symlink("../c", here.join("a/up")).unwrap();
        symlink(here.join("a"), here.join("again")).unwrap();
        let check = |path: &str, through: &[&str], links: &[&str], end: End| {
            let way = follow(&here.join(path)).unwrap();
            let below: Vec<_> = way.through.iter().filter(|path| path.starts_with(&here) && **path != here).collect();
            assert_eq!(
                below,
                through.iter().map(|p| here.join(p)).collect::<Vec<_>>().iter().collect::<Vec<_>>(),
                "{path}"
            );
            assert_eq!(way.links, links.iter().map(|p| here.join(p)).collect::<Vec<_>>(), "{path}");
            assert_eq!(way.end, end, "{path}");
        };
        check("a/b", &["a", "a/b"], &[], End::At(here.join("a/b")));
        check("a/b/../../c", &["a", "a/b", "c"], &[], End::At(here.join("c")));
        check("a/up/x", &["a", "c"], &["a/up"], End::Missing(here.join("c/x")));
        check("again/b", &["a", "a/b"], &["again"], End::At(here.join("a/b")));
        check("no/way", &[], &[], End::Missing(here.join("no")));
        symlink("loop", here.join("loop")).unwrap();
        assert!(follow(&here.join("loop")).is_err());
    }
}
