//! The walls that a process builds around itself, in their order.

use super::capabilities;
use super::path_rules::PathRules;
use super::step::Failure;
use super::syscalls::{Filters, Limits};
use std::path::PathBuf;

/// Ready to be built: what can fail for lack of memory or files has been done.
#[derive(Debug)]
pub(crate) struct Walls {
    paths: PathRules,
    filters: Filters,
}

impl Walls {
    /// Paths are opened now, as they are seen now.
    pub(super) fn prepare(writable: &[PathBuf], limits: Limits) -> Result<Self, Failure> {
        Ok(Self { paths: PathRules::new(writable)?, filters: Filters::new(limits)? })
    }

    /// For this process and all that it starts: no privileges, Landlock, seccomp.
    pub(crate) fn build(self) -> Result<(), Failure> {
        capabilities::drop_all()?;
        self.paths.apply()?;
        self.filters.apply()
    }
}
