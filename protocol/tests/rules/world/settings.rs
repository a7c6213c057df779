//! The configuration of a world.

use crate::script::Setup;
use llmx_protocol::{
    local_files::{NoFiles, ProjectDocOptions, TextFiles},
    machine::settings::{Defaults, Enforcement, ReasoningShown},
    model::provider::{Provider, Providers},
};
use std::{sync::Arc, time::Duration};

pub(super) fn defaults(setup: &Setup) -> Defaults {
    let provider = Provider {
        id: "here".into(),
        record: None,
        overrides: None,
        request_max_retries: setup.request_retries,
        stream_max_retries: setup.stream_retries,
        stores_responses: setup.stored_responses,
        takes_freeform_tools: true,
    };
    let cannot = || Enforcement::None("no namespaces".into());
    Defaults {
        model: "a-model".into(),
        model_provider: "here".into(),
        providers: Arc::new(Only(provider)),
        approval_policy: setup.approval,
        sandbox_policy: setup.sandbox.clone(),
        effort: None,
        summary: None,
        verbosity: None,
        context_window: None,
        auto_compact_limit: setup.auto_compact_limit,
        compact_prompt: None,
        user_instructions: None,
        developer_instructions: None,
        project_doc: ProjectDocOptions::default(),
        text_files: TextFiles::default(),
        files: Arc::new(NoFiles),
        base_instructions: None,
        disable_response_storage: false,
        reasoning_shown: ReasoningShown { hide_summaries: setup.hide_summaries, show_raw: setup.show_raw },
        kill_grace: Duration::from_millis(100),
        approval_timeout: setup.approval_timeout,
        confining: Arc::new(if setup.can_confine { Enforcement::Full } else { cannot() }),
        notices: Vec::new(),
    }
}

#[derive(Debug)]
struct Only(Provider);

impl Providers for Only {
    fn by_id(&self, id: &str, _: Option<&serde_json::Value>) -> Result<Provider, String> {
        if id == self.0.id { Ok(self.0.clone()) } else { Err(format!("no provider `{id}`")) }
    }

    fn by_record(&self, _: &serde_json::Value) -> Result<Provider, String> {
        Err("no records here".into())
    }
}
