//! What work tree a thread begins in, read from git's own files: no subprocess. A command may have put anything in
//! their place, a pipe for example, which nobody must wait for.

use crate::local_files::FileSystem;
use llmx_protocol::{local_files::LocalFiles, wire::rollout::GitInfo};
use std::path::{Path, PathBuf};

/// Nothing that is looked for is in a longer file, in bytes. All packed references of a large repository are.
const LONGEST: usize = 64 << 20;

fn text_of(path: &Path) -> Option<String> {
    String::from_utf8(FileSystem.read(path, LONGEST).ok()?).ok()
}

/// The work tree around a directory; `None` outside of any.
#[must_use]
pub fn work_tree(directory: &Path) -> Option<GitInfo> {
    let git = directory.ancestors().find_map(git_directory)?;
    // A linked work tree has its HEAD to itself and shares the rest.
    let shared = text_of(&git.join("commondir")).map_or_else(|| git.clone(), |dir| git.join(dir.trim()));
    let head = text_of(&git.join("HEAD"))?;
    let (branch, commit_hash) = match head.trim().strip_prefix("ref: ") {
        Some(reference) => (reference.strip_prefix("refs/heads/").map(str::to_owned), commit_of(reference, &shared)),
        None => (None, Some(head.trim().to_owned())),
    };
    Some(GitInfo { commit_hash, branch, repository_url: origin(&shared) })
}

fn git_directory(at: &Path) -> Option<PathBuf> {
    let git = at.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let pointer = text_of(&git)?;
    Some(at.join(pointer.strip_prefix("gitdir:")?.trim()))
}

fn commit_of(reference: &str, git: &Path) -> Option<String> {
    if let Some(commit) = text_of(&git.join(reference)) {
        return Some(commit.trim().to_owned());
    }
    let packed = text_of(&git.join("packed-refs"))?;
    let of_line =
        |line: &str| line.split_once(' ').filter(|(_, name)| *name == reference).map(|(commit, _)| commit.to_owned());
    packed.lines().find_map(of_line)
}

/// The URL of the remote `origin`, without what may be a password in it.
fn origin(git: &Path) -> Option<String> {
    let config = text_of(&git.join("config"))?;
    let section = config.split("[remote \"origin\"]").nth(1)?.split("\n[").next()?;
    let url = section.lines().find_map(|line| line.trim().strip_prefix("url")?.trim_start().strip_prefix('='))?.trim();
    Some(match url.split_once("://") {
        Some((scheme, rest)) => match rest.split_once('@').filter(|(user, _)| !user.contains('/')) {
            Some((_, host)) => format!("{scheme}://{host}"),
            None => url.to_owned(),
        },
        None => url.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn branch_commit_and_origin_are_read_from_below_the_root() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            &[
                (".git/HEAD", "ref: refs/heads/topic/x\n"),
                (".git/refs/heads/topic/x", "abc\n"),
                (".git/config", "[core]\n\tbare = false\n[remote \"origin\"]\n\turl = https://me:pw@host/r.git\n[x]\n"),
                ("src/lib.rs", ""),
            ],
        );
        let found = work_tree(&root.path().join("src")).unwrap();
        assert_eq!((found.branch.as_deref(), found.commit_hash.as_deref()), (Some("topic/x"), Some("abc")));
        assert_eq!(found.repository_url.as_deref(), Some("https://host/r.git"));
    }

    #[test]
    fn packed_references_detached_heads_and_linked_trees_are_read() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            &[
                ("main/.git/packed-refs", "# pack-refs\nfff refs/heads/other\neee refs/heads/side\n"),
                ("main/.git/HEAD", "ddd\n"),
                ("main/.git/worktrees/w/HEAD", "ref: refs/heads/side\n"),
                ("main/.git/worktrees/w/commondir", "../..\n"),
                ("linked/.git", &format!("gitdir: {}\n", root.path().join("main/.git/worktrees/w").display())),
            ],
        );
        let commit = |dir: &str| work_tree(&root.path().join(dir)).unwrap().commit_hash;
        assert_eq!(commit("main").as_deref(), Some("ddd"));
        assert_eq!(commit("linked").as_deref(), Some("eee"));
        assert_eq!(work_tree(Path::new("/nowhere")), None);
    }

    #[test]
    fn nobody_waits_for_a_pipe_in_the_place_of_a_file() {
        for name in ["HEAD", "commondir", "refs/heads/main", "packed-refs", "config"] {
            let root = tempfile::tempdir().unwrap();
            write(root.path(), &[(".git/HEAD", "ref: refs/heads/main\n"), (".git/refs/heads/x", "abc\n")]);
            let file = root.path().join(".git").join(name);
            let _ = fs::remove_file(&file);
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mkfifoat(rustix::fs::CWD, &file, mode).unwrap();
            assert_eq!(work_tree(root.path()).is_some(), name != "HEAD", "{name}");
        }
    }
}
