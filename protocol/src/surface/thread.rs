//! A session's events as the app-server's notifications, items and requests.
//!
//! ```text
//! task_started            → thread/status/changed, turn/started
//! item_started/completed  → item/started, item/completed
//! exec_approval_request   → status, item/started, the request; exec_command_begin then starts no second item
//! patch_apply_*           → the same with a fileChange; turn_diff → turn/diff/updated
//! token_count             → thread/tokenUsage/updated, account/rateLimits/updated, when the turn's tools are done
//! task_complete, error    → status, turn/completed: the last that is said of a turn
//! ```

mod calls;
mod words;

use super::{items, turn::OpenTurn};
use crate::{
    ids::{CallId, ItemId, SessionId, SubmissionId},
    wire::{
        event::{Event, EventMsg, ItemEvent},
        item::TurnItem,
        plan::{Plan, StepStatus},
        rpc::{
            Millis, ServerNotification, ServerRequest, account,
            item::ThreadItem,
            thread::{
                ActiveFlag, ContextCompactedNotification, DeprecationNoticeNotification, ThreadNotification,
                ThreadStatus, ThreadStatusChangedNotification, ThreadTokenUsage, ThreadTokenUsageUpdatedNotification,
                TokenUsageBreakdown, WarningNotification,
            },
            turn::{
                ErrorNotification, ItemCompletedNotification, ItemStartedNotification, PlanStepStatus, Turn,
                TurnCompletedNotification, TurnDiffUpdatedNotification, TurnError, TurnPlanStep,
                TurnPlanUpdatedNotification, TurnStartedNotification, TurnStatus,
            },
        },
        usage::{RateLimitSnapshot, TokenUsage, TokenUsageInfo},
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
    /// The last turn that was asked for to make room.
    compacting: Option<SubmissionId>,
    /// Oldest first.
    questions: Vec<Question>,
}

impl Surface {
    /// Of a thread that does nothing.
    #[must_use]
    pub fn new(thread: SessionId) -> Self {
        Self { thread, turn: None, asked: BTreeSet::new(), listening: None, compacting: None, questions: Vec::new() }
    }

    /// A turn of this id is about to be submitted.
    pub fn expect(&mut self, turn: SubmissionId, kind: TurnKind) {
        self.listening = (kind == TurnKind::Conversation).then(|| turn.clone());
        if kind == TurnKind::Compaction {
            self.compacting = Some(turn.clone());
        }
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
                let Some(command) = self.turn.as_mut().and_then(|turn| turn.commands.get_mut(call_id)) else {
                    return;
                };
                let delta = command.wrote(*stream, chunk);
                if !delta.is_empty() {
                    let params = self.delta(ItemId::from(call_id.as_str()), delta);
                    out.extend(params.map(|p| Said::Notify(ServerNotification::CommandExecutionOutputDelta(p))));
                }
            }
            EventMsg::ExecCommandEnd(end) => self.command_ended(end, now, out),
            EventMsg::ApplyPatchApprovalRequest(request) => self.patch_asks(request, now, out),
            EventMsg::PatchApplyBegin { call_id, changes, .. } => self.patch_begins(call_id, changes, now, out),
            EventMsg::PatchApplyEnd { call_id, success, .. } => self.patch_ended(call_id, *success, now, out),
            EventMsg::TurnDiff { unified_diff } => self.diff(unified_diff, out),
            EventMsg::PlanUpdate(plan) => self.plan(plan, out),
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

    fn turn_started(&mut self, id: &SubmissionId, now: Millis, out: &mut Vec<Said>) {
        self.asked.remove(id);
        let turn = OpenTurn::new(id.clone(), now);
        let params = TurnStartedNotification { thread_id: self.thread.clone(), turn: turn.shown() };
        self.turn = Some(turn);
        self.tell_status(out);
        out.push(Said::Notify(ServerNotification::TurnStarted(params)));
    }

    /// An `error` ends the turn that it names; of a turn that was refused it is the whole story.
    fn failed(&mut self, id: &SubmissionId, message: &str, now: Millis, out: &mut Vec<Said>) {
        if self.running() == Some(id) {
            if self.turn.as_ref().is_some_and(|turn| turn.abort.is_some()) {
                return self.end(TurnStatus::Interrupted, None, now, out);
            }
            self.error(TurnError::of(message), false, Vec::new(), out);
            return self.end(TurnStatus::Failed, Some(TurnError::of(message)), now, out);
        }
        if !self.asked.remove(id) {
            return self.warn(message, out);
        }
        let before = self.turn.replace(OpenTurn::new(id.clone(), now));
        self.error(TurnError::of(message), false, Vec::new(), out);
        let refused = std::mem::replace(&mut self.turn, before);
        if let Some(turn) = refused {
            self.tell_completed(&turn, TurnStatus::Failed, Some(TurnError::of(message)), now, out);
        }
    }

    fn end(&mut self, status: TurnStatus, error: Option<TurnError>, now: Millis, out: &mut Vec<Said>) {
        self.close_questions(now, out);
        self.tell_tokens(out);
        if let Some(turn) = self.turn.take() {
            self.tell_status(out);
            self.tell_completed(&turn, status, error, now, out);
        }
    }

    fn tell_completed(
        &mut self,
        turn: &OpenTurn,
        status: TurnStatus,
        error: Option<TurnError>,
        now: Millis,
        out: &mut Vec<Said>,
    ) {
        self.interrupted(&turn.id);
        if self.compacting.take_if(|compacting| *compacting == turn.id).is_some() && status == TurnStatus::Completed {
            let params = ContextCompactedNotification { thread_id: self.thread.clone(), turn_id: turn.id.clone() };
            out.push(Said::Notify(ServerNotification::ContextCompacted(params)));
        }
        out.push(Said::Notify(ServerNotification::TurnCompleted(TurnCompletedNotification {
            thread_id: self.thread.clone(),
            turn: turn.ended(status, error, now),
            usage: turn.usage.clone(),
        })));
    }

    fn tell_status(&self, out: &mut Vec<Said>) {
        let params = ThreadStatusChangedNotification { thread_id: self.thread.clone(), status: self.status() };
        out.push(Said::Notify(ServerNotification::ThreadStatusChanged(params)));
    }

    fn warn(&self, message: &str, out: &mut Vec<Said>) {
        let params = WarningNotification { thread_id: Some(self.thread.clone()), message: message.to_owned() };
        out.push(Said::Notify(ServerNotification::Warning(params)));
    }

    fn error(&self, error: TurnError, will_retry: bool, superseded_item_ids: Vec<ItemId>, out: &mut Vec<Said>) {
        let Some(turn) = &self.turn else {
            return;
        };
        out.push(Said::Notify(ServerNotification::Error(ErrorNotification {
            error,
            will_retry,
            thread_id: self.thread.clone(),
            turn_id: turn.id.clone(),
            superseded_item_ids,
        })));
    }

    fn tell_tokens(&mut self, out: &mut Vec<Said>) {
        let Some(turn) = &mut self.turn else {
            return;
        };
        let Some((info, limits)) = turn.tokens.take() else {
            return;
        };
        if let Some(info) = info {
            out.push(Said::Notify(ServerNotification::ThreadTokenUsageUpdated(ThreadTokenUsageUpdatedNotification {
                thread_id: self.thread.clone(),
                turn_id: turn.id.clone(),
                token_usage: token_usage(&info),
            })));
        }
        out.push(Said::Notify(rate_limits(limits)));
    }

    fn start_item(&self, item: ThreadItem, now: Millis, out: &mut Vec<Said>) {
        let Some(turn) = &self.turn else {
            return;
        };
        out.push(Said::Notify(ServerNotification::ItemStarted(Box::new(ItemStartedNotification {
            item,
            thread_id: self.thread.clone(),
            turn_id: turn.id.clone(),
            started_at_ms: now,
        }))));
    }

    fn complete_item(&self, item: ThreadItem, now: Millis, out: &mut Vec<Said>) {
        let Some(turn) = &self.turn else {
            return;
        };
        out.push(Said::Notify(ServerNotification::ItemCompleted(Box::new(ItemCompletedNotification {
            item,
            thread_id: self.thread.clone(),
            turn_id: turn.id.clone(),
            content_token_count: (),
            completed_at_ms: now,
        }))));
    }

    fn item_started(&mut self, ItemEvent { item, .. }: &ItemEvent, now: Millis, out: &mut Vec<Said>) {
        if let Some(turn) = &mut self.turn {
            turn.began.insert(id_of(item).clone(), now);
            turn.summary_index = 0;
        }
        self.start_item(items::thread_item(item, Some(now), None), now, out);
    }

    fn item_completed(&mut self, ItemEvent { item, .. }: &ItemEvent, now: Millis, out: &mut Vec<Said>) {
        let Some(turn) = &mut self.turn else {
            return;
        };
        let began = turn.began.remove(id_of(item));
        let item = items::thread_item(item, began, Some(now));
        if matches!(item, ThreadItem::AgentMessage { .. }) {
            turn.last_message = Some(item.clone());
        }
        self.complete_item(item, now, out);
    }

    fn plan(&self, plan: &Plan, out: &mut Vec<Said>) {
        let Some(turn) = &self.turn else {
            return;
        };
        let status = |status| match status {
            StepStatus::Pending => PlanStepStatus::Pending,
            StepStatus::InProgress => PlanStepStatus::InProgress,
            StepStatus::Completed => PlanStepStatus::Completed,
        };
        let steps = plan.plan.iter().map(|s| TurnPlanStep { step: s.step.clone(), status: status(s.status) });
        out.push(Said::Notify(ServerNotification::TurnPlanUpdated(TurnPlanUpdatedNotification {
            thread_id: self.thread.clone(),
            turn_id: turn.id.clone(),
            explanation: plan.explanation.clone(),
            plan: steps.collect(),
        })));
    }

    fn diff(&self, diff: &str, out: &mut Vec<Said>) {
        let Some(turn) = &self.turn else {
            return;
        };
        out.push(Said::Notify(ServerNotification::TurnDiffUpdated(TurnDiffUpdatedNotification {
            thread_id: self.thread.clone(),
            turn_id: turn.id.clone(),
            diff: diff.to_owned(),
        })));
    }
}

fn id_of(item: &TurnItem) -> &ItemId {
    match item {
        TurnItem::UserMessage { id, .. }
        | TurnItem::AgentMessage { id, .. }
        | TurnItem::Reasoning { id, .. }
        | TurnItem::WebSearch { id, .. } => id,
    }
}

/// The tokens of a thread as the last of these events that counts them says.
#[must_use]
pub fn last_usage(thread: &SessionId, events: &[Event]) -> Option<ServerNotification> {
    let (turn, info) = events.iter().rev().find_map(|event| match &event.msg {
        EventMsg::TokenCount { info: Some(info), .. } => Some((&event.id, info)),
        _ => None,
    })?;
    Some(ServerNotification::ThreadTokenUsageUpdated(ThreadTokenUsageUpdatedNotification {
        thread_id: thread.clone(),
        turn_id: turn.clone(),
        token_usage: token_usage(info),
    }))
}

fn token_usage(info: &TokenUsageInfo) -> ThreadTokenUsage {
    let breakdown = |usage: TokenUsage| TokenUsageBreakdown {
        total_tokens: usage.total_tokens,
        input_tokens: usage.input_tokens,
        cached_input_tokens: usage.cached_input_tokens,
        cache_write_input_tokens: usage.cache_write_input_tokens,
        output_tokens: usage.output_tokens,
        reasoning_output_tokens: usage.reasoning_output_tokens,
    };
    ThreadTokenUsage {
        total: breakdown(info.total_token_usage),
        last: breakdown(info.last_token_usage),
        model_context_window: info.model_context_window,
    }
}

fn rate_limits(limits: Option<RateLimitSnapshot>) -> ServerNotification {
    let rate_limits = account::RateLimitSnapshot::from(limits.unwrap_or_default());
    ServerNotification::AccountRateLimitsUpdated(account::AccountRateLimitsUpdatedNotification { rate_limits })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Words: `ask:ID`, `compact:ID`, `stop:ID`, or an event `TYPE:ID`. Gives back who listens after each.
    fn check(script: &str, expected: &str) {
        let mut surface = Surface::new("t".into());
        let mut listeners = Vec::new();
        for (word, id) in script.split_whitespace().filter_map(|word| word.split_once(':')) {
            let event = |further: Value| {
                let mut event = json!({"type": word});
                event.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
                serde_json::from_value::<EventMsg>(event).unwrap()
            };
            let id = SubmissionId::from(id);
            let msg = match word {
                "ask" | "compact" | "stop" => None,
                "task_started" => Some(event(json!({"model_context_window": null}))),
                "task_complete" => Some(event(json!({"last_agent_message": null}))),
                _ => Some(event(json!({"message": "why"}))),
            };
            match (word, msg) {
                (_, Some(msg)) => surface.apply(&id, &msg, 0, &mut Vec::new()),
                ("ask", None) => surface.expect(id, TurnKind::Conversation),
                ("compact", None) => surface.expect(id, TurnKind::Compaction),
                _ => surface.interrupted(&id),
            }
            listeners.push(surface.listening().map_or("-", SubmissionId::as_str).to_owned());
        }
        assert_eq!(listeners.join(" "), expected, "{script}");
    }

    #[test]
    fn a_conversation_that_was_summed_up_is_told_before_its_turn_is_over() {
        let mut surface = Surface::new("t".into());
        let mut told = |id: &str, end: Value| {
            surface.expect(id.into(), TurnKind::Compaction);
            let mut said = Vec::new();
            for event in [json!({"type": "task_started", "model_context_window": null}), end] {
                surface.apply(&id.into(), &serde_json::from_value(event).unwrap(), 0, &mut said);
            }
            let methods = said.iter().map(|said| if let Said::Notify(note) = said { note.method() } else { "" });
            methods.skip_while(|method| *method != "turn/started").skip(1).collect::<Vec<_>>().join(" ")
        };
        let done = json!({"type": "task_complete", "last_agent_message": null});
        assert_eq!(told("a", done), "thread/status/changed thread/compacted turn/completed");
        let failed = json!({"type": "error", "message": "why"});
        assert_eq!(told("b", failed), "error thread/status/changed turn/completed");
    }

    #[test]
    fn a_turn_listens_until_it_ends_or_its_end_is_asked_for() {
        check("ask:a task_started:a task_complete:a", "a a -");
        check("ask:a error:a", "a -");
        check("ask:a task_started:a stop:a ask:b task_complete:a task_started:b", "a a - b b b");
        check("ask:a task_started:a stop:x", "a a a");
        check("compact:a task_started:a ask:b task_complete:a", "- - b b");
        check("ask:a task_started:a compact:b task_complete:a", "a a - -");
    }
}
