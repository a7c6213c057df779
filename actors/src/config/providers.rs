//! The providers that exist without being configured, and what a configuration makes of them.

use super::{
    Environment, ProviderInfo,
    provider::{OPENAI_BASE_URL, ProviderRecord, REPLAY_BASE_URL, WireApi},
};
use std::collections::BTreeMap;

const API_KEY: &str = "LLMX_API_KEY";
const OLLAMA_PORT: &str = "11434";

/// All providers by id: a written entry adds one, or changes the built-in of its id field by field.
pub(super) fn resolve(
    mut written: BTreeMap<String, ProviderRecord>,
    environment: &Environment,
) -> BTreeMap<String, ProviderInfo> {
    let mut providers = built_in(environment);
    for (id, base) in &mut providers {
        let record = written.remove(*id).unwrap_or_default();
        *base = finished(id, record, base.clone());
    }
    let mut providers: BTreeMap<_, _> = providers.into_iter().map(|(id, info)| (id.to_owned(), info)).collect();
    for (id, record) in written {
        let info = record.over(ProviderInfo::named(&id));
        providers.insert(id, info);
    }
    providers
}

/// Whether a provider of this id exists without being configured.
pub(super) fn is_built_in(id: &str) -> bool {
    built_in(&Environment::default()).contains_key(id)
}

/// This provider with every field replaced that the record has.
pub(super) fn changed(id: &str, base: &ProviderInfo, record: ProviderRecord) -> ProviderInfo {
    let written = record.store_responses;
    let info = record.over(base.clone());
    if id == "openai" && info.base_url != base.base_url {
        let kept = info.base_url == OPENAI_BASE_URL;
        return ProviderInfo { store_responses: written.unwrap_or(kept), ..info };
    }
    info
}

/// Only OpenAI's own server is known to keep responses; a proxy in its place may not.
fn finished(id: &str, record: ProviderRecord, base: ProviderInfo) -> ProviderInfo {
    let written = record.store_responses;
    let info = record.over(base);
    let kept = id == "openai" && info.base_url == OPENAI_BASE_URL;
    ProviderInfo { store_responses: written.unwrap_or(kept), ..info }
}

fn built_in(environment: &Environment) -> BTreeMap<&'static str, ProviderInfo> {
    BTreeMap::from([
        ("openai", openai(environment)),
        ("litellm", litellm(environment)),
        ("oss", oss(environment)),
        ("replay", replay()),
    ])
}

fn openai(environment: &Environment) -> ProviderInfo {
    let from_environment = [("OpenAI-Organization", "OPENAI_ORGANIZATION"), ("OpenAI-Project", "OPENAI_PROJECT")];
    ProviderInfo {
        base_url: shared_base_url(environment, OPENAI_BASE_URL),
        env_key: Some(API_KEY.to_owned()),
        env_key_required: true,
        requires_openai_auth: true,
        http_headers: BTreeMap::from([("version".to_owned(), env!("CARGO_PKG_VERSION").into())]),
        env_http_headers: from_environment.map(|(header, name)| (header.to_owned(), name.to_owned())).into(),
        ..ProviderInfo::named("OpenAI")
    }
}

/// Which APIs a proxy and a local server have depends on their age.
fn litellm(environment: &Environment) -> ProviderInfo {
    ProviderInfo {
        base_url: shared_base_url(environment, "http://localhost:4000/v1"),
        env_key: Some(API_KEY.to_owned()),
        wire_api: WireApi::Auto,
        ..ProviderInfo::named("LiteLLM")
    }
}

fn oss(environment: &Environment) -> ProviderInfo {
    let port = environment.value("LLMX_OSS_PORT").unwrap_or(OLLAMA_PORT);
    let local = format!("http://localhost:{port}/v1");
    let base_url = environment.value("LLMX_OSS_BASE_URL").unwrap_or(&local);
    ProviderInfo { base_url: base_url.to_owned(), wire_api: WireApi::Auto, ..ProviderInfo::named("gpt-oss") }
}

/// A recording may be of either API.
fn replay() -> ProviderInfo {
    ProviderInfo { base_url: REPLAY_BASE_URL.to_owned(), wire_api: WireApi::Auto, ..ProviderInfo::named("Replay") }
}

fn shared_base_url(environment: &Environment, default: &str) -> String {
    environment.value("LLMX_BASE_URL").unwrap_or(default).to_owned()
}
