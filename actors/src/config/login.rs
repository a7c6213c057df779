//! How people log in: `forced_login_method` and its kin, which LLMX and Codex know, and the table `[login]`.

use super::{Environment, file::ConfigFile, other_keys::OtherKeys};
use llmx_protocol::machine::login::ForcedMethod;
use serde::Deserialize;

/// Who ChatGPT accounts are with.
pub const OPENAI_ISSUER: &str = "https://auth.openai.com";

/// As what llmx is known there: the public client of the command line.
const OPENAI_CLIENT_ID: &str = "app_EMoamEEZ73f0CkXaXp7hrann";
const CHATGPT_BASE_URL: &str = "https://chatgpt.com/backend-api";
const CALLBACK_PORT: u16 = 1455;
/// `offline_access` is what a refresh token takes (OpenID Connect Core 1.0 §11).
const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// Where `cli_auth_credentials_store` wants credentials kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialsStore {
    /// In `auth.json`.
    #[default]
    File,
    /// In the desktop's secret service, which llmx does not speak to.
    Keyring,
    /// Wherever it can be done.
    Auto,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ForcedLoginMethod {
    Api,
    Chatgpt,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct LoginTable {
    issuer: Option<String>,
    client_id: Option<String>,
    scopes: Option<Vec<String>>,
    callback_port: Option<u16>,
    #[serde(flatten)]
    pub(super) others: OtherKeys,
}

/// Everything about logins that is configured, with defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginSettings {
    /// The only kind of login that is let in.
    pub forced_method: Option<ForcedMethod>,
    /// The only workspace whose members are let in.
    pub workspace: Option<String>,
    /// Where credentials are to be kept.
    pub store: CredentialsStore,
    /// The OpenID provider, without a slash at its end.
    pub issuer: String,
    /// As what llmx is registered with it.
    pub client_id: String,
    /// What it is asked for.
    pub scopes: Vec<String>,
    /// The port of this machine to which it sends the browser back; others are tried when that one is taken. 0 takes
    /// any.
    pub callback_port: u16,
    /// Where tokens are renewed, if not where the issuer says.
    pub refresh_token_url: Option<String>,
    /// The API of ChatGPT, without a slash at its end: its models and rate limits.
    pub chatgpt_base_url: String,
}

pub(super) fn settle(file: &ConfigFile, environment: &Environment) -> LoginSettings {
    let url = |written: &Option<String>, default: &str| {
        written.as_deref().unwrap_or(default).trim_end_matches('/').to_owned()
    };
    let table = &file.login;
    LoginSettings {
        forced_method: file.forced_login_method.map(|method| match method {
            ForcedLoginMethod::Api => ForcedMethod::Api,
            ForcedLoginMethod::Chatgpt => ForcedMethod::ChatGpt,
        }),
        workspace: file.forced_chatgpt_workspace_id.clone(),
        store: file.cli_auth_credentials_store,
        issuer: url(&table.issuer, OPENAI_ISSUER),
        client_id: table.client_id.clone().unwrap_or_else(|| OPENAI_CLIENT_ID.to_owned()),
        scopes: table.scopes.clone().unwrap_or_else(|| SCOPES.map(str::to_owned).to_vec()),
        callback_port: table.callback_port.unwrap_or(CALLBACK_PORT),
        refresh_token_url: environment.value("LLMX_REFRESH_TOKEN_URL_OVERRIDE").map(str::to_owned),
        chatgpt_base_url: url(&file.chatgpt_base_url, CHATGPT_BASE_URL),
    }
}
