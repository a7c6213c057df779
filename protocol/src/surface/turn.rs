//! A turn that runs, as far as a translation must remember it.

use super::{command_output::TextStream, items};
use crate::{
    command::shell_quote,
    ids::{CallId, ItemId, SubmissionId},
    wire::{
        event::{AbortReason, ExecApprovalRequest, ExecCommandBegin, ExecCommandEnd, ExecOutputStream},
        rpc::{
            Millis,
            item::{CommandAction, CommandSource, FileUpdateChange, ItemStatus, ThreadItem},
            turn::{ItemsView, Turn, TurnError, TurnStatus, TurnUsage},
        },
        usage::{RateLimitSnapshot, TokenUsageInfo},
    },
};
use std::{collections::HashMap, path::PathBuf};

#[derive(Clone, Debug)]
pub(super) struct OpenTurn {
    pub(super) id: SubmissionId,
    pub(super) started_at: Millis,
    pub(super) last_message: Option<ThreadItem>,
    pub(super) commands: HashMap<CallId, OpenCommand>,
    pub(super) patches: HashMap<CallId, OpenPatch>,
    /// When the items that are under way began.
    pub(super) began: HashMap<ItemId, Millis>,
    /// Which part of its summary a stretch of reasoning is at.
    pub(super) summary_index: i64,
    /// The stretch of reasoning that was heard last.
    pub(super) reasoning: Option<ItemId>,
    /// Said when the tools are done: the count includes what they cost.
    pub(super) tokens: Option<(Option<TokenUsageInfo>, Option<RateLimitSnapshot>)>,
    pub(super) usage: TurnUsage,
    pub(super) abort: Option<AbortReason>,
}

impl OpenTurn {
    pub(super) fn new(id: SubmissionId, started_at: Millis) -> Self {
        Self {
            id,
            started_at,
            last_message: None,
            commands: HashMap::new(),
            patches: HashMap::new(),
            began: HashMap::new(),
            summary_index: 0,
            reasoning: None,
            tokens: None,
            usage: TurnUsage { input_tokens: 0, cached_input_tokens: 0, output_tokens: 0 },
            abort: None,
        }
    }

    /// The turn as it stands.
    pub(super) fn shown(&self) -> Turn {
        Turn { started_at: Some(self.started_at / 1000), ..Turn::asked(self.id.clone()) }
    }

    /// The turn at its end.
    pub(super) fn ended(&self, status: TurnStatus, error: Option<TurnError>, now: Millis) -> Turn {
        let items: Vec<_> =
            self.last_message.clone().filter(|_| status != TurnStatus::Interrupted).into_iter().collect();
        Turn {
            items_view: if items.is_empty() { ItemsView::NotLoaded } else { ItemsView::Summary },
            items,
            status,
            error,
            completed_at: Some(now / 1000),
            duration_ms: Some((now - self.started_at).max(0)),
            ..self.shown()
        }
    }

    pub(super) fn count(&mut self, info: Option<TokenUsageInfo>, limits: Option<RateLimitSnapshot>) {
        if let Some(last) = info.map(|info| info.last_token_usage) {
            self.usage.input_tokens = self.usage.input_tokens.saturating_add(last.input_tokens);
            self.usage.cached_input_tokens = self.usage.cached_input_tokens.saturating_add(last.cached_input_tokens);
            self.usage.output_tokens = self.usage.output_tokens.saturating_add(last.output_tokens);
        }
        self.tokens = Some((info, limits));
    }
}

/// A command that waits for a person or runs.
#[derive(Clone, Debug)]
pub(super) struct OpenCommand {
    pub(super) command: String,
    pub(super) cwd: PathBuf,
    pub(super) actions: Vec<CommandAction>,
    source: CommandSource,
    pub(super) started_at: Millis,
    stdout: TextStream,
    stderr: TextStream,
}

impl OpenCommand {
    pub(super) fn asked(request: &ExecApprovalRequest, now: Millis) -> Self {
        Self::new(&request.command, request.cwd.clone(), items::actions(&request.parsed_cmd), now)
    }

    pub(super) fn begun(begin: &ExecCommandBegin, now: Millis) -> Self {
        let source = if begin.is_user_shell_command { CommandSource::UserShell } else { CommandSource::Agent };
        let command = Self::new(&begin.command, begin.cwd.clone(), items::actions(&begin.parsed_cmd), now);
        Self { source, ..command }
    }

    fn new(words: &[String], cwd: PathBuf, actions: Vec<CommandAction>, now: Millis) -> Self {
        Self {
            command: shell_quote(words),
            cwd,
            actions,
            source: CommandSource::Agent,
            started_at: now,
            stdout: TextStream::default(),
            stderr: TextStream::default(),
        }
    }

    pub(super) fn wrote(&mut self, stream: ExecOutputStream, chunk: &str) -> String {
        match stream {
            ExecOutputStream::Stdout => self.stdout.decode(chunk),
            ExecOutputStream::Stderr => self.stderr.decode(chunk),
        }
    }

    pub(super) fn item(&self, id: &CallId, status: ItemStatus, completed_at: Option<Millis>) -> ThreadItem {
        ThreadItem::CommandExecution {
            id: id.clone(),
            plugin_id: (),
            script_path: (),
            command: self.command.clone(),
            cwd: self.cwd.clone(),
            process_id: (),
            source: self.source,
            status,
            command_actions: self.actions.clone(),
            aggregated_output: None,
            exit_code: None,
            duration_ms: None,
            started_at_ms: Some(self.started_at),
            completed_at_ms: completed_at,
        }
    }

    pub(super) fn ended(&self, end: &ExecCommandEnd, now: Millis) -> ThreadItem {
        let status = if end.exit_code == 0 { ItemStatus::Completed } else { ItemStatus::Failed };
        let mut item = self.item(&end.call_id, status, Some(now));
        if let ThreadItem::CommandExecution { aggregated_output, exit_code, duration_ms, .. } = &mut item {
            *aggregated_output = Some(end.aggregated_output.clone());
            *exit_code = Some(end.exit_code);
            *duration_ms = Some(Millis::try_from(end.duration.as_millis()).unwrap_or(Millis::MAX));
        }
        item
    }
}

/// A patch that waits for a person or is being applied.
#[derive(Clone, Debug)]
pub(super) struct OpenPatch {
    pub(super) changes: Vec<FileUpdateChange>,
    pub(super) started_at: Millis,
}

impl OpenPatch {
    pub(super) fn item(&self, id: &CallId, status: ItemStatus, completed_at: Option<Millis>) -> ThreadItem {
        ThreadItem::FileChange {
            id: id.clone(),
            changes: self.changes.clone(),
            status,
            started_at_ms: Some(self.started_at),
            completed_at_ms: completed_at,
        }
    }
}
