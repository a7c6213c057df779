//! What a turn is at: its plan, what it has changed, and how it makes room.

use super::{Said, Surface};
use crate::{
    ids::ItemId,
    wire::{
        plan::{Plan, StepStatus},
        rpc::{
            Millis, ServerNotification,
            item::ThreadItem,
            thread::ContextCompactedNotification,
            turn::{PlanStepStatus, TurnDiffUpdatedNotification, TurnPlanStep, TurnPlanUpdatedNotification},
        },
    },
};

impl Surface {
    pub(super) fn plan(&self, plan: &Plan, out: &mut Vec<Said>) {
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

    pub(super) fn compaction_began(&mut self, item: &ItemId, now: Millis, out: &mut Vec<Said>) {
        if let Some(turn) = &mut self.turn {
            turn.began.insert(item.clone(), now);
        }
        self.start_item(compaction(item, Some(now), None), now, out);
    }

    pub(super) fn compacted(&mut self, item: &ItemId, now: Millis, out: &mut Vec<Said>) {
        let Some(turn) = &mut self.turn else {
            return;
        };
        let (began, turn_id) = (turn.began.remove(item), turn.id.clone());
        self.complete_item(compaction(item, began, Some(now)), now, out);
        let params = ContextCompactedNotification { thread_id: self.thread.clone(), turn_id };
        out.push(Said::Notify(ServerNotification::ContextCompacted(params)));
    }

    pub(super) fn diff(&self, diff: &str, out: &mut Vec<Said>) {
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

fn compaction(id: &ItemId, started_at_ms: Option<Millis>, completed_at_ms: Option<Millis>) -> ThreadItem {
    ThreadItem::ContextCompaction { id: id.clone(), started_at_ms, completed_at_ms }
}
