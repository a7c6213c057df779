//! What the machines' own tests run under.

use super::settings::{Defaults, Enforcement, ReasoningShown, Settings};
use crate::{
    local_files::{FromDisk, NoFiles, ProjectDocOptions, TextFiles},
    model::provider::{Provider, Providers},
    wire::{
        event::EventMsg,
        op::ConfigureSession,
        policy::{AskForApproval, SandboxPolicy},
    },
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// Commands run confined, and nobody is asked unless one is to run unconfined.
pub(crate) fn defaults() -> Defaults {
    Defaults {
        model: "a-model".into(),
        model_provider: "here".into(),
        providers: Arc::new(Here),
        approval_policy: AskForApproval::OnRequest,
        sandbox_policy: SandboxPolicy::default(),
        effort: None,
        summary: None,
        verbosity: None,
        context_window: Some(1000),
        auto_compact_limit: None,
        compact_prompt: None,
        user_instructions: None,
        developer_instructions: None,
        project_doc: ProjectDocOptions::default(),
        text_files: TextFiles::default(),
        files: Arc::new(NoFiles),
        base_instructions: None,
        disable_response_storage: false,
        reasoning_shown: ReasoningShown::default(),
        kill_grace: Duration::from_millis(100),
        approval_timeout: None,
        confining: Arc::new(Enforcement::Full),
        notices: Vec::new(),
    }
}

pub(crate) fn settings() -> Settings {
    let op = ConfigureSession { cwd: Some("/work".into()), ..ConfigureSession::default() };
    Settings::configure(&op, &defaults(), &FromDisk::default()).unwrap()
}

/// The wire name of an event.
pub(crate) fn name(msg: &EventMsg) -> String {
    serde_json::to_value(msg).unwrap()["type"].as_str().unwrap().to_owned()
}

#[derive(Debug)]
struct Here;

impl Providers for Here {
    fn by_id(&self, id: &str, overrides: Option<&Value>) -> Result<Provider, String> {
        Ok(Provider {
            id: id.into(),
            record: None,
            overrides: overrides.cloned().map(Arc::new),
            request_max_retries: 2,
            stream_max_retries: 2,
            stores_responses: false,
            takes_freeform_tools: true,
        })
    }

    fn by_record(&self, _: &Value) -> Result<Provider, String> {
        Err("no records here".into())
    }
}
