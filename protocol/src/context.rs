//! What the model is told before the first user input (reference `model-wire.md` §13).

use crate::{machine::settings::Settings, model::item::ResponseItem, wire::policy::SandboxPolicy};
use std::fmt::Write;

/// The built-in system text. Short on purpose: it is paid for with every request.
pub const BASE_INSTRUCTIONS: &str = include_str!("base_instructions.md");

/// How the user's instructions begin in the conversation.
const INSTRUCTIONS_FOR: &str = "# AGENTS.md instructions for ";
const ENVIRONMENT: &str = "<environment_context>";

/// What a conversation begins with: the application's instructions, the user's, and where it all happens.
#[must_use]
pub fn initial_items(settings: &Settings) -> Vec<ResponseItem> {
    let mut items = Vec::new();
    if let Some(text) = filled(settings.developer_instructions.as_deref()) {
        items.push(ResponseItem::message("developer", text));
    }
    if let Some(text) = filled(settings.user_instructions.as_deref()) {
        let cwd = settings.cwd.display();
        let text = format!("{INSTRUCTIONS_FOR}{cwd}\n\n<INSTRUCTIONS>\n{text}\n</INSTRUCTIONS>");
        items.push(ResponseItem::message("user", &text));
    }
    items.push(ResponseItem::message("user", &environment(settings, None)));
    items
}

/// Whether a user's message is llmx's own: what the model is told before the first input, or of a change of it.
#[must_use]
pub fn is_context(text: &str) -> bool {
    text.starts_with(INSTRUCTIONS_FOR) || text.starts_with(ENVIRONMENT)
}

/// The environment, as far as it changed since the model was last told; nothing if it did not.
#[must_use]
pub fn changed_environment(now: &Settings, told: &Settings) -> Option<ResponseItem> {
    let text = environment(now, Some(told));
    (text != environment_of("")).then(|| ResponseItem::message("user", &text))
}

fn environment(now: &Settings, told: Option<&Settings>) -> String {
    let mut lines = String::new();
    let mut say = |name: &str, value: &str| {
        let _ = writeln!(lines, "  <{name}>{value}</{name}>");
    };
    if told.is_none_or(|t| t.cwd != now.cwd) {
        say("cwd", &now.cwd.display().to_string());
    }
    if told.is_none_or(|t| t.approval_policy != now.approval_policy) {
        say("approval_policy", now.approval_policy.as_str());
    }
    if told.is_none_or(|t| t.sandbox_policy != now.sandbox_policy) {
        say("sandbox_mode", now.sandbox_policy.mode());
        say("network_access", if network(&now.sandbox_policy) { "enabled" } else { "restricted" });
        if let SandboxPolicy::WorkspaceWrite { writable_roots, .. } = &now.sandbox_policy
            && !writable_roots.is_empty()
        {
            let roots: Vec<_> = writable_roots.iter().map(|r| format!("\n    <root>{}</root>", r.display())).collect();
            say("writable_roots", &format!("{}\n  ", roots.concat()));
        }
    }
    environment_of(&lines)
}

fn environment_of(lines: &str) -> String {
    format!("{ENVIRONMENT}\n{lines}</environment_context>")
}

fn network(policy: &SandboxPolicy) -> bool {
    match policy {
        SandboxPolicy::DangerFullAccess => true,
        SandboxPolicy::ReadOnly => false,
        SandboxPolicy::WorkspaceWrite { network_access, .. } => *network_access,
    }
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|t| !t.trim().is_empty())
}
