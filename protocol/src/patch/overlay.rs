//! Files as they were and as they are to be.

use std::{
    collections::BTreeMap,
    mem,
    path::{Path, PathBuf},
};

/// What becomes of a file. The path is absolute and normal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The file as it is named now.
    pub path: PathBuf,
    /// What becomes of it.
    pub kind: ChangeKind,
}

/// What becomes of a file. The texts of before are there to see, right before a write, whether they still hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It comes; nothing has that name.
    Add {
        /// Its text.
        content: String,
    },
    /// It goes.
    Delete {
        /// Its text until now.
        original: String,
    },
    /// It has another text, or another name, or both.
    Update {
        /// Its text until now.
        original: String,
        /// Its text from now on.
        content: String,
        /// Its name from now on, if another one: absolute and normal, and nothing has that name.
        move_to: Option<PathBuf>,
    },
}

/// Texts of files laid over those of the disk: what is written here is seen here. Each file is known by its text of
/// before, and so the sum of all that was done can be told.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    files: BTreeMap<PathBuf, File>,
    /// Paths in the order in which they were heard of.
    order: Vec<PathBuf>,
}

#[derive(Debug)]
struct File {
    original: Option<String>,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    text: String,
    /// The path whose file of before this is, however often it was moved.
    origin: Option<PathBuf>,
}

impl Overlay {
    pub(super) fn knows(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    /// Says what was there before all changes: a text, or nothing. Only the first time counts.
    pub(super) fn know(&mut self, path: &Path, original: Option<String>) {
        if !self.knows(path) {
            let current = original.clone().map(|text| Current { text, origin: Some(path.into()) });
            self.files.insert(path.into(), File { original, current });
            self.order.push(path.into());
        }
    }

    /// The text that is there now.
    pub(super) fn text(&self, path: &Path) -> Option<&str> {
        Some(&self.files.get(path)?.current.as_ref()?.text)
    }

    /// Writes a known path.
    pub(super) fn write(&mut self, path: &Path, text: String) {
        if let Some(file) = self.files.get_mut(path) {
            let origin = file.current.take().and_then(|current| current.origin);
            file.current = Some(Current { text, origin });
        }
    }

    /// Removes what is at a known path.
    pub(super) fn remove(&mut self, path: &Path) {
        self.take(path);
    }

    /// Moves what is at one known path to another.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) {
        let moved = self.take(from);
        if let Some(file) = self.files.get_mut(to) {
            file.current = moved;
        }
    }

    fn take(&mut self, path: &Path) -> Option<Current> {
        self.files.get_mut(path).and_then(|file| file.current.take())
    }

    /// A path at which there is or was a file, and one below it.
    pub(super) fn file_inside_a_file(&self) -> Option<(&Path, &Path)> {
        let is_file = |file: &File| file.original.is_some() || file.current.is_some();
        let mut outer: Option<&Path> = None;
        for (path, _) in self.files.iter().filter(|(_, file)| is_file(file)) {
            // What is below a path comes right after it.
            match outer {
                Some(outer) if path.starts_with(outer) => return Some((path, outer)),
                _ => outer = Some(path),
            }
        }
        None
    }

    /// The sum of all changes against what was there before, in the order of `know`. A file that was added and removed
    /// again is left out; one that was written with the text it had is an update.
    pub(super) fn into_changes(mut self) -> Vec<Change> {
        let renames = self.renames();
        let order = mem::take(&mut self.order);
        order.into_iter().filter_map(|path| self.change(path, &renames)).collect()
    }

    /// By the old path. A file whose old name has another file by now counts as added, as does one that took a name that
    /// was in use.
    fn renames(&self) -> BTreeMap<PathBuf, PathBuf> {
        let mut renames = BTreeMap::new();
        for (path, file) in &self.files {
            if let (None, Some(Current { origin: Some(origin), .. })) = (&file.original, &file.current)
                && self.text(origin).is_none()
            {
                renames.insert(origin.clone(), path.clone());
            }
        }
        renames
    }

    fn change(&mut self, path: PathBuf, renames: &BTreeMap<PathBuf, PathBuf>) -> Option<Change> {
        let move_to = renames.get(&path);
        let current = match move_to {
            Some(target) => self.take(target),
            None if self.has_come_by_rename(&path, renames) => None,
            None => self.take(&path),
        };
        let original = self.files.get_mut(&path)?.original.take();
        let kind = match (original, current.map(|current| current.text)) {
            (None, None) => return None,
            (None, Some(content)) => ChangeKind::Add { content },
            (Some(original), None) => ChangeKind::Delete { original },
            (Some(original), Some(content)) => ChangeKind::Update { original, content, move_to: move_to.cloned() },
        };
        Some(Change { path, kind })
    }

    fn has_come_by_rename(&self, path: &Path, renames: &BTreeMap<PathBuf, PathBuf>) -> bool {
        let current = self.files.get(path).and_then(|file| file.current.as_ref());
        let origin = current.and_then(|current| current.origin.as_ref());
        origin.and_then(|origin| renames.get(origin)).is_some_and(|target| target == path)
    }
}
