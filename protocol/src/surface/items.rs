//! Items of a session as items of the app-server's wire.

use crate::wire::{
    file_change::FileChange,
    item::{AgentContent, TurnItem},
    parsed_command::ParsedCommand,
    rpc::{
        Millis,
        item::{CommandAction, FileUpdateChange, PatchChangeKind, ThreadItem},
    },
};
use std::{collections::BTreeMap, path::PathBuf};

pub(super) fn thread_item(item: &TurnItem, started_at: Option<Millis>, completed_at: Option<Millis>) -> ThreadItem {
    let (started_at_ms, completed_at_ms) = (started_at, completed_at);
    match item {
        TurnItem::UserMessage { id, content } => ThreadItem::UserMessage {
            id: id.clone(),
            client_id: (),
            content: content.iter().cloned().map(Into::into).collect(),
            started_at_ms,
            completed_at_ms,
        },
        TurnItem::AgentMessage { id, content } => ThreadItem::AgentMessage {
            moderation: (),
            id: id.clone(),
            text: content.iter().map(|AgentContent::Text { text }| text.as_str()).collect(),
            phase: (),
            memory_citation: (),
            delivery: (),
            questions: (),
            started_at_ms,
            completed_at_ms,
        },
        TurnItem::Reasoning { id, summary_text, raw_content } => ThreadItem::Reasoning {
            id: id.clone(),
            summary: summary_text.clone(),
            content: raw_content.clone(),
            text: summary_text.join("\n\n"),
            started_at_ms,
            completed_at_ms,
        },
        TurnItem::WebSearch { id, query } => {
            ThreadItem::WebSearch { id: id.clone(), query: query.clone(), action: (), started_at_ms, completed_at_ms }
        }
    }
}

pub(super) fn actions(parsed: &[ParsedCommand]) -> Vec<CommandAction> {
    let action = |step: &ParsedCommand| match step.clone() {
        ParsedCommand::Read { cmd, name, path } => CommandAction::Read { command: cmd, name, path },
        ParsedCommand::ListFiles { cmd, path } => CommandAction::ListFiles { command: cmd, path },
        ParsedCommand::Search { cmd, query, path } => CommandAction::Search { command: cmd, query, path },
        ParsedCommand::Unknown { cmd } => CommandAction::Unknown { command: cmd },
    };
    parsed.iter().map(action).collect()
}

pub(super) fn file_changes(changes: &BTreeMap<PathBuf, FileChange>) -> Vec<FileUpdateChange> {
    let change = |(path, change): (&PathBuf, &FileChange)| {
        let (kind, diff) = match change.clone() {
            FileChange::Add { content } => (PatchChangeKind::Add, content),
            FileChange::Delete { content } => (PatchChangeKind::Delete, content),
            FileChange::Update { unified_diff, move_path } => (PatchChangeKind::Update { move_path }, unified_diff),
        };
        FileUpdateChange { path: path.clone(), kind, diff }
    };
    changes.iter().map(change).collect()
}
