//! `update_plan`: show the user what is to be done and how far it is. Nothing is run.

use super::read_arguments;
use crate::wire::plan::{Plan, PlanStep, StepStatus};
use serde::Deserialize;

/// What the model is told about the tool, as JSON text.
pub const SPEC: &str = r#"{"type":"function","name":"update_plan","description":"Shows the user your plan for a task of several steps. Send the whole plan each time: when you make it, when it changes and when a step is done. Keep exactly one step in_progress until all are completed.","strict":false,"parameters":{"type":"object","properties":{"explanation":{"type":"string","description":"Why the plan changed, if it did."},"plan":{"type":"array","items":{"type":"object","properties":{"step":{"type":"string","description":"What is to be done, in a few words."},"status":{"type":"string","enum":["pending","in_progress","completed"]}},"required":["step","status"],"additionalProperties":false}}},"required":["plan"],"additionalProperties":false}}"#;

/// What the model gets back.
pub const ANSWER: &str = "Plan updated";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    explanation: Option<String>,
    plan: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    step: String,
    status: StepStatus,
}

/// Reads the arguments, a JSON text. A member it does not know is an error; how many steps are in progress is the
/// model's affair.
///
/// # Errors
///
/// The text to answer the model with.
pub fn parse(arguments: &str) -> Result<Plan, String> {
    let Arguments { explanation, plan } = read_arguments(arguments)?;
    let plan = plan.into_iter().map(|Step { step, status }| PlanStep { step, status }).collect();
    Ok(Plan { explanation, plan })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_in_progress_are_tolerated() {
        let plan = parse(
            r#"{"explanation":"why","plan":[{"step":"a","status":"in_progress"},{"step":"b","status":"in_progress"}]}"#,
        )
        .unwrap();
        assert_eq!(plan.explanation.as_deref(), Some("why"));
        let step = |step: &str| PlanStep { step: step.into(), status: StepStatus::InProgress };
        assert_eq!(plan.plan, [step("a"), step("b")]);
    }

    #[test]
    fn an_explanation_may_be_null() {
        assert_eq!(parse(r#"{"explanation":null,"plan":[]}"#), Ok(Plan::default()));
    }

    #[test]
    fn a_plan_that_makes_no_sense_is_answered_with_the_reason() {
        let check = |arguments: &str, part: &str| {
            let answer = parse(arguments).unwrap_err();
            assert!(answer.starts_with("failed to parse function arguments: "));
            assert!(answer.contains(part), "{answer}");
        };
        check("{}", "missing field `plan`");
        check(r#"{"plan":[],"title":"x"}"#, "unknown field `title`");
        check(r#"{"plan":[{"step":"a","status":"pending","id":1}]}"#, "unknown field `id`");
        check(r#"{"plan":[{"step":"a"}]}"#, "missing field `status`");
        check(r#"{"plan":[{"step":"a","status":"done"}]}"#, "unknown variant `done`");
    }
}
