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
mod tests {
    use super::*;
    use llmx_protocol::wire::op::Op;

    /// `→interrupt` is a submission, anything else an event.
    fn transcript(labels: &str) -> Transcript {
        let passed = labels.split_whitespace().zip(1..).map(|(label, seq)| match label {
            "→interrupt" => Passed::Sent(Submission { id: "i".into(), op: Op::Interrupt }),
            name => {
                let msg = EventMsg::TaskComplete { last_agent_message: None };
                Passed::Heard(name.to_owned(), Box::new(Event { id: "u".into(), seq, msg }))
            }
        });
        Transcript(passed.collect())
    }

    #[test]
    fn order_and_number_of_the_expected_lines_count() {
        let expected = ["← begin", "→ interrupt", "← end", "← begin"];
        let check = |labels: &str, why: &str| {
            let found = transcript(labels).has_exactly(&expected);
            assert_eq!(found.err().as_deref().unwrap_or_default(), why, "{labels}");
        };
        check("begin →interrupt end begin", "");
        check("other begin other →interrupt end other begin", "");
        check("begin end →interrupt begin", "expected `→ interrupt`, got `← end`");
        check("begin →interrupt end", "`← begin` never came");
        check("begin →interrupt end begin end", "`← end` came as well");
        check("begin stream_error →interrupt end begin", "expected `→ interrupt`, got `← stream_error`");
        check("begin →interrupt end begin error", "`← error` came as well");
        check("", "`← begin` never came");
    }

    #[test]
    fn a_gap_in_the_numbers_is_found() {
        assert_eq!(transcript("a b c").is_numbered_without_gap(), Ok(()));
        let gap = transcript("a →interrupt b").is_numbered_without_gap();
        assert_eq!(gap, Err("event 2 has the number 3".to_owned()));
    }
}
