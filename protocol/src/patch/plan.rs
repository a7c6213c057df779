//! From a patch and the files as they are to the list of what is to be done, all of it or nothing.

use super::{
    Change, ChangeKind, Patch, PatchError, Section,
    diff::hunks,
    edit::update,
    overlay::Overlay,
    paths::{is_below, resolve},
};
use crate::wire::file_change::FileChange;
use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
};

/// Lines around a change in the events, as in the reference.
const CONTEXT_IN_EVENTS: usize = 1;

/// What is at a path, links not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Nothing.
    Absent,
    /// A regular file, in UTF-8.
    Text(String),
    /// A regular file that is not UTF-8.
    NotUtf8,
    /// A directory.
    Directory,
    /// A symbolic link, wherever it goes: also to be answered where a directory on the way is one that leads elsewhere.
    Symlink,
    /// A device, a socket, a pipe.
    Special,
    /// It cannot be seen, is too large, or has a file where a directory should be; the reason in words for the model.
    Unreadable(String),
}

/// The files that a patch is planned on. Any function of a path is one.
pub trait Files {
    /// What is at this absolute and normal path. Asked once for each path.
    fn read(&mut self, path: &Path) -> FileState;
}

impl<F: FnMut(&Path) -> FileState> Files for F {
    fn read(&mut self, path: &Path) -> FileState {
        self(path)
    }
}

/// What a patch does, against the files as they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    changes: Vec<Change>,
    /// The changed files as the patch names them: added, updated, deleted.
    names: [Vec<String>; 3],
}

/// Plans a patch. The sections are taken in order, each sees what those before have done. `cwd` is absolute.
///
/// Whether the paths may be written is not asked here: see [`Plan::paths_outside`], and ask it before the plan is used.
///
/// # Errors
///
/// The first section that cannot be applied. There is no part of a plan.
pub fn plan(patch: &Patch, cwd: &Path, files: impl Files) -> Result<Plan, PatchError> {
    let mut planner = Planner { cwd, files, overlay: Overlay::default(), names: BTreeMap::new() };
    patch.sections.iter().try_for_each(|section| planner.apply(section))?;
    planner.finish()
}

struct Planner<'c, F> {
    cwd: &'c Path,
    files: F,
    overlay: Overlay,
    /// How the patch names each path, when it does so first.
    names: BTreeMap<PathBuf, String>,
}

impl<F: Files> Planner<'_, F> {
    fn apply(&mut self, section: &Section) -> Result<(), PatchError> {
        match section {
            Section::Add { path, lines } => self.add(path, lines),
            Section::Delete { path } => self.delete(path),
            Section::Update { path, move_to, chunks } => {
                let at = self.look(path)?;
                let text = self.overlay.text(&at).ok_or_else(|| PatchError::NothingToUpdate(path.clone()))?;
                let new = update(path, text, chunks)?;
                self.overlay.write(&at, new);
                move_to.as_ref().map_or(Ok(()), |target| self.rename(&at, target))
            }
        }
    }

    fn add(&mut self, path: &str, lines: &[String]) -> Result<(), PatchError> {
        let at = self.look_for_a_free_name(path)?;
        let text = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        self.overlay.write(&at, text);
        Ok(())
    }

    fn delete(&mut self, path: &str) -> Result<(), PatchError> {
        let at = self.look(path)?;
        self.overlay.text(&at).ok_or_else(|| PatchError::NothingToDelete(path.into()))?;
        self.overlay.remove(&at);
        Ok(())
    }

    fn rename(&mut self, from: &Path, target: &str) -> Result<(), PatchError> {
        if resolve(self.cwd, target)? == from {
            return Ok(());
        }
        let to = self.look_for_a_free_name(target)?;
        self.overlay.rename(from, &to);
        Ok(())
    }

    fn look_for_a_free_name(&mut self, path: &str) -> Result<PathBuf, PatchError> {
        let at = self.look(path)?;
        match self.overlay.text(&at) {
            Some(_) => Err(PatchError::Taken(path.into())),
            None => Ok(at),
        }
    }

    fn look(&mut self, path: &str) -> Result<PathBuf, PatchError> {
        let at = resolve(self.cwd, path)?;
        if !self.overlay.knows(&at) {
            self.overlay.know(&at, text_or_nothing(path, self.files.read(&at))?);
            self.names.insert(at.clone(), path.into());
        }
        Ok(at)
    }

    fn finish(self) -> Result<Plan, PatchError> {
        if let Some((inner, outer)) = self.overlay.file_inside_a_file() {
            let name = |path: &Path| path.display().to_string();
            return Err(PatchError::InsideAFile { inner: name(inner), outer: name(outer) });
        }
        let mut plan = Plan { changes: self.overlay.into_changes(), ..Plan::default() };
        for change in &plan.changes {
            let (group, path) = summary_place(change);
            plan.names[group].extend(self.names.get(path).cloned());
        }
        Ok(plan)
    }
}

fn text_or_nothing(path: &str, state: FileState) -> Result<Option<String>, PatchError> {
    let is = match state {
        FileState::Absent => return Ok(None),
        FileState::Text(text) => return Ok(Some(text)),
        FileState::Unreadable(reason) => return Err(PatchError::Unreadable { path: path.into(), reason }),
        FileState::NotUtf8 => "is not UTF-8 text; apply_patch changes only UTF-8 text files",
        FileState::Directory => "is a directory",
        FileState::Symlink => "is a symbolic link, or is reached through one; name the file that it leads to",
        FileState::Special => "is not a regular file",
    };
    Err(PatchError::NotText { path: path.into(), is })
}

fn summary_place(change: &Change) -> (usize, &Path) {
    match &change.kind {
        ChangeKind::Add { .. } => (0, &change.path),
        ChangeKind::Update { move_to, .. } => (1, move_to.as_ref().unwrap_or(&change.path)),
        ChangeKind::Delete { .. } => (2, &change.path),
    }
}

impl Plan {
    /// What is to be done: each path at most once, so that the order does not matter. Directories on the way to an added
    /// or moved file may be missing.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Whether nothing is to be done; the reference refuses such a patch (`patch rejected: empty patch`).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Every path that is written, removed or created; absolute and normal.
    pub fn touched_paths(&self) -> impl Iterator<Item = &Path> {
        self.changes.iter().flat_map(|change| [Some(change.path.as_path()), change.new_path()]).flatten()
    }

    /// The touched paths that are not below one of these roots (absolute and normal), or are in a `.git`, `.llmx` or
    /// `.agents` directory there, at any depth. They are for a person to allow; so is the whole plan if a root or what is
    /// below it is a link to elsewhere, which only the disk knows.
    pub fn paths_outside<'p>(&'p self, roots: &'p [impl AsRef<Path>]) -> impl Iterator<Item = &'p Path> {
        self.touched_paths().filter(|path| !is_below(path, roots))
    }

    /// The changes as events show them.
    #[must_use]
    pub fn file_changes(&self) -> BTreeMap<PathBuf, FileChange> {
        self.changes.iter().map(|change| (change.path.clone(), file_change(&change.kind))).collect()
    }

    /// What the model is told when all is done: standard output of the reference's `apply_patch`.
    #[must_use]
    pub fn summary(&self) -> String {
        if self.is_empty() {
            return "No files were modified.\n".into();
        }
        let mut text = String::from("Success. Updated the following files:\n");
        for (letter, names) in ["A", "M", "D"].into_iter().zip(&self.names) {
            for name in names {
                let _ = writeln!(text, "{letter} {name}");
            }
        }
        text
    }
}

impl Change {
    /// Where the file is afterwards, if it has moved.
    #[must_use]
    pub fn new_path(&self) -> Option<&Path> {
        match &self.kind {
            ChangeKind::Update { move_to, .. } => move_to.as_deref(),
            ChangeKind::Add { .. } | ChangeKind::Delete { .. } => None,
        }
    }
}

fn file_change(kind: &ChangeKind) -> FileChange {
    match kind {
        ChangeKind::Add { content } => FileChange::Add { content: content.clone() },
        ChangeKind::Delete { original } => FileChange::Delete { content: original.clone() },
        ChangeKind::Update { original, content, move_to } => {
            FileChange::Update { unified_diff: hunks(original, content, CONTEXT_IN_EVENTS), move_path: move_to.clone() }
        }
    }
}
