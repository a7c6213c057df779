//! A loaded thread as clients see it.

use crate::app_server::settings::ThreadSettings;
use llmx_protocol::{
    ids::SessionId,
    wire::rpc::{
        thread::{
            CollaborationMode, CollaborationSettings, Thread, ThreadEnvironment, ThreadResumeResponse, ThreadSession,
            ThreadStatus,
        },
        turn::Turn,
    },
};
use serde_json::Value;
use std::path::PathBuf;

/// What is known of a thread beside its settings.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) id: SessionId,
    pub(super) forked_from: Option<SessionId>,
    pub(super) preview: String,
    pub(super) ephemeral: bool,
    /// Milliseconds.
    pub(super) created_at: i64,
    /// Milliseconds.
    pub(super) updated_at: i64,
    pub(super) path: Option<PathBuf>,
    pub(super) originator: String,
    pub(super) name: Option<String>,
}

pub(super) fn thread(facts: &Facts, settings: &ThreadSettings, status: ThreadStatus) -> Thread {
    let environment = ThreadEnvironment {
        environment_id: "local".to_owned(),
        cwd: settings.cwd.clone(),
        runtime_workspace_roots: vec![settings.cwd.clone()],
    };
    Thread {
        id: facts.id.clone(),
        environments: Some(vec![environment]),
        extra: (),
        session_id: facts.id.clone(),
        forked_from_id: facts.forked_from.clone(),
        attached_to_thread_id: (),
        parent_thread_id: (),
        preview: facts.preview.clone(),
        ephemeral: facts.ephemeral,
        section: (),
        section_entered_at: (),
        project_id: (),
        history_mode: "legacy".to_owned(),
        model_provider: settings.provider.clone(),
        model: Some(settings.model.clone()),
        reasoning_effort: settings.effort,
        created_at: facts.created_at / 1000,
        updated_at: facts.updated_at / 1000,
        recency_at: Some(facts.updated_at / 1000),
        status,
        path: facts.path.clone(),
        cwd: settings.cwd.clone(),
        cli_version: env!("CARGO_PKG_VERSION").to_owned(),
        originator: Some(facts.originator.clone()),
        source: Value::from("vscode"),
        can_accept_direct_input: Some(true),
        thread_source: (),
        agent_nickname: (),
        agent_role: (),
        git_info: None,
        name: facts.name.clone(),
        daybreak_enabled: (),
        turns: Vec::new(),
    }
}

pub(super) fn resumed(thread: Thread, turns: Vec<Turn>, settings: &ThreadSettings) -> ThreadResumeResponse {
    ThreadResumeResponse {
        session: session(Thread { turns, ..thread }, settings),
        collaboration_mode: CollaborationMode {
            mode: "default".to_owned(),
            settings: CollaborationSettings {
                model: settings.model.clone(),
                reasoning_effort: settings.effort,
                developer_instructions: None,
            },
        },
        initial_turns_page: (),
        turns_backwards_cursor: None,
        items_backwards_cursor: None,
    }
}

pub(super) fn session(thread: Thread, settings: &ThreadSettings) -> ThreadSession {
    ThreadSession {
        model: settings.model.clone(),
        model_provider: settings.provider.clone(),
        service_tier: (),
        disabled_plugin_ids: Vec::new(),
        cwd: settings.cwd.clone(),
        runtime_workspace_roots: vec![settings.cwd.clone()],
        instruction_sources: Vec::new(),
        approval_policy: settings.approval_policy,
        approvals_reviewer: "user".to_owned(),
        sandbox: settings.sandbox_policy.clone().into(),
        active_permission_profile: (),
        reasoning_effort: settings.effort,
        multi_agent_mode: "explicitRequestOnly".to_owned(),
        thread,
    }
}
