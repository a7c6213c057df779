//! The sandbox: what a command of the model may touch, by namespaces, Landlock and seccomp.
//!
//! ```text
//! engine ──▶ helper (llmx-exec) ──clone──▶ PID 1 ──fork──▶ the command
//!             outside: kills PID 1,          mounts, no capabilities,
//!             removes placeholders           Landlock, seccomp
//! ```
//!
//! Everything is read, little is written: the session's roots under `workspace-write`, nothing under `read-only`. In
//! each root `.git`, `.llmx` and `.agents` are read-only, also while they do not exist, and so is llmx's own home; what
//! llmx is logged in with (`auth.json` in there) is not read either, nor what takes its place meanwhile.
//! The `.git` of a repository *within* a root, a submodule's checkout or a clone, is not protected, nor is a root that
//! becomes a bare repository itself: commands create such repositories. Whoever wants one within protected makes it a
//! root. Who makes a `.git` itself a root lets commands commit, and with that plant hooks.
//!
//! A root is where the path that names it leads when a command starts, so no command may lead it elsewhere for the next
//! one: a way through a link in a place that commands write is refused, unless it ends in another root anyway. The helper
//! itself loads nothing that commands write: the dynamic linker's variables reach the command only.
//!
//! It fails closed: a step that cannot be done ends the start with a sentence that names it, and nothing runs.
//! Nothing falls back to less by itself. What this machine can do is found out once, by [`enforcement`], and whoever
//! wants to run with less asks for [`Strength::WithoutNamespaces`] by name.
//!
//! Within, root is `nobody` and has no privilege: files that only root's power over other users' files reaches, such as
//! a workspace that belongs to somebody else, are out of its reach.
//!
//! What it does not keep from the command: reading any other file that the user may read; using up memory (but the kernel ends
//! it first) or disk space and, as root before Linux 6.14, processes; hard links that are in a root already; a file that
//! whoever started llmx opened for writing; locks on files that it can read; set-group-ID programs, because no filter can
//! tell them from directories of a group; and, with a network, sockets in the file system that were bound after the
//! command began, or under another name than they have now, or in another network namespace.

mod capabilities;
mod description;
mod git;
mod init;
mod masks;
mod mounts;
mod namespaces;
mod own_home;
mod path_rules;
mod placeholder;
mod plan;
mod probe;
mod standard_files;
mod status;
mod step;
mod syscalls;
mod walls;
mod way;
mod writable;

pub use description::{NETWORK_DISABLED, Sandbox, Strength};
pub use path_rules::{LEAST_LANDLOCK_ABI, landlock_abi};
pub use probe::{Probe, enforcement};
pub(crate) use probe::{is_probe, run_probe};
pub(crate) use status::{Status, StatusReader};
pub(crate) use walls::Walls;
pub(crate) use writable::Writable;

use super::process::NotStarted;
use llmx_protocol::wire::policy::SandboxPolicy;
use namespaces::{Identity, Side};
use placeholder::{Placeholders, Spare};
use plan::Plan;
use rustix::process::Pid;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use syscalls::Limits;

/// What is to be done in a sandbox.
pub(crate) enum Errand<'e> {
    /// Build all of it and leave.
    Try,
    /// Run a command.
    Run {
        /// Looked up in this process' `PATH`, unless it has a slash.
        program: &'e OsStr,
        /// Its arguments.
        arguments: &'e [OsString],
        /// Where, as seen within.
        cwd: &'e Path,
        /// Whether standard input becomes its controlling terminal.
        terminal: bool,
    },
}

/// A sandbox with a command in it, seen from outside.
#[derive(Debug)]
pub(crate) struct Confined {
    /// To kill it is to kill everything.
    pub(crate) init: Pid,
    /// Readable when the command is over.
    pub(crate) status: StatusReader,
    /// Taken away when this is dropped; nothing may run any more.
    _placeholders: Placeholders,
}

/// Runs `errand` in new namespaces. Call it in a process with a single thread.
pub(crate) fn start(sandbox: &Sandbox, errand: &Errand<'_>) -> Result<Confined, NotStarted> {
    let mut plan = Plan::of(sandbox)?;
    let placeholders = Placeholders::reserve(&plan.missing, Spare::of(sandbox.spare_placeholders.clone()))?;
    plan.shield_what_was_missing();
    plan.masked = masks::find(sandbox.has_network());
    let (status, say) = status::pipe()?;
    let outside = Identity::of_this_process();
    match namespaces::clone_into_new(sandbox.has_network())? {
        Side::Init => init::run(&init::Orders { sandbox, plan: &plan, errand, outside }, &say),
        Side::Helper(init) => Ok(Confined { init, status, _placeholders: placeholders }),
    }
}

/// The walls that need no namespaces, for a process to build around itself between fork and exec.
pub(crate) fn walls_without_namespaces(sandbox: &Sandbox) -> Result<Walls, NotStarted> {
    let plan = Plan::of(sandbox)?;
    let writable: Vec<PathBuf> = plan.roots().map(Path::to_owned).collect();
    let fixed_metadata = sandbox.policy == SandboxPolicy::ReadOnly;
    let limits = Limits { network: sandbox.has_network(), unix_sockets: false, fixed_metadata };
    Walls::prepare(&writable, Strength::WithoutNamespaces, limits)
}
