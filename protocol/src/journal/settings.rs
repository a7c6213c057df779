//! Settings as lines, and back.

use super::secrets::without_secrets;
use crate::{
    local_files::FromDisk,
    machine::settings::{Defaults, Settings},
    model::provider::Provider,
    wire::{op::ConfigureSession, rollout::TurnContext},
};

/// The op that asks for these settings again, without secrets and without the user's instructions.
pub(super) fn op_of(settings: &Settings) -> ConfigureSession {
    let provider = &settings.provider;
    ConfigureSession {
        cwd: Some(settings.cwd.clone()),
        model: Some(settings.model.clone()),
        model_provider: provider.record.is_none().then(|| provider.id.clone()),
        provider: provider.record.as_deref().map(without_secrets),
        provider_overrides: provider.overrides.as_deref().map(without_secrets),
        approval_policy: Some(settings.approval_policy),
        sandbox_policy: Some(settings.sandbox_policy.clone()),
        model_reasoning_effort: settings.effort,
        model_reasoning_summary: settings.summary,
        developer_instructions: settings.developer_instructions.clone(),
        base_instructions: settings.base_instructions.clone(),
        compact_prompt: settings.compact_prompt.clone(),
        disable_response_storage: Some(provider.stores_responses && !settings.stored_responses),
        ..ConfigureSession::default()
    }
}

/// Whether a journal has all of these settings: it has no keys, not even those that a client gave and nobody else knows.
#[must_use]
pub fn are_kept_whole(settings: &Settings) -> bool {
    let Provider { record, overrides, .. } = &*settings.provider;
    [record, overrides].into_iter().flatten().all(|given| without_secrets(given) == **given)
}

/// The settings that such an op asks for.
///
/// # Errors
/// Says in one sentence what cannot be had any more: a provider, usually.
pub(super) fn restored(
    op: &ConfigureSession,
    user_instructions: Option<String>,
    defaults: &Defaults,
) -> Result<Settings, String> {
    let settings = Settings::configure(op, defaults, &FromDisk::default())?;
    Ok(Settings {
        user_instructions,
        effort: op.model_reasoning_effort,
        summary: op.model_reasoning_summary,
        developer_instructions: op.developer_instructions.clone(),
        base_instructions: op.base_instructions.clone(),
        compact_prompt: op.compact_prompt.clone(),
        ..settings
    })
}

pub(super) fn context_of(settings: &Settings) -> TurnContext {
    TurnContext {
        cwd: settings.cwd.clone(),
        approval_policy: settings.approval_policy,
        sandbox_policy: settings.sandbox_policy.clone(),
        model: settings.model.clone(),
        effort: settings.effort,
        summary: settings.summary,
    }
}

pub(super) fn with_context(settings: &Settings, context: TurnContext) -> Settings {
    Settings {
        cwd: context.cwd,
        approval_policy: context.approval_policy,
        sandbox_policy: context.sandbox_policy,
        model: context.model,
        effort: context.effort,
        summary: context.summary,
        ..settings.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fixture;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn check(record: Option<Value>, overrides: Option<Value>, expected: bool) {
        let mut settings = fixture::settings();
        settings.provider = Arc::new(Provider {
            record: record.map(Arc::new),
            overrides: overrides.map(Arc::new),
            ..(*settings.provider).clone()
        });
        assert_eq!(are_kept_whole(&settings), expected);
    }

    #[test]
    fn settings_with_a_key_of_their_own_are_not_kept_whole() {
        let key = || json!({"base_url": "http://h/v1", "experimental_bearer_token": "s"});
        check(None, None, true);
        check(Some(json!({"base_url": "http://h/v1", "env_key": "KEY"})), None, true);
        check(Some(key()), None, false);
        check(None, Some(key()), false);
        check(None, Some(json!({"base_url": "http://me:pw@h/v1"})), false);
    }
}
