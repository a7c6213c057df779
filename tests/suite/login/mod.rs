//! Who is logged in: `llmx login`, `llmx logout`, `auth.json`, and what models are sent.

mod accounts;
mod command_line;
mod models;

use llmx_tests::world::Issuer;
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A home whose logins go to a test's issuer.
pub(crate) struct Home {
    directory: TempDir,
}

impl Home {
    pub(crate) fn with(issuer: &Issuer) -> Self {
        let home = Self { directory: TempDir::with_prefix("llmx-login-").unwrap() };
        fs::write(home.path().join("config.toml"), login_table(issuer)).unwrap();
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn auth_json(&self) -> PathBuf {
        self.path().join("auth.json")
    }

    /// What is kept, which must be for the owner alone.
    pub(crate) fn kept(&self) -> Value {
        let file = self.auth_json();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
    }
}

pub(crate) fn login_table(issuer: &Issuer) -> String {
    format!("[login]\nissuer = '{}'\nclient_id = 'llmx-test'\ncallback_port = 0\n", issuer.url())
}
