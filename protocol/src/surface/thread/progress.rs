//! What a turn is at: its plan, and what it has changed.

use super::{Said, Surface};
use crate::wire::{
    plan::{Plan, StepStatus},
    rpc::{
        ServerNotification,
        turn::{PlanStepStatus, TurnDiffUpdatedNotification, TurnPlanStep, TurnPlanUpdatedNotification},
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
