//! A model provider: where its server is, how to prove who we are, how patient to be with it.

use super::{Environment, Secret, other_keys::OtherKeys};
use serde::Deserialize;
use std::{collections::BTreeMap, path::PathBuf};

/// Where requests go unless a provider says otherwise.
pub const OPENAI_BASE_URL: &str = "https://api.openai.com/v1";

/// The base URL of a provider that has no server: the session answers from `recording` through a
/// [`ReplayServer`](crate::replay::ReplayServer) of its own. No HTTP client can connect to it by mistake.
pub const REPLAY_BASE_URL: &str = "replay:";

/// No retry setting counts beyond this.
const MOST_RETRIES: u64 = 100;

/// The dialect a provider speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireApi {
    /// The Responses API, llmx's own.
    #[default]
    Responses,
    /// Chat Completions.
    Chat,
    /// The Responses API where the server has it, else Chat Completions.
    Auto,
}

/// A program that prints a provider's key, as the first line of its standard output.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct AuthCommand {
    /// The program, searched in the `PATH` unless it has a slash.
    pub command: String,
    /// Its arguments. Other users of the machine can read them.
    #[serde(default)]
    pub args: Vec<String>,
    /// How long it may take, in milliseconds.
    #[serde(default = "five_seconds")]
    pub timeout_ms: u64,
    /// How long a key is used before the program is asked again, in milliseconds; 0: until a server refuses it.
    #[serde(default = "five_minutes")]
    pub refresh_interval_ms: u64,
}

fn five_seconds() -> u64 {
    5_000
}

fn five_minutes() -> u64 {
    300_000
}

/// A provider with every default filled in. From JSON (`configure_session.provider`) it is read with the names of
/// `[model_providers.<id>]` in `config.toml`; absent and null fields get the same defaults.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "ProviderRecord")]
pub struct ProviderInfo {
    /// What to call it in messages to a person.
    pub name: String,
    /// What paths such as `responses` are appended to, without a slash at its end.
    pub base_url: String,
    /// The environment variable that holds the API key.
    pub env_key: Option<String>,
    /// Whether a request without the key in `env_key` is pointless.
    pub env_key_required: bool,
    /// Said to a person whose `env_key` is missing: how to get one.
    pub env_key_instructions: Option<String>,
    /// The API key itself; wins over `env_key`.
    pub experimental_bearer_token: Option<Secret>,
    /// A program that prints the key; wins over `env_key`.
    pub auth: Option<AuthCommand>,
    /// The dialect.
    pub wire_api: WireApi,
    /// Appended to every URL.
    pub query_params: BTreeMap<String, String>,
    /// Sent with every request.
    pub http_headers: BTreeMap<String, Secret>,
    /// Headers whose values are in the named environment variables; left out when the variable is blank.
    pub env_http_headers: BTreeMap<String, String>,
    /// How often a request that got no 2xx is sent again, at most 100.
    pub request_max_retries: u64,
    /// How often a turn is requested again after its stream broke, at most 100.
    pub stream_max_retries: u64,
    /// After this many milliseconds without an event the stream counts as broken.
    pub stream_idle_timeout_ms: u64,
    /// The longest answer asked for, in tokens; Chat Completions only. Without it, or below 1, the server's own limit
    /// holds, where its API does not insist on being told.
    pub max_tokens: Option<i64>,
    /// Whether the credentials of `llmx login` belong to this provider.
    pub requires_openai_auth: bool,
    /// Whether the server keeps its responses, so that `previous_response_id` may be sent instead of the history.
    pub store_responses: bool,
    /// The recorded model session that answers instead of a server (see [`crate::replay`]); relative to the current
    /// directory of the engine.
    pub recording: Option<PathBuf>,
    /// Whether it is played as slowly as it was recorded; else as fast as it is read.
    pub recorded_pauses: bool,
    /// The file in which every exchange with this provider is recorded (see [`crate::replay`]), after what it holds
    /// already; relative to the current directory of the engine.
    pub record: Option<PathBuf>,
}

impl ProviderInfo {
    /// A provider of which nothing but the name is known.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            base_url: OPENAI_BASE_URL.to_owned(),
            env_key: None,
            env_key_required: false,
            env_key_instructions: None,
            experimental_bearer_token: None,
            auth: None,
            wire_api: WireApi::default(),
            query_params: BTreeMap::new(),
            http_headers: BTreeMap::new(),
            env_http_headers: BTreeMap::new(),
            request_max_retries: 4,
            stream_max_retries: 5,
            stream_idle_timeout_ms: 300_000,
            max_tokens: None,
            requires_openai_auth: false,
            store_responses: false,
            recording: None,
            recorded_pauses: true,
            record: None,
        }
    }

    /// Whether a recording answers instead of a server.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        self.base_url == REPLAY_BASE_URL
    }

    /// The key to send as `Authorization: Bearer`, if the provider wants one.
    ///
    /// # Errors
    /// The text for a person when the variable that should hold the key is not set or blank.
    pub fn api_key(&self, environment: &Environment) -> Result<Option<Secret>, String> {
        if let Some(token) = &self.experimental_bearer_token {
            return Ok(Some(token.clone()));
        }
        let Some(name) = &self.env_key else {
            return Ok(None);
        };
        match environment.value(name) {
            Some(key) => Ok(Some(key.into())),
            None if self.env_key_required => Err(self.missing_key(name)),
            None => Ok(None),
        }
    }

    fn missing_key(&self, variable: &str) -> String {
        let instructions = self.env_key_instructions.iter().map(|text| format!(" {text}")).collect::<String>();
        format!("Missing environment variable: `{variable}`.{instructions}")
    }

    /// The URL of an endpoint, `responses` for example, with the provider's query parameters.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let parameters = self.query_params.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
        let query = parameters.collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}/{}{mark}{query}", self.base_url, path.trim_start_matches('/'))
    }

    /// The provider's own headers, names as configured. Their values may be credentials.
    #[must_use]
    pub fn headers(&self, environment: &Environment) -> Vec<(String, String)> {
        let fixed = self.http_headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
        let named = self.env_http_headers.iter();
        let named = named.filter_map(|(name, variable)| Some((name.clone(), environment.value(variable)?.to_owned())));
        fixed.chain(named).collect()
    }
}

/// Names of headers and parameters that look like this have credentials as values.
const TELLTALES: [&str; 6] = ["auth", "cookie", "key", "pass", "secret", "token"];

fn is_telling(name: &str) -> bool {
    TELLTALES.iter().any(|part| name.to_lowercase().contains(part))
}

impl ProviderInfo {
    /// The environment variables that hold such credentials.
    pub fn secret_variables(&self) -> impl Iterator<Item = &str> {
        let named = self.env_http_headers.iter().filter(|(header, _)| is_telling(header));
        self.env_key.iter().chain(named.map(|(_, variable)| variable)).map(String::as_str)
    }

    /// Everything of this provider that must not show up anywhere, as far as it is known.
    #[must_use]
    pub fn secrets(&self, environment: &Environment) -> Vec<String> {
        let key = self.env_key.as_ref().and_then(|name| environment.value(name)).map(str::to_owned);
        let token = self.experimental_bearer_token.as_ref().map(|token| token.expose().to_owned());
        let named = self.headers(environment).into_iter().chain(self.query_params.clone());
        key.into_iter().chain(token).chain(named.filter(|(name, _)| is_telling(name)).map(|(_, value)| value)).collect()
    }
}

/// RFC 3986: everything but the unreserved characters as `%XX`.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// What a person wrote about a provider: each field may be missing.
#[derive(Clone, Default, Deserialize)]
pub(super) struct ProviderRecord {
    name: Option<String>,
    base_url: Option<String>,
    env_key: Option<String>,
    env_key_instructions: Option<String>,
    experimental_bearer_token: Option<Secret>,
    auth: Option<AuthCommand>,
    wire_api: Option<WireApi>,
    query_params: Option<BTreeMap<String, String>>,
    http_headers: Option<BTreeMap<String, Secret>>,
    env_http_headers: Option<BTreeMap<String, String>>,
    request_max_retries: Option<u64>,
    stream_max_retries: Option<u64>,
    stream_idle_timeout_ms: Option<u64>,
    max_tokens: Option<i64>,
    requires_openai_auth: Option<bool>,
    pub(super) store_responses: Option<bool>,
    recording: Option<PathBuf>,
    recorded_pauses: Option<bool>,
    record: Option<PathBuf>,
    #[serde(flatten)]
    pub(super) others: OtherKeys,
}

impl ProviderRecord {
    /// Whether it says whom to ask.
    pub(super) fn has_server(&self) -> bool {
        self.base_url.is_some() || self.recording.is_some()
    }
}

impl ProviderRecord {
    /// `base` with every field replaced that was written down.
    pub(super) fn over(self, base: ProviderInfo) -> ProviderInfo {
        let replayed = self.recording.as_ref().map(|_| REPLAY_BASE_URL.to_owned());
        let base_url = self.base_url.or(replayed).unwrap_or(base.base_url);
        ProviderInfo {
            name: self.name.unwrap_or(base.name),
            base_url: base_url.trim_end_matches('/').to_owned(),
            // Who names a variable wants it used, even where the built-in can do without.
            env_key_required: self.env_key.is_some() || base.env_key_required,
            env_key: self.env_key.or(base.env_key),
            env_key_instructions: self.env_key_instructions.or(base.env_key_instructions),
            experimental_bearer_token: self.experimental_bearer_token.or(base.experimental_bearer_token),
            auth: self.auth.or(base.auth),
            wire_api: self.wire_api.unwrap_or(base.wire_api),
            query_params: self.query_params.unwrap_or(base.query_params),
            http_headers: self.http_headers.unwrap_or(base.http_headers),
            env_http_headers: self.env_http_headers.unwrap_or(base.env_http_headers),
            request_max_retries: self.request_max_retries.unwrap_or(base.request_max_retries).min(MOST_RETRIES),
            stream_max_retries: self.stream_max_retries.unwrap_or(base.stream_max_retries).min(MOST_RETRIES),
            stream_idle_timeout_ms: self.stream_idle_timeout_ms.unwrap_or(base.stream_idle_timeout_ms),
            max_tokens: self.max_tokens.or(base.max_tokens),
            requires_openai_auth: self.requires_openai_auth.unwrap_or(base.requires_openai_auth),
            store_responses: self.store_responses.unwrap_or(base.store_responses),
            recording: self.recording.or(base.recording),
            recorded_pauses: self.recorded_pauses.unwrap_or(base.recorded_pauses),
            record: self.record.or(base.record),
        }
    }
}

impl From<ProviderRecord> for ProviderInfo {
    fn from(record: ProviderRecord) -> Self {
        record.over(Self::named("custom"))
    }
}
