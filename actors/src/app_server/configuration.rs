//! What clients may know of the configuration.

use super::AppServerOptions;
use crate::config::{Config, ProviderInfo, WireApi, load};
use llmx_protocol::wire::{
    policy::{ReasoningEffort, SandboxPolicy},
    rpc::{
        RpcError,
        configuration::{
            ConfigReadResponse, Model, ModelListResponse, ModelProvider, ModelProviderListResponse,
            ReasoningEffortOption, SkillsListParams, SkillsListResponse, SkillsOfDirectory,
        },
        thread::PageParams,
    },
};
use serde_json::{Map, Value, json};

/// Whether the configured provider wants an account with OpenAI.
pub(super) fn wants_account(options: &AppServerOptions) -> bool {
    let config = &options.config;
    config.providers.get(&config.model_provider).is_some_and(|p| p.requires_openai_auth)
}

/// Whether a key of its own is there for the configured provider.
pub(super) fn has_key(options: &AppServerOptions) -> bool {
    let config = &options.config;
    config.providers.get(&config.model_provider).is_some_and(|p| {
        let in_environment = p.env_key.as_deref().and_then(|name| options.sources.environment.value(name));
        p.experimental_bearer_token.is_some() || in_environment.is_some()
    })
}

/// The one model that is configured: llmx knows no catalogue, and any other name may be given just as well.
pub(super) fn models(config: &Config, page: &PageParams) -> Result<ModelListResponse, RpcError> {
    let skipped = match page.cursor.as_deref() {
        None => 0,
        Some(cursor) => {
            cursor.parse::<usize>().map_err(|_| RpcError::invalid_request(format!("invalid cursor: {cursor}")))?
        }
    };
    if skipped > 1 {
        return Err(RpcError::invalid_request(format!("cursor {skipped} exceeds total models 1")));
    }
    let model = (skipped == 0).then(|| model(config));
    Ok(ModelListResponse { data: model.into_iter().collect(), next_cursor: None })
}

fn model(config: &Config) -> Model {
    let effort = |reasoning_effort, description: &str| ReasoningEffortOption {
        reasoning_effort,
        description: description.to_owned(),
    };
    Model {
        id: config.model.clone(),
        model: config.model.clone(),
        upgrade: (),
        upgrade_info: (),
        availability_nux: (),
        display_name: config.model.clone(),
        description: "The configured model".to_owned(),
        model_specialty: (),
        hidden: false,
        supported_reasoning_efforts: vec![
            effort(ReasoningEffort::Minimal, "Answers at once"),
            effort(ReasoningEffort::Low, "Thinks a little"),
            effort(ReasoningEffort::Medium, "Thinks as much as most tasks need"),
            effort(ReasoningEffort::High, "Thinks long"),
        ],
        default_reasoning_effort: config.model_reasoning_effort.unwrap_or_default(),
        input_modalities: vec!["text".to_owned(), "image".to_owned()],
        supports_personality: false,
        multi_agent_version: (),
        additional_speed_tiers: Vec::new(),
        service_tiers: Vec::new(),
        default_service_tier: (),
        available_access_programs: (),
        is_default: true,
    }
}

pub(super) fn providers(config: &Config) -> ModelProviderListResponse {
    let provider = |(id, info): (&String, &ProviderInfo)| ModelProvider {
        id: id.clone(),
        name: info.name.clone(),
        base_url: info.base_url.clone(),
        wire_api: dialect(info.wire_api).to_owned(),
        requires_openai_auth: info.requires_openai_auth,
        is_default: *id == config.model_provider,
    };
    ModelProviderListResponse { data: config.providers.iter().map(provider).collect(), next_cursor: () }
}

fn dialect(wire: WireApi) -> &'static str {
    match wire {
        WireApi::Responses => "responses",
        WireApi::Chat => "chat",
        WireApi::Auto => "auto",
    }
}

/// As the file and the arguments have it now. Keys and headers stay here.
pub(super) fn read(options: &AppServerOptions) -> Result<ConfigReadResponse, RpcError> {
    let loaded = load(&options.sources).map_err(|error| RpcError::invalid_request(error.to_string()))?;
    Ok(ConfigReadResponse { config: settings(&loaded.config), origins: Map::new(), layers: () })
}

fn settings(config: &Config) -> Map<String, Value> {
    let providers: Map<_, _> = config.providers.iter().map(|(id, info)| (id.clone(), provider(info))).collect();
    let workspace_write = match &config.sandbox_policy {
        SandboxPolicy::WorkspaceWrite { writable_roots, network_access, exclude_tmpdir_env_var, exclude_slash_tmp } => {
            json!({"writable_roots": writable_roots, "network_access": network_access,
                "exclude_tmpdir_env_var": exclude_tmpdir_env_var, "exclude_slash_tmp": exclude_slash_tmp})
        }
        _ => Value::Null,
    };
    let settings = json!({
        "model": config.model,
        "review_model": null,
        "model_context_window": config.model_context_window,
        "model_provider": config.model_provider,
        "approval_policy": config.approval_policy,
        "sandbox_mode": config.sandbox_policy.mode(),
        "sandbox_workspace_write": workspace_write,
        "model_reasoning_effort": config.model_reasoning_effort,
        "model_reasoning_summary": config.model_reasoning_summary,
        "model_verbosity": config.model_verbosity,
        "instructions": null,
        "developer_instructions": config.developer_instructions,
        "model_providers": providers,
        "profile": null,
        "tools": null,
        "hide_agent_reasoning": config.hide_agent_reasoning,
        "show_raw_agent_reasoning": config.show_raw_agent_reasoning,
    });
    if let Value::Object(settings) = settings { settings } else { Map::new() }
}

fn provider(info: &ProviderInfo) -> Value {
    json!({
        "name": info.name,
        "base_url": info.base_url,
        "env_key": info.env_key,
        "wire_api": dialect(info.wire_api),
        "request_max_retries": info.request_max_retries,
        "stream_max_retries": info.stream_max_retries,
        "stream_idle_timeout_ms": info.stream_idle_timeout_ms,
        "requires_openai_auth": info.requires_openai_auth,
    })
}

pub(super) fn skills(options: &AppServerOptions, params: SkillsListParams) -> SkillsListResponse {
    let cwds = if params.cwds.is_empty() { vec![options.cwd.clone()] } else { params.cwds };
    let none = |cwd| SkillsOfDirectory { cwd, skills: Vec::new(), errors: Vec::new() };
    SkillsListResponse { data: cwds.into_iter().map(none).collect() }
}
