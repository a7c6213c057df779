//! Looks at the files of a patch: whether it fits, what it would do, and where it would write.

use super::disk::{Disk, real};
use crate::executor::Limits;
use crate::executor::sandbox::{self, Sandbox};
use llmx_protocol::machine::turn::Inspected;
use llmx_protocol::patch::{Patch, Plan, plan};
use llmx_protocol::tool::apply_patch::verification_failed;
use llmx_protocol::wire::policy::SandboxPolicy;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A patch to look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// The patch.
    pub patch: Arc<Patch>,
    /// Where its paths start; absolute.
    pub cwd: PathBuf,
    /// What the session lets commands touch.
    pub limits: Limits,
}

/// Reads files; may take as long as they do. `sandbox`: what commands would be confined to. The error is for the model.
pub(crate) fn inspect(inspection: &Inspection, sandbox: &Sandbox) -> Result<Inspected, String> {
    let plan = plan(&inspection.patch, &inspection.cwd, Disk::with(sandbox.llmx_home.as_deref()))
        .map_err(|error| verification_failed(&error))?;
    let outside = outside(&plan, &inspection.limits.policy, sandbox);
    Ok(Inspected { plan: Arc::new(plan), outside, base: real(&inspection.limits.session_cwd) })
}

/// The paths of the plan are without links, and so are the roots: what is compared is where things are.
fn outside(plan: &Plan, policy: &SandboxPolicy, sandbox: &Sandbox) -> Vec<PathBuf> {
    match policy {
        SandboxPolicy::DangerFullAccess => Vec::new(),
        SandboxPolicy::ReadOnly => plan.touched_paths().map(Path::to_owned).collect(),
        SandboxPolicy::WorkspaceWrite { .. } => {
            // Without roots that can be told nothing is within one.
            let writable = sandbox::Writable::of(sandbox).unwrap_or_default();
            let in_no_root: Vec<&Path> = plan.paths_outside(writable.roots()).collect();
            let is_outside = |path: &&Path| in_no_root.contains(path) || writable.is_protected(path);
            plan.touched_paths().filter(is_outside).map(Path::to_owned).collect()
        }
    }
}
