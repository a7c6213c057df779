//! Where the commands of a session may write, for those who must know before they try.

use super::description::Sandbox;
use super::plan::{Cover, Plan};
use std::path::{Path, PathBuf};

/// The roots, and what within them is protected. Paths are canonical.
#[derive(Debug, Default)]
pub(crate) struct Writable {
    roots: Vec<PathBuf>,
    protected: Vec<PathBuf>,
}

impl Writable {
    /// `None` where the sandbox cannot be built, so that nothing is writable in it.
    pub(crate) fn of(sandbox: &Sandbox) -> Option<Self> {
        let plan = Plan::of(sandbox).ok()?;
        let covered = |wanted| plan.covers.iter().filter(move |(_, is)| *is == wanted).map(|(path, _)| path.clone());
        let protected = covered(Cover::Shield).chain(plan.missing.iter().cloned()).collect();
        Some(Self { roots: covered(Cover::Root).collect(), protected })
    }

    pub(crate) fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// Whether a path is protected: no root that it is in is within what is protected.
    pub(crate) fn is_protected(&self, path: &Path) -> bool {
        let depth = |covers: &[PathBuf]| {
            covers.iter().filter(|cover| path.starts_with(cover)).map(|cover| cover.components().count()).max()
        };
        depth(&self.protected) > depth(&self.roots)
    }
}
