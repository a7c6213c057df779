//! What a turn has the executor do, and how that ends.

use crate::{
    machine::approval::{CallKey, Confinement},
    patch::{Patch, Plan},
    wire::policy::SandboxPolicy,
};
use std::{path::PathBuf, sync::Arc};

/// A call to run.
#[derive(Clone, Debug, PartialEq)]
pub struct StartCall {
    /// The call.
    pub call: CallKey,
    /// What is to be done.
    pub work: Work,
    /// How it is confined.
    pub confinement: Confinement,
    /// What it may touch, if it is confined; what is looked at for, if it is not.
    pub sandbox_policy: SandboxPolicy,
    /// The session's directory, a writable root under `workspace-write`. Not that of `work`: the model chooses that.
    pub session_cwd: PathBuf,
}

/// What a call is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Run a command.
    Command {
        /// Its words; not empty.
        command: Vec<String>,
        /// Where; absolute.
        cwd: PathBuf,
    },
    /// Look at the files of a patch and plan it; ends with [`CallEnd::Inspected`].
    Inspect {
        /// The patch.
        patch: Arc<Patch>,
        /// Where its paths start; absolute.
        cwd: PathBuf,
    },
    /// Apply a patch, all of it or nothing. What it says is for the model, exit code 0 says that it is done.
    Apply {
        /// What is to be done.
        plan: Arc<Plan>,
    },
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// The files of a patch were looked at; `Err`: it cannot be applied to them, in words for the model.
    Inspected(Result<Inspected, String>),
    /// With this code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It never ran, and why.
    NotStarted(String),
    /// The executor died; its processes with it.
    Lost,
}

/// What a look at the files of a patch found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// What it would do to them.
    pub plan: Arc<Plan>,
    /// The paths that it would write although the session's policy does not let commands write them.
    pub outside: Vec<PathBuf>,
    /// The session's directory without links, as the plan's paths are.
    pub base: PathBuf,
}
