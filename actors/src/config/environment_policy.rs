//! `shell_environment_policy`: which variables a command of the model gets to see.

use serde::Deserialize;
use std::collections::BTreeMap;

/// How the environment of a command is made from the engine's own. The fields are applied in this order:
/// `inherit`, `ignore_default_excludes`, `exclude`, `set`, `include_only`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShellEnvironmentPolicy {
    /// What to start from.
    pub inherit: EnvironmentInherit,
    /// Whether to keep variables whose names look like those of credentials (`*KEY*`, `*SECRET*`, `*TOKEN*`).
    pub ignore_default_excludes: bool,
    /// Names to drop: globs of `*` and `?`, without regard to case.
    pub exclude: Vec<String>,
    /// Variables to add or replace.
    pub set: BTreeMap<String, String>,
    /// If not empty, only names that match one of these globs are kept.
    pub include_only: Vec<String>,
}

/// The variables a command's environment starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnvironmentInherit {
    /// All of the engine's.
    #[default]
    All,
    /// Only those that programs can hardly do without, such as `HOME` and `PATH`.
    Core,
    /// None.
    None,
}
