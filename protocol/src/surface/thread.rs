//! A session's events as the app-server's notifications, items and requests.
//!
//! ```text
//! task_started            → thread/status/changed, turn/started
//! item_started/completed  → item/started, item/completed
//! exec_approval_request   → status, item/started, the request; exec_command_begin then starts no second item
//! apply_patch_approval_…  → item/started with a fileChange, status, the request; patch_apply_begin then starts no second
//!                           item; turn_diff → turn/diff/updated
//! context_compaction_*    → item/started, item/completed, thread/compacted
//! token_count             → thread/tokenUsage/updated, account/rateLimits/updated, when the turn's tools are done
//! task_complete, error    → status, turn/completed: the last that is said of a turn
//! ```

mod calls;
mod items;
mod progress;
mod tokens;
mod turns;
mod words;

pub use tokens::last_usage;

use super::turn::OpenTurn;
use crate::{
    ids::{CallId, SessionId, SubmissionId},
    wire::{
        event::EventMsg,
        rpc::{
            Millis, ServerNotification, ServerRequest,
            thread::{
                ActiveFlag, DeprecationNoticeNotification, ThreadNotification, ThreadStatus,
                ThreadStatusChangedNotification, WarningNotification,
            },
            turn::{Turn, TurnError, TurnStatus},
        },
    },
};
use std::collections::BTreeSet;

/// What is to be said to whoever follows the thread.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// Tell them.
    Notify(ServerNotification),
    /// Ask them about this call.
    Ask(CallId, ServerRequest),
    /// The question about this call needs no answer any more.
    Settled(CallId),
}

/// What a turn is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnKind {
    /// It answers the user, who may say more meanwhile.
    Conversation,
    /// It makes room, and hears nobody.
    Compaction,
}

/// A question that is open.
#[derive(Clone, Debug)]
struct Question {
    call: CallId,
    turn: SubmissionId,
    request: ServerRequest,
}

/// Translates one thread. Hand it every event of the session in order, with the time.
#[derive(Clone, Debug)]
pub struct Surface {
    thread: SessionId,
    turn: Option<OpenTurn>,
    /// Turns that were asked for and have not begun.
    asked: BTreeSet<SubmissionId>,
    /// The last turn that was asked for, as long as it listens to its user.
    listening: Option<SubmissionId>,
    /// Oldest first.
    questions: Vec<Question>,
}

impl Surface {
    /// Of a thread that does nothing.
    #[must_use]
    pub fn new(thread: SessionId) -> Self {
        Self { thread, turn: None, asked: BTreeSet::new(), listening: None, questions: Vec::new() }
    }

    /// A turn of this id is about to be submitted.
    pub fn expect(&mut self, turn: SubmissionId, kind: TurnKind) {
        self.listening = (kind == TurnKind::Conversation).then(|| turn.clone());
        self.asked.insert(turn);
    }

    /// The turn that hears what the user says now: it runs or is about to, and nobody has asked for its end.
    #[must_use]
    pub fn listening(&self) -> Option<&SubmissionId> {
        self.listening.as_ref()
    }

    /// Somebody has asked for the end of a turn: what the user says from now on is for another one.
    pub fn interrupted(&mut self, turn: &SubmissionId) {
        self.listening.take_if(|listening| listening == turn);
    }

    /// The turn that runs.
    #[must_use]
    pub fn running(&self) -> Option<&SubmissionId> {
        self.turn.as_ref().map(|turn| &turn.id)
    }

    /// Whether the turn runs or is about to.
    #[must_use]
    pub fn is_live(&self, turn: &SubmissionId) -> bool {
        self.running() == Some(turn) || self.asked.contains(turn)
    }

    /// Whether any turn runs or is about to.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.turn.is_some() || !self.asked.is_empty()
    }

    /// The turn that runs, as it stands.
    #[must_use]
    pub fn running_turn(&self) -> Option<Turn> {
        self.turn.as_ref().map(OpenTurn::shown)
    }

    /// What the thread does now.
    #[must_use]
    pub fn status(&self) -> ThreadStatus {
        match (&self.turn, self.questions.is_empty()) {
            (None, _) => ThreadStatus::Idle,
            (Some(_), true) => ThreadStatus::Active { active_flags: Vec::new() },
            (Some(_), false) => ThreadStatus::Active { active_flags: vec![ActiveFlag::WaitingOnApproval] },
        }
    }

    /// The open questions, oldest first: for someone who joins.
    pub fn questions(&self) -> impl Iterator<Item = (&CallId, &ServerRequest)> {
        self.questions.iter().map(|q| (&q.call, &q.request))
    }

    /// Takes an event, says what it means.
    pub fn apply(&mut self, id: &SubmissionId, msg: &EventMsg, now: Millis, out: &mut Vec<Said>) {
        match msg {
            EventMsg::TaskStarted { .. } => self.turn_started(id, now, out),
            EventMsg::Error { message } => self.failed(id, message, now, out),
            EventMsg::Warning { message } => self.warn(message, out),
            EventMsg::DeprecationNotice { summary, details } => {
                let params = DeprecationNoticeNotification { summary: summary.clone(), details: details.clone() };
                out.push(Said::Notify(ServerNotification::DeprecationNotice(params)));
            }
            EventMsg::ShutdownComplete => {
                let params = ThreadNotification { thread_id: self.thread.clone() };
                out.push(Said::Notify(ServerNotification::ThreadClosed(params)));
            }
            _ if self.running() != Some(id) => {}
            EventMsg::AgentMessageDelta { delta, item_id: Some(item) } => self.message_delta(item, delta, out),
            _ => self.of_the_turn(msg, now, out),
        }
    }

    fn of_the_turn(&mut self, msg: &EventMsg, now: Millis, out: &mut Vec<Said>) {
        match msg {
            EventMsg::ItemStarted(event) => self.item_started(event, now, out),
            EventMsg::ItemCompleted(event) => self.item_completed(event, now, out),
            EventMsg::AgentReasoningDelta { delta, item_id: Some(item) } => self.summary_delta(item, delta, out),
            EventMsg::AgentReasoningSectionBreak => self.summary_part(out),
            EventMsg::AgentReasoningRawContentDelta { delta, item_id: Some(item) } => self.thought(item, delta, out),
            EventMsg::ExecApprovalRequest(request) => self.command_asks(request, now, out),
            EventMsg::ExecCommandBegin(begin) => self.command_begins(begin, now, out),
            EventMsg::ExecCommandOutputDelta { call_id, stream, chunk } => {
                self.command_wrote(call_id, *stream, chunk, out);
            }
            EventMsg::ExecCommandEnd(end) => self.command_ended(end, now, out),
            EventMsg::ApplyPatchApprovalRequest(request) => self.patch_asks(request, now, out),
            EventMsg::PatchApplyBegin { call_id, changes, .. } => self.patch_begins(call_id, changes, now, out),
            EventMsg::PatchApplyEnd { call_id, success, .. } => self.patch_ended(call_id, *success, now, out),
            EventMsg::TurnDiff { unified_diff } => self.diff(unified_diff, out),
            EventMsg::PlanUpdate(plan) => self.plan(plan, out),
            EventMsg::ContextCompactionBegin { item_id } => self.compaction_began(item_id, now, out),
            EventMsg::ContextCompactionEnd { item_id } => self.compacted(item_id, now, out),
            EventMsg::TokenCount { info, rate_limits } => {
                if let Some(turn) = &mut self.turn {
                    turn.count(*info, *rate_limits);
                }
            }
            EventMsg::TurnComplete { .. } => {
                self.close_questions(now, out);
                self.tell_tokens(out);
            }
            EventMsg::StreamError { message, superseded } => {
                self.error(TurnError::of(message), true, superseded.clone(), out);
            }
            EventMsg::TurnAborted { reason } => {
                if let Some(turn) = &mut self.turn {
                    turn.abort = Some(*reason);
                }
            }
            EventMsg::TaskComplete { .. } => self.end(TurnStatus::Completed, None, now, out),
            _ => {}
        }
    }

    fn tell_status(&self, out: &mut Vec<Said>) {
        let params = ThreadStatusChangedNotification { thread_id: self.thread.clone(), status: self.status() };
        out.push(Said::Notify(ServerNotification::ThreadStatusChanged(params)));
    }

    fn warn(&self, message: &str, out: &mut Vec<Said>) {
        let params = WarningNotification { thread_id: Some(self.thread.clone()), message: message.to_owned() };
        out.push(Said::Notify(ServerNotification::Warning(params)));
    }
}

#[cfg(test)]
mod tests;
