//! What a sandbox is made from: the words of the session, never of a tool call.

use llmx_protocol::wire::policy::SandboxPolicy;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// How much of the sandbox this machine gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// Namespaces, Landlock and seccomp.
    Full,
    /// Landlock and seccomp only. `.git` and the metadata of files are open where a root is writable.
    WithoutNamespaces,
}

/// A sandbox for one command. All of it comes from the session's settings and the engine's environment: a directory
/// that the model names is never a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// What may be touched; not [`SandboxPolicy::DangerFullAccess`], which is no sandbox.
    pub policy: SandboxPolicy,
    /// The session's directory, a root under `workspace-write`.
    pub session_cwd: PathBuf,
    /// llmx's own home, which no command may write.
    pub llmx_home: Option<PathBuf>,
    /// The user's home, which is never a root.
    pub user_home: Option<PathBuf>,
    /// `$TMPDIR`, a root under `workspace-write` unless excluded.
    pub tmpdir: Option<PathBuf>,
    /// A directory where placeholders may wait to be used again. `None`: each is made and removed.
    pub spare_placeholders: Option<PathBuf>,
    /// Which walls to build. Whoever asks for less than everything does so knowingly: nothing falls back by itself.
    pub strength: Strength,
}

/// Set for commands that have no network, so that they can tell.
pub const NETWORK_DISABLED: &str = "LLMX_SANDBOX_NETWORK_DISABLED";

const BEGIN: &str = "--sandbox";

impl Sandbox {
    /// Whether the command may use the network.
    #[must_use]
    pub fn has_network(&self) -> bool {
        matches!(self.policy, SandboxPolicy::WorkspaceWrite { network_access: true, .. })
    }

    /// For the helper's command line. Other users can read it; there is nothing secret in it.
    pub(crate) fn to_arguments(&self) -> Vec<OsString> {
        let (policy, roots) = without_roots(&self.policy);
        let policy = serde_json::to_string(&policy).unwrap_or_default();
        let strength = match self.strength {
            Strength::Full => "full",
            Strength::WithoutNamespaces => "without-namespaces",
        };
        let path = |path: &Option<PathBuf>| path.clone().unwrap_or_default().into_os_string();
        let mut arguments = vec![
            BEGIN.into(),
            policy.into(),
            strength.into(),
            self.session_cwd.clone().into_os_string(),
            path(&self.llmx_home),
            path(&self.user_home),
            path(&self.tmpdir),
            path(&self.spare_placeholders),
            roots.len().to_string().into(),
        ];
        arguments.extend(roots.into_iter().map(PathBuf::into_os_string));
        arguments
    }

    /// Whether an argument begins what [`to_arguments`](Self::to_arguments) wrote.
    pub(crate) fn begins_with(argument: &OsStr) -> bool {
        argument == BEGIN
    }

    /// Reads what follows the beginning; `None` for anything the engine would not have written.
    pub(crate) fn from_arguments(arguments: &mut impl Iterator<Item = OsString>) -> Option<Self> {
        let mut policy = serde_json::from_str(arguments.next()?.to_str()?).ok()?;
        let strength = match arguments.next()?.to_str()? {
            "full" => Strength::Full,
            "without-namespaces" => Strength::WithoutNamespaces,
            _ => return None,
        };
        let session_cwd = PathBuf::from(arguments.next()?);
        let mut path = || arguments.next().map(|path| (!path.is_empty()).then(|| PathBuf::from(path)));
        let (llmx_home, user_home, tmpdir, spare_placeholders) = (path()?, path()?, path()?, path()?);
        let number: usize = arguments.next()?.to_str()?.parse().ok()?;
        let roots: Vec<PathBuf> = arguments.take(number).map(PathBuf::from).collect();
        if roots.len() != number {
            return None;
        }
        if let SandboxPolicy::WorkspaceWrite { writable_roots, .. } = &mut policy {
            *writable_roots = roots;
        }
        Some(Self { policy, session_cwd, llmx_home, user_home, tmpdir, spare_placeholders, strength })
    }
}

/// A path may be no UTF-8, which JSON cannot carry.
fn without_roots(policy: &SandboxPolicy) -> (SandboxPolicy, Vec<PathBuf>) {
    let mut policy = policy.clone();
    let roots = match &mut policy {
        SandboxPolicy::WorkspaceWrite { writable_roots, .. } => std::mem::take(writable_roots),
        SandboxPolicy::ReadOnly | SandboxPolicy::DangerFullAccess => Vec::new(),
    };
    (policy, roots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn the_helper_reads_back_what_the_engine_wrote() {
        for (tmpdir, strength) in [(None, Strength::Full), (Some("/t m p".into()), Strength::WithoutNamespaces)] {
            let sandbox = Sandbox {
                policy: SandboxPolicy::WorkspaceWrite {
                    writable_roots: vec!["/a".into(), OsStr::from_bytes(b"/not utf8 \xff").into()],
                    network_access: true,
                    exclude_tmpdir_env_var: false,
                    exclude_slash_tmp: true,
                },
                session_cwd: "/work dir".into(),
                llmx_home: Some("/home/me/.llmx".into()),
                user_home: None,
                tmpdir,
                spare_placeholders: Some("/home/me/.llmx/placeholders".into()),
                strength,
            };
            let mut arguments = sandbox.to_arguments().into_iter();
            assert!(Sandbox::begins_with(&arguments.next().unwrap()));
            assert_eq!(Sandbox::from_arguments(&mut arguments), Some(sandbox));
            assert_eq!(arguments.next(), None);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for foreign in [&[][..], &["{}"], &["{\"mode\":\"read-only\"}", "best-effort", "/", "", "", ""]] {
            assert_eq!(Sandbox::from_arguments(&mut foreign.iter().map(OsString::from)), None, "{foreign:?}");
        }
    }
}
