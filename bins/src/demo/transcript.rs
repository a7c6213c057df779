//! What passed between the UI and the engine, and what it proves.

use llmx_protocol::wire::{
    event::{Event, EventMsg},
    submission::Submission,
};

/// A line of the protocol.
#[derive(Clone, Debug)]
pub(super) enum Passed {
    /// To the engine.
    Sent(Submission),
    /// From the engine, with its `type`.
    Heard(String, Box<Event>),
}

impl Passed {
    fn label(&self) -> String {
        match self {
            Self::Sent(submission) => format!("→ {}", submission.op.name()),
            Self::Heard(name, _) => format!("← {name}"),
        }
    }
}

/// Everything that passed, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Transcript(pub(super) Vec<Passed>);

/// Events that are looked for even where none is expected.
const NEVER_PASSED_OVER: [&str; 3] = ["← error", "← stream_error", "← warning"];

impl Transcript {
    /// Whether the lines passed in this order, and none of their kinds more often. Lines of other kinds may come
    /// between them, except those that tell of trouble.
    pub(super) fn has_exactly(&self, expected: &[&str]) -> Result<(), String> {
        let counts = |label: &String| expected.contains(&&**label) || NEVER_PASSED_OVER.contains(&&**label);
        let passed: Vec<String> = self.0.iter().map(Passed::label).filter(counts).collect();
        for (place, label) in expected.iter().enumerate() {
            match passed.get(place) {
                Some(seen) if seen == label => {}
                Some(seen) => return Err(format!("expected `{label}`, got `{seen}`")),
                None => return Err(format!("`{label}` never came")),
            }
        }
        passed.get(expected.len()).map_or(Ok(()), |more| Err(format!("`{more}` came as well")))
    }

    /// Whether each event counts one more than the one before.
    pub(super) fn is_numbered_without_gap(&self) -> Result<(), String> {
        for (expected, event) in (1..).zip(self.events()) {
            if event.seq != expected {
                return Err(format!("event {expected} has the number {}", event.seq));
            }
        }
        Ok(())
    }

    /// How the commands ended, in order.
    pub(super) fn exit_codes(&self) -> Vec<i32> {
        let ends = self.events().filter_map(|event| match &event.msg {
            EventMsg::ExecCommandEnd(end) => Some(end.exit_code),
            _ => None,
        });
        ends.collect()
    }

    /// The events, in order.
    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        self.0.iter().filter_map(|passed| match passed {
            Passed::Heard(_, event) => Some(&**event),
            Passed::Sent(_) => None,
        })
    }
}

#[cfg(test)]
impl Transcript {
    /// A transcript with these lines and, for the commands that end in it, these exit codes.
    pub(super) fn made_up(labels: &[&str], exit_codes: &[i32]) -> Self {
        let (mut seq, mut codes) = (0, exit_codes.iter());
        let passed = labels.iter().map(|label| match label.strip_prefix("← ") {
            None => Passed::Sent(made_up_submission(label)),
            Some(name) => {
                seq += 1;
                let msg = if name == "exec_command_end" { ended(codes.next()) } else { EventMsg::Unknown };
                Passed::Heard(name.to_owned(), Box::new(Event { id: "u1".into(), seq, msg }))
            }
        });
        Self(passed.collect())
    }
}

#[cfg(test)]
fn made_up_submission(label: &str) -> Submission {
    use llmx_protocol::wire::{decision::ReviewDecision, op::Op};
    let op = match label {
        "→ configure_session" => Op::ConfigureSession(Box::default()),
        "→ user_input" => Op::UserInput { items: vec![], last_response_id: None },
        "→ exec_approval" => Op::ExecApproval { id: "u1".into(), call_id: None, decision: ReviewDecision::Approved },
        "→ patch_approval" => {
            Op::PatchApproval { id: "u1".into(), call_id: None, decision: ReviewDecision::Approved }
        }
        _ => Op::Interrupt,
    };
    Submission { id: "s".into(), op }
}

#[cfg(test)]
fn ended(exit_code: Option<&i32>) -> EventMsg {
    use llmx_protocol::wire::event::ExecCommandEnd;
    EventMsg::ExecCommandEnd(Box::new(ExecCommandEnd {
        call_id: "c".into(),
        stdout: String::new(),
        stderr: String::new(),
        aggregated_output: String::new(),
        exit_code: exit_code.copied().unwrap_or(0),
        duration: std::time::Duration::ZERO,
        formatted_output: String::new(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_number_of_the_expected_lines_count() {
        let expected = ["← begin", "→ interrupt", "← end", "← begin"];
        let check = |labels: &[&str], why: &str| {
            let found = Transcript::made_up(labels, &[]).has_exactly(&expected);
            assert_eq!(found.err().as_deref().unwrap_or_default(), why, "{labels:?}");
        };
        check(&expected, "");
        check(&["← begin", "← other", "→ interrupt", "← end", "← other", "← begin"], "");
        check(&["← begin", "← end", "→ interrupt", "← begin"], "expected `→ interrupt`, got `← end`");
        check(&["← begin", "→ interrupt", "← end"], "`← begin` never came");
        check(&["← begin", "→ interrupt", "← end", "← begin", "← end"], "`← end` came as well");
        check(&["← begin", "← warning"], "expected `→ interrupt`, got `← warning`");
        check(&["← begin", "→ interrupt", "← end", "← begin", "← error"], "`← error` came as well");
        check(&[], "`← begin` never came");
    }

    #[test]
    fn a_gap_in_the_numbers_is_found() {
        let mut transcript = Transcript::made_up(&["← a", "→ interrupt", "← b", "← c"], &[]);
        assert_eq!(transcript.is_numbered_without_gap(), Ok(()));
        transcript.0.remove(2);
        assert_eq!(transcript.is_numbered_without_gap(), Err("event 2 has the number 3".to_owned()));
    }

    #[test]
    fn exit_codes_are_those_of_the_commands_in_order() {
        let transcript = Transcript::made_up(&["← exec_command_end", "← error", "← exec_command_end"], &[1, 0]);
        assert_eq!(transcript.exit_codes(), [1, 0]);
    }
}
