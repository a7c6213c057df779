use serde_json::{Value, json};

/// An event as it came over the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The submission that it belongs to.
    pub id: String,
    /// Its number in the session.
    pub seq: u64,
    /// What happened, `type` included.
    pub msg: Value,
}

impl Event {
    /// Reads a line.
    ///
    /// # Panics
    /// If it is no event: standard output carries nothing else.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("not JSON ({e}): {line}"));
        let id = value["id"].as_str().unwrap_or_else(|| panic!("no id: {line}")).to_owned();
        let seq = value["seq"].as_u64().unwrap_or_else(|| panic!("no seq: {line}"));
        assert!(value["msg"]["type"].is_string(), "no type: {line}");
        Self { id, seq, msg: value["msg"].clone() }
    }

    /// The `type`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.text("type")
    }

    /// A member that is text; empty if there is none.
    #[must_use]
    pub fn text(&self, member: &str) -> &str {
        self.msg[member].as_str().unwrap_or_default()
    }

    /// Whether a task of this id is over.
    #[must_use]
    pub fn ends_a_task(&self) -> bool {
        matches!(self.kind(), "task_complete" | "error")
    }
}

/// The types of the events, in order.
#[must_use]
pub fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(Event::kind).collect()
}

/// The text that a UI shows in the end: deltas, without those of items that were taken back.
#[must_use]
pub fn shown(events: &[Event]) -> String {
    let mut items: Vec<(String, String)> = Vec::new();
    for event in events {
        match event.kind() {
            "agent_message_delta" => {
                let (id, delta) = (event.text("item_id"), event.text("delta"));
                match items.iter_mut().find(|(item, _)| item == id) {
                    Some((_, text)) => text.push_str(delta),
                    None => items.push((id.to_owned(), delta.to_owned())),
                }
            }
            "stream_error" => {
                let superseded = event.msg["superseded"].as_array().cloned().unwrap_or_default();
                items.retain(|(id, _)| !superseded.contains(&json!(id)));
            }
            _ => {}
        }
    }
    items.into_iter().map(|(_, text)| text).collect()
}
