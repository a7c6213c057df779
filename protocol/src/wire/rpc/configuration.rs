//! What is configured: models, providers, settings.

use super::Null;
use super::absent_if_null;
use crate::wire::policy::ReasoningEffort;
use serde_json::{Map, Value};
use std::path::PathBuf;

wire! {
    /// An effort that a model can be asked for.
    pub struct ReasoningEffortOption {
        /// The effort.
        pub reasoning_effort: ReasoningEffort,
        /// For a person.
        pub description: String,
    }

    /// A model.
    pub struct Model {
        /// Its name.
        pub id: String,
        /// The same.
        pub model: String,
        /// Not known to llmx.
        pub upgrade: Null,
        /// Not known to llmx.
        pub upgrade_info: Null,
        /// Not known to llmx.
        pub availability_nux: Null,
        /// Its name for people.
        pub display_name: String,
        /// For a person.
        pub description: String,
        /// Not known to llmx.
        pub model_specialty: Null,
        /// Whether lists leave it out.
        pub hidden: bool,
        /// The efforts that it can be asked for.
        pub supported_reasoning_efforts: Vec<ReasoningEffortOption>,
        /// The effort without being asked.
        pub default_reasoning_effort: ReasoningEffort,
        /// What it reads.
        pub input_modalities: Vec<String>,
        /// Not known to llmx.
        pub supports_personality: bool,
        /// Not known to llmx.
        pub multi_agent_version: Null,
        /// Not known to llmx: none.
        pub additional_speed_tiers: Vec<String>,
        /// Not known to llmx: none.
        pub service_tiers: Vec<Value>,
        /// Not known to llmx.
        pub default_service_tier: Null,
        /// Not known to llmx.
        pub available_access_programs: Null,
        /// Whether threads that name none have it.
        pub is_default: bool,
    }

    /// Result of `model/list`.
    pub struct ModelListResponse {
        /// The models.
        pub data: Vec<Model>,
        /// For the next page.
        pub next_cursor: Option<String>,
    }

    /// A provider of models.
    pub struct ModelProvider {
        /// Its id.
        pub id: String,
        /// Its name for people.
        pub name: String,
        /// Where it is.
        pub base_url: String,
        /// Its dialect: `responses`, `chat` or `auto`.
        pub wire_api: String,
        /// Whether it wants an account with OpenAI.
        pub requires_openai_auth: bool,
        /// Whether threads that name none have it.
        pub is_default: bool,
    }

    /// Result of `modelProvider/list`.
    pub struct ModelProviderListResponse {
        /// The providers.
        pub data: Vec<ModelProvider>,
        /// For the next page: there is none.
        pub next_cursor: Null,
    }

    /// Result of `config/read`.
    pub struct ConfigReadResponse {
        /// The settings under the names of `config.toml`.
        pub config: Map<String, Value>,
        /// Where they come from; llmx does not say.
        pub origins: Map<String, Value>,
        /// The same in layers; llmx does not say.
        pub layers: Null,
    }

    /// Result of lists that llmx has nothing for.
    pub struct EmptyListResponse {
        /// Nothing.
        pub data: Vec<Value>,
        /// There is no next page.
        pub next_cursor: Null,
    }

    /// The skills of a directory: llmx has none.
    pub struct SkillsOfDirectory {
        /// The directory.
        pub cwd: PathBuf,
        /// Nothing.
        pub skills: Vec<Value>,
        /// Nothing.
        pub errors: Vec<Value>,
    }

    /// Result of `skills/list`.
    pub struct SkillsListResponse {
        /// A directory each that was asked about.
        pub data: Vec<SkillsOfDirectory>,
    }
}

optional_params! {
    /// Params of `config/read`.
    pub struct ConfigReadParams {
        /// Whether layers are wanted.
        #[serde(default, deserialize_with = "absent_if_null")]
        #[schemars(with = "Option<bool>")]
        pub include_layers: bool,
    }

    /// Params of `skills/list`.
    pub struct SkillsListParams {
        /// Which directories.
        #[serde(default, deserialize_with = "absent_if_null")]
        #[schemars(with = "Option<Vec<PathBuf>>")]
        pub cwds: Vec<PathBuf>,
    }

    /// Params of methods that need none.
    pub struct AnyParams {}
}
