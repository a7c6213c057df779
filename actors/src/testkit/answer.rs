//! What a scripted model answers, in the words of the Responses API (reference `model-wire.md` §5).

use super::Gate;
use bytes::Bytes;
use llmx_protocol::model::failure::Failure;
use serde_json::{Value, json};
use std::{collections::VecDeque, time::Duration};

/// One answer, made step by step: `Answer::new().says("hello").completes()`. Without
/// [`completes`](Self::completes) it breaks off where its steps end.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub(super) before: VecDeque<Step>,
    pub(super) steps: VecDeque<Step>,
    output: Vec<Value>,
}

/// A step of an answer, before or after its first byte.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Send(Bytes),
    /// The last event; `{n}` in it becomes the number of the request.
    Complete(String),
    SendEndlessly(Bytes),
    Pause(Duration),
    Wait(Gate),
    Stall,
    Fail(Failure),
    Panic,
}

impl Answer {
    /// An answer that begins at once and says nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// There is no answer but this.
    #[must_use]
    pub fn refused(why: Failure) -> Self {
        Self::beginning_with(Step::Fail(why))
    }

    /// There is never an answer.
    #[must_use]
    pub fn never() -> Self {
        Self::beginning_with(Step::Stall)
    }

    /// The transport panics before it has an answer.
    #[must_use]
    pub fn panicking() -> Self {
        Self::beginning_with(Step::Panic)
    }

    fn beginning_with(step: Step) -> Self {
        Self { before: [step].into(), ..Self::default() }
    }

    /// The first byte comes only when the gate is open.
    #[must_use]
    pub fn begins_after(mut self, gate: &Gate) -> Self {
        self.before.push_back(Step::Wait(gate.clone()));
        self
    }

    /// A message: a delta a word, then all of it.
    #[must_use]
    pub fn says(mut self, text: &str) -> Self {
        for word in text.split_inclusive(' ') {
            self = self.whispers(word);
        }
        self.item(json!({
            "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}],
        }))
    }

    /// A delta of the message under way.
    #[must_use]
    pub fn whispers(self, delta: &str) -> Self {
        let event = delta_event(self.output.len(), delta);
        self.sends(event)
    }

    /// A call of the tool `shell` with these words.
    #[must_use]
    pub fn calls(self, call_id: &str, command: &[&str]) -> Self {
        self.calls_with(call_id, &json!({"command": command}))
    }

    /// A call of the tool `shell` with these arguments.
    #[must_use]
    pub fn calls_with(self, call_id: &str, arguments: &Value) -> Self {
        let arguments = arguments.to_string();
        self.item(json!({"type": "function_call", "call_id": call_id, "name": "shell", "arguments": arguments}))
    }

    fn item(mut self, item: Value) -> Self {
        let done = json!({"type": "response.output_item.done", "output_index": self.output.len(), "item": item});
        self.output.push(item);
        self.sends(sse(&done))
    }

    /// Bytes as they are.
    #[must_use]
    pub fn sends(mut self, bytes: impl Into<Bytes>) -> Self {
        self.steps.push_back(Step::Send(bytes.into()));
        self
    }

    /// The end: a response with the id `resp_N`, where N is the number of the request, from 1.
    #[must_use]
    pub fn completes(mut self) -> Self {
        let usage = json!({"input_tokens": 10, "output_tokens": 5, "total_tokens": 15});
        let response = json!({"id": "resp_{n}", "status": "completed", "output": self.output, "usage": usage});
        self.steps.push_back(Step::Complete(sse(&json!({"type": "response.completed", "response": response}))));
        self
    }

    /// Nothing for so long.
    #[must_use]
    pub fn pauses(mut self, pause: Duration) -> Self {
        self.steps.push_back(Step::Pause(pause));
        self
    }

    /// Nothing until the gate is open.
    #[must_use]
    pub fn waits_for(mut self, gate: &Gate) -> Self {
        self.steps.push_back(Step::Wait(gate.clone()));
        self
    }

    /// Nothing more, and no end.
    #[must_use]
    pub fn stalls(mut self) -> Self {
        self.steps.push_back(Step::Stall);
        self
    }

    /// The connection breaks.
    #[must_use]
    pub fn breaks(mut self, why: Failure) -> Self {
        self.steps.push_back(Step::Fail(why));
        self
    }

    /// The transport panics.
    #[must_use]
    pub fn panics(mut self) -> Self {
        self.steps.push_back(Step::Panic);
        self
    }

    /// Deltas of `chunk` bytes for ever, a hundred times a second if they are taken.
    #[must_use]
    pub fn never_ends(mut self, chunk: usize) -> Self {
        let event = delta_event(self.output.len(), &"x".repeat(chunk));
        self.steps.push_back(Step::SendEndlessly(event.into()));
        self
    }
}

fn delta_event(index: usize, delta: &str) -> String {
    sse(&json!({"type": "response.output_text.delta", "output_index": index, "delta": delta}))
}

fn sse(event: &Value) -> String {
    format!("data: {event}\n\n")
}
