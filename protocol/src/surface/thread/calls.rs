//! Commands and patches: shown, asked about, decided.

use super::{Question, Said, Surface};
use crate::{
    ids::{CallId, ItemId},
    surface::{
        items,
        turn::{OpenCommand, OpenPatch},
    },
    wire::{
        decision::ReviewDecision,
        event::{ApplyPatchApprovalRequest, ExecApprovalRequest, ExecCommandBegin, ExecCommandEnd, ExecOutputStream},
        file_change::FileChange,
        op::Op,
        rpc::{
            Millis, ServerNotification, ServerRequest,
            approval::{CommandExecutionRequestApprovalParams, FileChangeRequestApprovalParams},
            item::ItemStatus,
        },
    },
};
use serde_json::json;
use std::{collections::BTreeMap, path::PathBuf};

impl Surface {
    pub(super) fn command_asks(&mut self, request: &ExecApprovalRequest, now: Millis, out: &mut Vec<Said>) {
        let Some(turn) = &mut self.turn else {
            return;
        };
        let call = request.call_id.clone();
        let command = OpenCommand::asked(request, now);
        let item = command.item(&call, ItemStatus::InProgress, None);
        let question = Question {
            call: call.clone(),
            turn: turn.id.clone(),
            request: ServerRequest::CommandExecutionRequestApproval(CommandExecutionRequestApprovalParams {
                kind: "command".to_owned(),
                thread_id: self.thread.clone(),
                turn_id: turn.id.clone(),
                item_id: call.clone(),
                started_at_ms: now,
                environment_id: "local".to_owned(),
                reason: request.reason.clone(),
                command: command.command.clone(),
                cwd: command.cwd.clone(),
                command_actions: command.actions.clone(),
                proposed_execpolicy_amendment: None,
                available_decisions: ["accept", "acceptForSession", "decline", "cancel"].map(|d| json!(d)).into(),
            }),
        };
        turn.commands.insert(call, command);
        let first = self.questions.is_empty();
        self.questions.push(question.clone());
        if first {
            self.tell_status(out);
        }
        self.start_item(item, now, out);
        out.push(Said::Ask(question.call, question.request));
    }

    pub(super) fn command_begins(&mut self, begin: &ExecCommandBegin, now: Millis, out: &mut Vec<Said>) {
        // Another approval of the same words may have covered it.
        self.settle(&begin.call_id, out);
        let Some(turn) = self.turn.as_mut().filter(|turn| !turn.commands.contains_key(&begin.call_id)) else {
            return;
        };
        let command = OpenCommand::begun(begin, now);
        let item = command.item(&begin.call_id, ItemStatus::InProgress, None);
        turn.commands.insert(begin.call_id.clone(), command);
        self.start_item(item, now, out);
    }

    pub(super) fn command_wrote(&mut self, call: &CallId, stream: ExecOutputStream, chunk: &str, out: &mut Vec<Said>) {
        let Some(command) = self.turn.as_mut().and_then(|turn| turn.commands.get_mut(call)) else {
            return;
        };
        let delta = command.wrote(stream, chunk);
        if !delta.is_empty() {
            let params = self.delta(ItemId::from(call.as_str()), delta);
            out.extend(params.map(|p| Said::Notify(ServerNotification::CommandExecutionOutputDelta(p))));
        }
    }

    pub(super) fn command_ended(&mut self, end: &ExecCommandEnd, now: Millis, out: &mut Vec<Said>) {
        let ended = self.turn.as_mut().and_then(|turn| turn.commands.remove(&end.call_id));
        if let Some(command) = ended {
            self.complete_item(command.ended(end, now), now, out);
        }
    }

    pub(super) fn patch_asks(&mut self, request: &ApplyPatchApprovalRequest, now: Millis, out: &mut Vec<Said>) {
        let Some(turn) = &mut self.turn else {
            return;
        };
        let call = request.call_id.clone();
        let patch = OpenPatch { changes: items::file_changes(&request.changes), started_at: now };
        let item = patch.item(&call, ItemStatus::InProgress, None);
        let question = Question {
            call: call.clone(),
            turn: turn.id.clone(),
            request: ServerRequest::FileChangeRequestApproval(FileChangeRequestApprovalParams {
                thread_id: self.thread.clone(),
                turn_id: turn.id.clone(),
                item_id: call.clone(),
                started_at_ms: now,
                reason: request.reason.clone(),
                grant_root: None,
            }),
        };
        turn.patches.insert(call, patch);
        self.start_item(item, now, out);
        let first = self.questions.is_empty();
        self.questions.push(question.clone());
        if first {
            self.tell_status(out);
        }
        out.push(Said::Ask(question.call, question.request));
    }

    pub(super) fn patch_begins(
        &mut self,
        call: &CallId,
        changes: &BTreeMap<PathBuf, FileChange>,
        now: Millis,
        out: &mut Vec<Said>,
    ) {
        self.settle(call, out);
        let Some(turn) = self.turn.as_mut().filter(|turn| !turn.patches.contains_key(call)) else {
            return;
        };
        let patch = OpenPatch { changes: items::file_changes(changes), started_at: now };
        let item = patch.item(call, ItemStatus::InProgress, None);
        turn.patches.insert(call.clone(), patch);
        self.start_item(item, now, out);
    }

    pub(super) fn patch_ended(&mut self, call: &CallId, success: bool, now: Millis, out: &mut Vec<Said>) {
        let ended = self.turn.as_mut().and_then(|turn| turn.patches.remove(call));
        if let Some(patch) = ended {
            let status = if success { ItemStatus::Completed } else { ItemStatus::Failed };
            self.complete_item(patch.item(call, status, Some(now)), now, out);
        }
    }

    /// A person answered; gives back what the session is to be told. Nothing, if nothing was asked.
    #[must_use]
    pub fn decide(&mut self, call: &CallId, decision: ReviewDecision, now: Millis, out: &mut Vec<Said>) -> Option<Op> {
        let at = self.questions.iter().position(|q| q.call == *call)?;
        let question = self.questions.remove(at);
        out.push(Said::Settled(call.clone()));
        if decision == ReviewDecision::Abort {
            self.interrupted(&question.turn);
        }
        if matches!(decision, ReviewDecision::Denied | ReviewDecision::Abort) {
            self.decline(call, now, out);
        }
        if self.questions.is_empty() {
            self.tell_status(out);
        }
        let (id, call_id) = (question.turn.as_str().to_owned(), Some(call.clone()));
        Some(match question.request {
            ServerRequest::CommandExecutionRequestApproval(_) => Op::ExecApproval { id, call_id, decision },
            ServerRequest::FileChangeRequestApproval(_) => Op::PatchApproval { id, call_id, decision },
        })
    }

    /// The question about a call is answered, by whomever.
    fn settle(&mut self, call: &CallId, out: &mut Vec<Said>) {
        let before = self.questions.len();
        self.questions.retain(|q| q.call != *call);
        if self.questions.len() < before {
            out.push(Said::Settled(call.clone()));
            if self.questions.is_empty() {
                self.tell_status(out);
            }
        }
    }

    /// Whatever is still open was denied, or ended with the turn.
    pub(super) fn close_questions(&mut self, now: Millis, out: &mut Vec<Said>) {
        for question in std::mem::take(&mut self.questions) {
            out.push(Said::Settled(question.call.clone()));
            self.decline(&question.call, now, out);
        }
    }

    fn decline(&mut self, call: &CallId, now: Millis, out: &mut Vec<Said>) {
        let Some(turn) = &mut self.turn else {
            return;
        };
        let item = match (turn.commands.remove(call), turn.patches.remove(call)) {
            (Some(command), _) => command.item(call, ItemStatus::Declined, Some(now)),
            (None, Some(patch)) => patch.item(call, ItemStatus::Declined, Some(now)),
            (None, None) => return,
        };
        self.complete_item(item, now, out);
    }
}
