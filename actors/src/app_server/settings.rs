//! What a thread runs under, as a client chose it.

use crate::config::{Config, ConfigSources, load};
use llmx_protocol::machine::settings::Settings;
use llmx_protocol::wire::{
    item::UserInput,
    op::{ConfigureSession, Op, OverrideTurnContext, UserTurn},
    policy::{AskForApproval, ReasoningEffort, ReasoningSummary, SandboxPolicy},
    rpc::{policy::SandboxMode, thread::ThreadStartParams, turn::TurnStartParams},
};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

/// What the next turn of a thread runs under.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ThreadSettings {
    pub(crate) cwd: PathBuf,
    pub(crate) model: String,
    pub(crate) provider: String,
    /// The provider itself, where only the client's own configuration knows it.
    pub(crate) provider_record: Option<ProviderRecord>,
    /// What is otherwise than a known provider has it.
    pub(crate) provider_overrides: Option<ProviderRecord>,
    pub(crate) approval_policy: AskForApproval,
    pub(crate) sandbox_policy: SandboxPolicy,
    pub(crate) effort: Option<ReasoningEffort>,
    pub(crate) summary: ReasoningSummary,
}

impl ThreadSettings {
    /// From the user's configuration as it now is, and what the client wants otherwise.
    ///
    /// # Errors
    /// What is wrong with either, in a sentence.
    pub(crate) fn derive(sources: &ConfigSources, cwd: &Path, params: &ThreadStartParams) -> Result<Self, String> {
        let without = sources;
        let mut sources = sources.clone();
        let set = params.config.iter().flatten().filter(|(_, value)| !value.is_null());
        let keys = set.map(|(key, value)| format!("{key}={}", toml_text(value)));
        sources.overrides.extend(keys);
        sources.overrides.extend(params.sandbox.map(|mode| format!("sandbox_mode=\"{}\"", word(mode))));
        sources.overrides.extend(params.model_provider.iter().map(|id| format!("model_provider={}", quoted(id))));
        let config = load(&sources).map_err(|error| error.to_string())?.config;
        let record = params.config.as_ref().and_then(|given| provider_record(given, &config.model_provider));
        // One that the engine knows it finds by its id, and changes.
        let is_known = |id: &String| load(without).is_ok_and(|loaded| loaded.config.providers.contains_key(id));
        let (overrides, record) = match record {
            Some(record) if is_known(&config.model_provider) => (Some(record), None),
            record => (None, record.map(|record| record.named(&config.model_provider))),
        };
        Ok(Self { provider_record: record, provider_overrides: overrides, ..Self::of(config, cwd, params) })
    }

    fn of(config: Config, cwd: &Path, params: &ThreadStartParams) -> Self {
        Self {
            cwd: params.cwd.as_ref().map_or_else(|| cwd.to_owned(), |given| cwd.join(given)),
            model: params.model.clone().unwrap_or(config.model),
            provider: config.model_provider,
            provider_record: None,
            provider_overrides: None,
            approval_policy: params.approval_policy.unwrap_or(config.approval_policy),
            sandbox_policy: config.sandbox_policy,
            effort: config.model_reasoning_effort,
            summary: config.model_reasoning_summary,
        }
    }

    /// Those of a session that goes on, with what the client wants otherwise.
    pub(crate) fn recorded(recorded: &Settings, wanted: &Self, params: &ThreadStartParams) -> Self {
        let now = wanted.clone();
        Self {
            cwd: if params.cwd.is_some() { now.cwd } else { recorded.cwd.clone() },
            model: if params.model.is_some() { now.model } else { recorded.model.clone() },
            provider: recorded_provider(recorded),
            provider_record: None,
            provider_overrides: None,
            approval_policy: params.approval_policy.unwrap_or(recorded.approval_policy),
            sandbox_policy: if params.sandbox.is_some() { now.sandbox_policy } else { recorded.sandbox_policy.clone() },
            effort: recorded.effort,
            summary: recorded.summary.unwrap_or_default(),
        }
    }

    /// The op that makes a session so.
    pub(crate) fn configure(&self, params: &ThreadStartParams) -> Op {
        Op::ConfigureSession(Box::new(ConfigureSession {
            cwd: Some(self.cwd.clone()),
            model: Some(self.model.clone()),
            model_provider: Some(self.provider.clone()),
            provider: self.provider_record.as_ref().map(ProviderRecord::value),
            provider_overrides: self.provider_overrides.as_ref().map(ProviderRecord::value),
            approval_policy: Some(self.approval_policy),
            sandbox_policy: Some(self.sandbox_policy.clone()),
            model_reasoning_effort: self.effort,
            model_reasoning_summary: Some(self.summary),
            base_instructions: params.base_instructions.clone(),
            developer_instructions: params.developer_instructions.clone(),
            ..ConfigureSession::default()
        }))
    }

    /// These settings as a turn changes them.
    pub(crate) fn changed_by(&self, turn: &TurnStartParams) -> Self {
        let now = self.clone();
        Self {
            cwd: turn.cwd.as_ref().map_or(now.cwd, |cwd| self.cwd.join(cwd)),
            model: turn.model.clone().unwrap_or(now.model),
            approval_policy: turn.approval_policy.unwrap_or(now.approval_policy),
            sandbox_policy: turn.sandbox_policy.clone().map_or(now.sandbox_policy, Into::into),
            effort: turn.effort.or(now.effort),
            summary: turn.summary.unwrap_or(now.summary),
            provider: now.provider,
            provider_record: now.provider_record,
            provider_overrides: now.provider_overrides,
        }
    }

    /// The op that has the session go on under them.
    pub(crate) fn override_op(&self) -> Op {
        Op::OverrideTurnContext(Box::new(OverrideTurnContext {
            cwd: Some(self.cwd.clone()),
            approval_policy: Some(self.approval_policy),
            sandbox_policy: Some(self.sandbox_policy.clone()),
            model: Some(self.model.clone()),
            effort: Some(self.effort),
            summary: Some(self.summary),
        }))
    }

    /// The op that starts a turn under them.
    pub(crate) fn user_turn(&self, items: Vec<UserInput>, schema: Option<Value>) -> Op {
        Op::UserTurn(Box::new(UserTurn {
            items,
            last_response_id: None,
            cwd: self.cwd.clone(),
            approval_policy: self.approval_policy,
            sandbox_policy: self.sandbox_policy.clone(),
            model: self.model.clone(),
            effort: self.effort,
            summary: self.summary,
            final_output_json_schema: schema,
        }))
    }
}

/// Its id, or the name of one that came with the thread.
fn recorded_provider(recorded: &Settings) -> String {
    let name = recorded.provider.record.as_ref().and_then(|record| record["name"].as_str());
    name.filter(|_| recorded.provider.id.is_empty()).unwrap_or(&recorded.provider.id).to_owned()
}

/// A provider, or some of one, as `[model_providers.<id>]` would have it. Does not print what it holds, which may be a key.
#[derive(Clone, PartialEq)]
pub(crate) struct ProviderRecord(Map<String, Value>);

impl ProviderRecord {
    /// As a whole provider, which has a name.
    fn named(mut self, id: &str) -> Self {
        self.0.entry("name").or_insert_with(|| id.into());
        self
    }

    fn value(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

impl fmt::Debug for ProviderRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProviderRecord")
    }
}

/// What these keys, nested or dotted, say of the provider of this id.
fn provider_record(config: &BTreeMap<String, Value>, id: &str) -> Option<ProviderRecord> {
    let mut record = Map::new();
    for (key, value) in config {
        let mut at = Value::Object(Map::from_iter([(key.clone(), value.clone())]));
        if let Some((table, rest)) = key.split_once('.').filter(|(table, _)| *table == "model_providers") {
            let (provider, member) = rest.split_once('.').map_or((rest, None), |(id, member)| (id, Some(member)));
            let provided = member.map_or_else(|| value.clone(), |member| json!({member: value}));
            at = json!({table: {provider: provided}});
        }
        if let Value::Object(members) = at["model_providers"][id].take() {
            record.extend(members.into_iter().filter(|(_, value)| !value.is_null()));
        }
    }
    (!record.is_empty()).then_some(ProviderRecord(record))
}

fn word(mode: SandboxMode) -> &'static str {
    match mode {
        SandboxMode::ReadOnly => "read-only",
        SandboxMode::WorkspaceWrite => "workspace-write",
        SandboxMode::DangerFullAccess => "danger-full-access",
    }
}

/// JSON strings are TOML strings but for the characters that TOML does not let be escaped as JSON does.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A value as TOML; `null` has no form there and is left out.
fn toml_text(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let set = members.iter().filter(|(_, value)| !value.is_null());
            let members: Vec<_> = set.map(|(key, value)| format!("{} = {}", quoted(key), toml_text(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
        Value::Array(elements) => {
            let elements: Vec<_> = elements.iter().filter(|e| !e.is_null()).map(toml_text).collect();
            format!("[{}]", elements.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_read_nested_and_dotted() {
        let check = |config: Value, expected: Value| {
            let config: BTreeMap<String, Value> = serde_json::from_value(config).unwrap();
            let record = provider_record(&config, "a").map(|record| Value::Object(record.0));
            assert_eq!(record.unwrap_or_default(), expected, "{config:?}");
        };
        let url = json!({"base_url": "u"});
        check(json!({"model_providers": {"a": {"base_url": "u"}, "b": {}}}), url.clone());
        check(json!({"model_providers.a": {"base_url": "u", "env_key": null}}), url.clone());
        check(json!({"model_providers.a.base_url": "u", "model": "m"}), url);
        check(json!({"model_providers": {"b": {"base_url": "u"}}, "model_providers.c.name": "x"}), Value::Null);
    }

    #[test]
    fn json_becomes_toml() {
        let check = |json: Value| {
            let text = format!("key = {}", toml_text(&json));
            let table: toml::Table = toml::from_str(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(serde_json::to_value(&table["key"]).unwrap(), json);
        };
        check(json!("a \"b\" \\ \n \u{1} ü"));
        check(json!({"a b": [1, 2.5, true], "c": {"d": "e"}}));
        check(json!([]));
        assert_eq!(toml_text(&json!({"a": null})), "{  }");
    }
}
