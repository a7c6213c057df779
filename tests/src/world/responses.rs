//! The events of a Responses stream, as OpenAI sends them (reference `model-wire.md` §5).

use super::Answer;
use serde_json::{Value, json};

/// A response under construction: what the model says and calls, in order.
#[derive(Clone, Debug)]
pub struct Response {
    id: String,
    items: usize,
    events: Vec<Value>,
}

impl Response {
    /// A response of this id that has begun.
    #[must_use]
    pub fn of(id: &str) -> Self {
        let created = json!({"type": "response.created", "response": {"id": id, "status": "in_progress"}});
        Self { id: id.to_owned(), items: 0, events: vec![created] }
    }

    /// A whole message, delta by delta.
    #[must_use]
    pub fn says(self, deltas: &[&str]) -> Self {
        let index = self.items;
        let text = deltas.concat();
        let item = json!({"type": "message", "id": format!("msg_{}_{index}", self.id), "role": "assistant",
            "status": "completed", "content": [{"type": "output_text", "text": text, "annotations": []}]});
        let mut response = self.begins_to_say(deltas);
        response.events.push(json!({"type": "response.output_item.done", "output_index": index, "item": item}));
        response
    }

    /// A message that has not ended.
    #[must_use]
    pub fn begins_to_say(mut self, deltas: &[&str]) -> Self {
        let id = format!("msg_{}_{}", self.id, self.items);
        let item = json!({"type": "message", "id": id, "role": "assistant", "status": "in_progress", "content": []});
        self.events.push(json!({"type": "response.output_item.added", "output_index": self.items, "item": item}));
        for delta in deltas {
            self.events.push(text_delta(&id, self.items, delta));
        }
        self.items += 1;
        self
    }

    /// A call of a function tool; `arguments` is JSON text, or should be.
    #[must_use]
    pub fn calls(mut self, call_id: &str, name: &str, arguments: &str) -> Self {
        let item = json!({"type": "function_call", "id": format!("fc_{}_{}", self.id, self.items), "call_id": call_id, "name": name,
            "arguments": arguments, "status": "completed"});
        self.events.push(json!({"type": "response.output_item.done", "output_index": self.items, "item": item}));
        self.items += 1;
        self
    }

    /// A call of a freeform tool.
    #[must_use]
    pub fn calls_freeform(mut self, call_id: &str, name: &str, input: &str) -> Self {
        let item = json!({"type": "custom_tool_call", "id": format!("ctc_{}_{}", self.id, self.items),
            "call_id": call_id, "name": name, "input": input, "status": "completed"});
        self.events.push(json!({"type": "response.output_item.done", "output_index": self.items, "item": item}));
        self.items += 1;
        self
    }

    /// A call of `apply_patch`, as a function. The frame of the patch is added.
    #[must_use]
    pub fn patches(self, call_id: &str, body: &str) -> Self {
        self.calls(call_id, "apply_patch", &json!({"input": patch(body)}).to_string())
    }

    /// A call of `shell`.
    #[must_use]
    pub fn runs(self, call_id: &str, command: &[&str]) -> Self {
        self.runs_with(call_id, command, json!({}))
    }

    /// A call of `shell` with further arguments.
    #[must_use]
    pub fn runs_with(self, call_id: &str, command: &[&str], further: Value) -> Self {
        let mut arguments = further;
        arguments["command"] = json!(command);
        self.calls(call_id, "shell", &arguments.to_string())
    }

    /// A call of `shell` with a script for `sh`.
    #[must_use]
    pub fn runs_script(self, call_id: &str, script: &str) -> Self {
        self.runs(call_id, &["sh", "-c", script])
    }

    /// The response, whole and well.
    #[must_use]
    pub fn completed(self) -> Answer {
        self.completed_at(15)
    }

    /// The response, whole and well; with it the conversation takes this many tokens.
    #[must_use]
    pub fn completed_at(self, tokens: i64) -> Answer {
        let usage = json!({"input_tokens": tokens - 5, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": tokens});
        let response = json!({"id": self.id, "status": "completed", "usage": usage});
        self.ended_by(json!({"type": "response.completed", "response": response}))
    }

    /// The server gives up on the response.
    #[must_use]
    pub fn failed(self, code: &str, message: &str) -> Answer {
        let error = json!({"code": code, "message": message});
        let response = json!({"id": self.id, "status": "failed", "error": error});
        self.ended_by(json!({"type": "response.failed", "response": response}))
    }

    /// The model was stopped before it was done.
    #[must_use]
    pub fn incomplete(self, reason: &str) -> Answer {
        let response = json!({"id": self.id, "status": "incomplete", "incomplete_details": {"reason": reason}});
        self.ended_by(json!({"type": "response.incomplete", "response": response}))
    }

    /// The response so far; the answer goes on as the test says.
    #[must_use]
    pub fn so_far(self) -> Answer {
        Answer::stream().events(self.events)
    }

    fn ended_by(self, event: Value) -> Answer {
        self.so_far().events([event]).ends()
    }
}

/// A patch of these sections.
#[must_use]
pub fn patch(body: &str) -> String {
    format!("*** Begin Patch\n{body}*** End Patch")
}

/// More text of a message.
#[must_use]
pub fn text_delta(item_id: &str, output_index: usize, delta: &str) -> Value {
    json!({"type": "response.output_text.delta", "item_id": item_id, "output_index": output_index,
        "content_index": 0, "delta": delta})
}
