//! The walls that a process builds around itself, in their order.

use super::capabilities;
use super::description::Strength;
use super::path_rules::PathRules;
use super::syscalls::{Filters, Limits};
use crate::executor::process::NotStarted;
use std::path::PathBuf;

/// Ready to be built: what can fail for lack of memory or files has been done.
#[derive(Debug)]
pub(crate) struct Walls {
    paths: PathRules,
    filters: Filters,
}

impl Walls {
    /// Paths are opened now, as they are seen now.
    pub(super) fn prepare(writable: &[PathBuf], strength: Strength, limits: Limits) -> Result<Self, NotStarted> {
        let paths = PathRules::new(writable, strength)?;
        // With a network the sockets of other programs are hidden by mounts and, the abstract ones, by Landlock.
        let hidden = strength == Strength::Full && paths.scopes_abstract_sockets();
        Ok(Self { paths, filters: Filters::new(Limits { unix_sockets: hidden, ..limits })? })
    }

    /// For this process and all that it starts: no privileges, Landlock, seccomp.
    pub(crate) fn build(self) -> Result<(), NotStarted> {
        capabilities::drop_all()?;
        self.paths.apply()?;
        self.filters.apply()
    }
}
