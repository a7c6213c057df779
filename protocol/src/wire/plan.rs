//! The model's plan, as `plan_update` carries it (reference `protocol-v1.md` §5).

use serde::{Deserialize, Serialize};

/// The model's plan as it stands; each one replaces the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Why the plan is as it is, or why it changed.
    pub explanation: Option<String>,
    /// The steps, in order.
    pub plan: Vec<PlanStep>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStep {
    /// What is to be done.
    pub step: String,
    /// How far it is.
    pub status: StepStatus,
}

/// How far a step of a plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Not begun.
    Pending,
    /// Begun.
    InProgress,
    /// Done.
    Completed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_has_a_null_explanation() {
        let plan = Plan {
            explanation: None,
            plan: [StepStatus::Pending, StepStatus::InProgress, StepStatus::Completed]
                .map(|status| PlanStep { step: "s".into(), status })
                .into(),
        };
        let json = concat!(
            r#"{"explanation":null,"plan":[{"step":"s","status":"pending"},"#,
            r#"{"step":"s","status":"in_progress"},{"step":"s","status":"completed"}]}"#
        );
        assert_eq!(serde_json::to_string(&plan).unwrap(), json);
        assert_eq!(serde_json::from_str::<Plan>(json).unwrap(), plan);
    }
}
