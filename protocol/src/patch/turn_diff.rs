//! What all patches of a task have done so far, as one diff (reference `apply-patch.md` §7).

use super::{
    Change, ChangeKind,
    diff::{CONTEXT, hunks},
    overlay::Overlay,
};
use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

/// The patches of a task. What commands do to other files is not seen; what they do to these shows up with the next
/// patch of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TurnDiff {
    base: PathBuf,
    applied: Vec<Change>,
}

impl TurnDiff {
    /// Takes in a patch that was applied. Paths are shown from `base`, the session's directory.
    pub fn record(&mut self, base: &Path, changes: &[Change]) {
        base.clone_into(&mut self.base);
        let earlier = self.applied.drain(..);
        let mut files = Overlay::default();
        earlier.for_each(|change| replay(&mut files, change));
        changes.iter().for_each(|change| replay(&mut files, change.clone()));
        self.applied = files.into_changes();
    }

    /// The diff from before the first patch to now, in git's form, for `git apply` or `patch -p1`; empty if all is as it
    /// was. Files are given the ordinary mode.
    #[must_use]
    pub fn unified_diff(&self) -> String {
        self.applied.iter().map(|change| self.file_diff(change)).collect()
    }

    fn file_diff(&self, change: &Change) -> String {
        let name = |path| from_base(&self.base, path);
        let path = name(&change.path);
        match &change.kind {
            ChangeKind::Add { content } => FileDiff::new(&path, &path).added(content),
            ChangeKind::Delete { original } => FileDiff::new(&path, &path).deleted(original),
            ChangeKind::Update { original, content, move_to: None } => {
                FileDiff::new(&path, &path).updated(original, content)
            }
            ChangeKind::Update { original, content, move_to: Some(target) } => {
                FileDiff::new(&path, &name(target)).moved(original, content)
            }
        }
    }
}

fn replay(files: &mut Overlay, Change { path, kind }: Change) {
    match kind {
        ChangeKind::Add { content } => {
            files.know(&path, None);
            files.write(&path, content);
        }
        ChangeKind::Delete { original } => {
            files.know(&path, Some(original));
            files.remove(&path);
        }
        ChangeKind::Update { original, content, move_to } => {
            files.know(&path, Some(original));
            files.write(&path, content);
            if let Some(target) = move_to {
                files.know(&target, None);
                files.rename(&path, &target);
            }
        }
    }
}

fn from_base(base: &Path, path: &Path) -> String {
    let path = path.strip_prefix(base).or_else(|_| path.strip_prefix("/")).unwrap_or(path);
    path.display().to_string()
}

struct FileDiff {
    old: String,
    new: String,
    text: String,
}

impl FileDiff {
    fn new(old: &str, new: &str) -> Self {
        let [old, new] = [format!("a/{old}"), format!("b/{new}")];
        let text = format!("diff --git {} {}\n", quoted(&old), quoted(&new));
        Self { old, new, text }
    }

    fn added(mut self, content: &str) -> String {
        self.text.push_str("new file mode 100644\n");
        self.old = "/dev/null".into();
        self.with_hunks("", content)
    }

    fn deleted(mut self, original: &str) -> String {
        self.text.push_str("deleted file mode 100644\n");
        self.new = "/dev/null".into();
        self.with_hunks(original, "")
    }

    fn updated(self, original: &str, content: &str) -> String {
        if original == content { String::new() } else { self.with_hunks(original, content) }
    }

    fn moved(mut self, original: &str, content: &str) -> String {
        let [from, to] = [&self.old[2..], &self.new[2..]].map(quoted);
        let _ = write!(self.text, "rename from {from}\nrename to {to}\n");
        self.with_hunks(original, content)
    }

    fn with_hunks(mut self, original: &str, content: &str) -> String {
        let hunks = hunks(original, content, CONTEXT);
        if !hunks.is_empty() {
            let [old, new] = [&self.old, &self.new].map(|name| name_in_header(name));
            let _ = write!(self.text, "--- {old}\n+++ {new}\n{hunks}");
        }
        self.text
    }
}

/// As git does: after a name with spaces a tab says where it ends.
fn name_in_header(name: &str) -> String {
    let quoted = quoted(name);
    if quoted.contains(' ') { quoted + "\t" } else { quoted }
}

/// As git does: a name with a quotation mark, a backslash or a control character is written as a C string.
fn quoted(name: &str) -> String {
    let needs_quotes = |c: char| c == '"' || c == '\\' || c.is_ascii_control();
    if !name.contains(needs_quotes) {
        return name.into();
    }
    let mut text = String::from('"');
    for c in name.chars() {
        let _ = match c {
            '"' | '\\' => write!(text, "\\{c}"),
            c if c.is_ascii_control() => write!(text, "\\{:03o}", u32::from(c)),
            c => write!(text, "{c}"),
        };
    }
    text + "\""
}
