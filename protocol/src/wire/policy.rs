//! Settings of a session: who is asked, what a command may touch, how the model is asked to think.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// When a person is asked before a command runs. The app-server's document spells these in camelCase; that is read too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AskForApproval {
    /// Ask for every command that is not known to be safe.
    #[serde(alias = "unlessTrusted")]
    #[schemars(extend("x-aliases" = ["unlessTrusted"]))]
    Untrusted,
    /// Run in the sandbox; ask to run again without it when the sandbox got in the way.
    #[serde(alias = "onFailure")]
    #[schemars(extend("x-aliases" = ["onFailure"]))]
    OnFailure,
    /// Ask when the model asks for it, or when the command looks dangerous.
    #[default]
    #[serde(alias = "onRequest")]
    #[schemars(extend("x-aliases" = ["onRequest"]))]
    OnRequest,
    /// Never ask; a denial is the model's to handle.
    Never,
}

impl AskForApproval {
    /// The wire name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted",
            Self::OnFailure => "on-failure",
            Self::OnRequest => "on-request",
            Self::Never => "never",
        }
    }
}

/// What a command may touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub enum SandboxPolicy {
    /// No confinement at all.
    DangerFullAccess,
    /// Reads everywhere, writes nowhere, no network.
    #[default]
    ReadOnly,
    /// Reads everywhere, writes below the session's directory and the listed roots.
    WorkspaceWrite {
        /// Further directories that may be written.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        writable_roots: Vec<PathBuf>,
        /// Whether the network may be used.
        #[serde(default)]
        network_access: bool,
        /// Whether `$TMPDIR` is kept read-only.
        #[serde(default)]
        exclude_tmpdir_env_var: bool,
        /// Whether `/tmp` is kept read-only.
        #[serde(default)]
        exclude_slash_tmp: bool,
    },
}

impl SandboxPolicy {
    /// The wire name of the mode.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        match self {
            Self::DangerFullAccess => "danger-full-access",
            Self::ReadOnly => "read-only",
            Self::WorkspaceWrite { .. } => "workspace-write",
        }
    }

    /// Whether commands run without any confinement.
    #[must_use]
    pub fn is_unrestricted(&self) -> bool {
        matches!(self, Self::DangerFullAccess)
    }
}

/// How hard a reasoning model is asked to think.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningEffort {
    /// Hardly. Newer wires also have `none`.
    #[serde(alias = "none")]
    #[schemars(extend("x-aliases" = ["none"]))]
    Minimal,
    /// A little.
    Low,
    /// The model's ordinary way.
    #[default]
    Medium,
    /// Much. Newer wires also have `xhigh` and `max`.
    #[serde(alias = "xhigh", alias = "max")]
    #[schemars(extend("x-aliases" = ["xhigh", "max"]))]
    High,
}

/// How a reasoning model is asked to sum up its thoughts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningSummary {
    /// As the model likes.
    #[default]
    Auto,
    /// Short.
    Concise,
    /// Long.
    Detailed,
    /// Not at all.
    None,
}

/// How long the model's answers are asked to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verbosity {
    /// Short.
    Low,
    /// Ordinary.
    Medium,
    /// Long.
    High,
}
