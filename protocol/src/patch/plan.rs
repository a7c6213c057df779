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
    /// A symbolic link: to this file, absolute and without links, or to nothing that could be a file.
    Symlink(Option<PathBuf>),
    /// A device, a socket, a pipe.
    Special,
    /// It cannot be seen, is too large, or has a file where a directory should be; the reason in words for the model.
    Unreadable(String),
}

/// The files that a patch is planned on. Any function of a path is one, on a disk without links between directories.
pub trait Files {
    /// What is at this absolute and normal path, which [`locate`](Self::locate) gave.
    fn read(&mut self, path: &Path) -> FileState;

    /// The one path, absolute and normal, of what this path means: links on the way to its directory are followed, what
    /// stands at its end is not looked at.
    fn locate(&mut self, path: &Path) -> PathBuf {
        path.to_owned()
    }
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
                let at = if move_to.is_some() { self.look(path)? } else { self.look_through_a_link(path)? };
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
        if self.locate(target)? == from {
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

    fn locate(&mut self, path: &str) -> Result<PathBuf, PatchError> {
        Ok(self.files.locate(&resolve(self.cwd, path)?))
    }

    fn look(&mut self, path: &str) -> Result<PathBuf, PatchError> {
        let at = self.locate(path)?;
        if !self.overlay.knows(&at) {
            let state = self.files.read(&at);
            self.know(path, &at, state)?;
        }
        Ok(at)
    }

    /// Where the path is a link, the file that it leads to is meant: that one is changed, and the link stays.
    fn look_through_a_link(&mut self, path: &str) -> Result<PathBuf, PatchError> {
        let at = self.locate(path)?;
        if self.overlay.knows(&at) {
            return Ok(at);
        }
        match self.files.read(&at) {
            FileState::Symlink(Some(target)) => {
                if !self.overlay.knows(&target) {
                    let state = self.files.read(&target);
                    self.know(path, &target, state)?;
                }
                Ok(target)
            }
            state => {
                self.know(path, &at, state)?;
                Ok(at)
            }
        }
    }

    fn know(&mut self, path: &str, at: &Path, state: FileState) -> Result<(), PatchError> {
        self.overlay.know(at, text_or_nothing(path, state)?);
        self.names.insert(at.to_owned(), path.into());
        Ok(())
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
        FileState::Symlink(_) => "is a symbolic link, and not one to a file that is only to be changed",
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

    /// The touched paths that are not below one of these roots (absolute, normal and without links), or are in a `.git`,
    /// `.llmx` or `.agents` directory there, at any depth. They are for a person to allow.
    pub fn paths_outside<'p>(&'p self, roots: &'p [impl AsRef<Path>]) -> impl Iterator<Item = &'p Path> {
        self.touched_paths().filter(|path| !is_below(path, roots))
    }

    /// The changes as events show them.
    #[must_use]
    pub fn file_changes(&self) -> BTreeMap<PathBuf, FileChange> {
        self.file_changes_below(Path::new(""), Path::new(""))
    }

    /// As [`file_changes`](Self::file_changes), with what is below the directory `real` shown below `named`: a UI knows
    /// the session's directory by the name that it gave, and that may lead through links.
    #[must_use]
    pub fn file_changes_below(&self, real: &Path, named: &Path) -> BTreeMap<PathBuf, FileChange> {
        let show = |path: &Path| path.strip_prefix(real).map_or_else(|_| path.to_owned(), |inside| named.join(inside));
        self.changes.iter().map(|change| (show(&change.path), file_change(&change.kind, show))).collect()
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

fn file_change(kind: &ChangeKind, show: impl Fn(&Path) -> PathBuf) -> FileChange {
    match kind {
        ChangeKind::Add { content } => FileChange::Add { content: content.clone() },
        ChangeKind::Delete { original } => FileChange::Delete { content: original.clone() },
        ChangeKind::Update { original, content, move_to } => {
            let unified_diff = hunks(original, content, CONTEXT_IN_EVENTS);
            FileChange::Update { unified_diff, move_path: move_to.as_deref().map(show) }
        }
    }
}
