//! The model sessions that are replayed (format: `llmx_actors::replay`).

use super::ui::Pace;
use serde_json::Value;

/// A recorded model session.
pub(super) struct Recording {
    /// Its file.
    pub(super) name: &'static str,
    lines: &'static str,
}

/// Approve a command, fix the file, run the test.
pub(super) const FIX: Recording = Recording { name: "fix.jsonl", lines: include_str!("fix.jsonl") };
/// Interrupt a long command, go on from the bookmark.
pub(super) const INTERRUPT: Recording = Recording { name: "interrupt.jsonl", lines: include_str!("interrupt.jsonl") };
/// All of them.
pub(super) const ALL: [&Recording; 2] = [&FIX, &INTERRUPT];

impl Recording {
    /// What the file holds.
    pub(super) fn text(&self, pace: Pace) -> String {
        match pace {
            Pace::ForPeople => self.lines.to_owned(),
            Pace::Immediate => self.lines.lines().map(|line| without_pauses(line) + "\n").collect(),
        }
    }
}

fn without_pauses(line: &str) -> String {
    let Ok(mut exchange) = serde_json::from_str::<Value>(line) else {
        return line.to_owned();
    };
    let events = exchange.pointer_mut("/response/events").and_then(Value::as_array_mut);
    for event in events.into_iter().flatten().filter_map(Value::as_object_mut) {
        event.remove("after_ms");
    }
    exchange.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use llmx_actors::replay::{self, ResponseContent};

    /// The exchanges of a recording with the sum of its pauses, in milliseconds.
    fn read(recording: &Recording, pace: Pace) -> (usize, u64) {
        let read = replay::Recording::parse(&recording.text(pace)).unwrap();
        let pauses = read.exchanges.iter().map(|exchange| match &exchange.response.content {
            ResponseContent::Events(events) => events.iter().map(|event| event.after_ms).sum::<u64>(),
            ResponseContent::Body(_) => 0,
        });
        (read.exchanges.len(), pauses.sum())
    }

    #[test]
    fn recordings_can_be_read_and_paused_for_seconds_at_the_most() {
        for recording in ALL {
            let (exchanges, pauses) = read(recording, Pace::ForPeople);
            assert!(exchanges == 4 && (500..4_000).contains(&pauses), "{}: {exchanges} {pauses}", recording.name);
            assert_eq!(read(recording, Pace::Immediate), (exchanges, 0));
        }
    }
}
