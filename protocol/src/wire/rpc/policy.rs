//! Sandbox policies in the two spellings of the app-server's wire.

use super::absent_if_null;
use crate::wire::policy::{self as v1};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What commands may touch, as one word (`thread/start`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxMode {
    /// Reads everywhere, writes nowhere.
    #[serde(alias = "readOnly")]
    #[schemars(extend("x-aliases" = ["readOnly"]))]
    ReadOnly,
    /// Writes below the thread's directory.
    #[serde(alias = "workspaceWrite")]
    #[schemars(extend("x-aliases" = ["workspaceWrite"]))]
    WorkspaceWrite,
    /// No confinement.
    #[serde(alias = "dangerFullAccess")]
    #[schemars(extend("x-aliases" = ["dangerFullAccess"]))]
    DangerFullAccess,
}

/// What commands may touch (`turn/start`, and every result). Read with `type` or `mode` as the tag, and with the words
/// of [`SandboxMode`] too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", from = "AnyPolicy")]
pub enum SandboxPolicy {
    /// No confinement.
    DangerFullAccess,
    /// Reads everywhere, writes nowhere.
    ReadOnly {
        /// Always false: a policy that may not write may not talk either.
        network_access: bool,
    },
    /// Writes below the thread's directory and the listed roots.
    WorkspaceWrite {
        /// Further directories that may be written; absolute.
        writable_roots: Vec<PathBuf>,
        /// Whether the network may be used.
        network_access: bool,
        /// Whether `$TMPDIR` is kept read-only.
        exclude_tmpdir_env_var: bool,
        /// Whether `/tmp` is kept read-only.
        exclude_slash_tmp: bool,
    },
}

/// What is accepted for a [`SandboxPolicy`]: the spellings of both documents, every member but the tag left out at will.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AnyPolicy {
    #[serde(rename = "type", alias = "mode")]
    #[schemars(extend("x-aliases" = ["mode"]))]
    kind: PolicyKind,
    #[serde(default, deserialize_with = "absent_if_null", alias = "writable_roots")]
    #[schemars(extend("x-aliases" = ["writable_roots"]))]
    #[schemars(with = "Option<Vec<PathBuf>>")]
    writable_roots: Vec<PathBuf>,
    #[serde(default, deserialize_with = "absent_if_null", alias = "network_access")]
    #[schemars(extend("x-aliases" = ["network_access"]))]
    #[schemars(with = "Option<bool>")]
    network_access: bool,
    #[serde(default, deserialize_with = "absent_if_null", alias = "exclude_tmpdir_env_var")]
    #[schemars(extend("x-aliases" = ["exclude_tmpdir_env_var"]))]
    #[schemars(with = "Option<bool>")]
    exclude_tmpdir_env_var: bool,
    #[serde(default, deserialize_with = "absent_if_null", alias = "exclude_slash_tmp")]
    #[schemars(extend("x-aliases" = ["exclude_slash_tmp"]))]
    #[schemars(with = "Option<bool>")]
    exclude_slash_tmp: bool,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum PolicyKind {
    /// No confinement. Whoever says that llmx is confined from outside wants no second confinement.
    #[serde(alias = "danger-full-access", alias = "externalSandbox", alias = "external-sandbox")]
    #[schemars(extend("x-aliases" = ["danger-full-access", "externalSandbox", "external-sandbox"]))]
    DangerFullAccess,
    /// Reads everywhere, writes nowhere.
    #[serde(alias = "read-only")]
    #[schemars(extend("x-aliases" = ["read-only"]))]
    ReadOnly,
    /// Writes below the thread's directory and the listed roots.
    #[serde(alias = "workspace-write")]
    #[schemars(extend("x-aliases" = ["workspace-write"]))]
    WorkspaceWrite,
}

impl From<AnyPolicy> for SandboxPolicy {
    fn from(any: AnyPolicy) -> Self {
        match any.kind {
            PolicyKind::DangerFullAccess => Self::DangerFullAccess,
            PolicyKind::ReadOnly => Self::ReadOnly { network_access: false },
            PolicyKind::WorkspaceWrite => Self::WorkspaceWrite {
                writable_roots: any.writable_roots,
                network_access: any.network_access,
                exclude_tmpdir_env_var: any.exclude_tmpdir_env_var,
                exclude_slash_tmp: any.exclude_slash_tmp,
            },
        }
    }
}

impl From<SandboxPolicy> for v1::SandboxPolicy {
    fn from(policy: SandboxPolicy) -> Self {
        match policy {
            SandboxPolicy::DangerFullAccess => Self::DangerFullAccess,
            SandboxPolicy::ReadOnly { .. } => Self::ReadOnly,
            SandboxPolicy::WorkspaceWrite {
                writable_roots,
                network_access,
                exclude_tmpdir_env_var,
                exclude_slash_tmp,
            } => Self::WorkspaceWrite { writable_roots, network_access, exclude_tmpdir_env_var, exclude_slash_tmp },
        }
    }
}

impl From<v1::SandboxPolicy> for SandboxPolicy {
    fn from(policy: v1::SandboxPolicy) -> Self {
        match policy {
            v1::SandboxPolicy::DangerFullAccess => Self::DangerFullAccess,
            v1::SandboxPolicy::ReadOnly => Self::ReadOnly { network_access: false },
            v1::SandboxPolicy::WorkspaceWrite {
                writable_roots,
                network_access,
                exclude_tmpdir_env_var,
                exclude_slash_tmp,
            } => Self::WorkspaceWrite { writable_roots, network_access, exclude_tmpdir_env_var, exclude_slash_tmp },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &str) {
        let policy: SandboxPolicy = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&policy).unwrap(), expected, "{json}");
    }

    #[test]
    fn both_documents_are_read_and_one_is_written() {
        check(r#"{"type":"dangerFullAccess"}"#, r#"{"type":"dangerFullAccess"}"#);
        check(r#"{"mode":"danger-full-access"}"#, r#"{"type":"dangerFullAccess"}"#);
        check(r#"{"mode":"readOnly"}"#, r#"{"type":"readOnly","networkAccess":false}"#);
        let full = concat!(
            r#"{"type":"workspaceWrite","writableRoots":["/a"],"networkAccess":true,"#,
            r#""excludeTmpdirEnvVar":false,"excludeSlashTmp":false}"#
        );
        check(r#"{"mode":"workspaceWrite","writableRoots":["/a"],"networkAccess":true}"#, full);
        check(r#"{"type":"workspace-write","writable_roots":["/a"],"network_access":true}"#, full);
    }

    #[test]
    fn an_unknown_policy_is_named() {
        let error = serde_json::from_str::<SandboxPolicy>(r#"{"type":"some"}"#).unwrap_err();
        assert!(error.to_string().contains("`some`"), "{error}");
        let error = serde_json::from_str::<SandboxPolicy>("{}").unwrap_err();
        assert!(error.to_string().contains("`type`"), "{error}");
    }

    #[test]
    fn a_mode_is_read_in_both_spellings() {
        for text in [r#""workspaceWrite""#, r#""workspace-write""#] {
            assert_eq!(serde_json::from_str::<SandboxMode>(text).unwrap(), SandboxMode::WorkspaceWrite);
        }
    }
}
