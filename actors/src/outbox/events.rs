//! What an outbox hands out.

use bytes::Bytes;
use llmx_protocol::{ids::SubmissionId, wire::event::EventMsg};
use serde::Serialize;
use std::sync::OnceLock;

/// Numbered events under one submission's id, in order. They are values; JSON is made of them when a subscriber first
/// asks for it, on that subscriber's thread, and once for all subscribers.
#[derive(Debug)]
pub struct Events {
    id: SubmissionId,
    first_seq: u64,
    msgs: Vec<EventMsg>,
    lines: OnceLock<Bytes>,
}

/// [`Event`](llmx_protocol::wire::event::Event) by reference.
#[derive(Serialize)]
struct EventLine<'a> {
    id: &'a SubmissionId,
    seq: u64,
    msg: &'a EventMsg,
}

impl Events {
    pub(super) fn new(id: SubmissionId, first_seq: u64, msgs: Vec<EventMsg>) -> Self {
        Self { id, first_seq, msgs, lines: OnceLock::new() }
    }

    /// The submission that they belong to.
    #[must_use]
    pub fn id(&self) -> &SubmissionId {
        &self.id
    }

    /// The events with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &EventMsg)> {
        (self.first_seq..).zip(&self.msgs)
    }

    /// About how much memory they take, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.msgs.iter().map(size_of_msg).sum()
    }

    /// JSON, a line an event, each with its newline.
    pub fn lines(&self) -> &Bytes {
        self.lines.get_or_init(|| {
            let mut lines = Vec::with_capacity(128 * self.msgs.len());
            for (seq, msg) in self.iter() {
                let start = lines.len();
                match serde_json::to_writer(&mut lines, &EventLine { id: &self.id, seq, msg }) {
                    Ok(()) => lines.push(b'\n'),
                    Err(error) => {
                        tracing::error!(%error, seq, "event cannot be serialized");
                        lines.truncate(start);
                    }
                }
            }
            lines.into()
        })
    }
}

/// What every event takes at least, in bytes.
const SMALL: usize = 256;

fn size_of_msg(msg: &EventMsg) -> usize {
    SMALL
        + match msg {
            EventMsg::AgentMessageDelta { delta, .. }
            | EventMsg::AgentReasoningDelta { delta, .. }
            | EventMsg::AgentReasoningRawContentDelta { delta, .. } => delta.len(),
            EventMsg::ExecCommandOutputDelta { chunk, .. } => chunk.len(),
            EventMsg::AgentMessage { message, .. } => message.len(),
            EventMsg::ExecCommandEnd(end) => 2 * end.aggregated_output.len() + end.formatted_output.len(),
            _ => 0,
        }
}
