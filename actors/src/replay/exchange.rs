//! Exchanges made by hand: the event sequences that a Responses server sends for the usual answers.

use super::{Exchange, ExpectedRequest, RecordedResponse, ResponseContent, TimedEvent};
use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};

/// The model says `text`, word by word.
#[must_use]
pub fn text_answer(text: &str) -> Exchange {
    let item = |status: &str, content: Value| {
        json!({"type": "message", "id": "msg_{{n}}", "role": "assistant",
               "status": status, "content": content})
    };
    let words = text.split_inclusive(' ');
    let deltas = words.map(|word| {
        json!({"type": "response.output_text.delta", "item_id": "msg_{{n}}", "output_index": 0,
               "content_index": 0, "delta": word})
    });
    let done = item("completed", json!([{"type": "output_text", "text": text, "annotations": []}]));
    events(one_item(&item("in_progress", json!([])), deltas.collect(), &done))
}

/// The model calls the tool `shell` with a command.
#[must_use]
pub fn shell_call(call_id: &str, argv: &[&str]) -> Exchange {
    tool_call("shell", call_id, &json!({"command": argv}))
}

/// The model calls a function tool.
#[must_use]
pub fn tool_call(name: &str, call_id: &str, arguments: &Value) -> Exchange {
    let arguments = arguments.to_string();
    let item = |status: &str, arguments: &str| {
        json!({"type": "function_call", "id": "fc_{{n}}", "call_id": call_id, "name": name,
               "status": status, "arguments": arguments})
    };
    let place =
        |event: &str, field: &str| json!({"type": event, "item_id": "fc_{{n}}", "output_index": 0, field: arguments});
    let deltas = vec![
        place("response.function_call_arguments.delta", "delta"),
        place("response.function_call_arguments.done", "arguments"),
    ];
    events(one_item(&item("in_progress", ""), deltas, &item("completed", &arguments)))
}

/// The model answers with these events, whatever they are.
#[must_use]
pub fn events(events: Vec<Value>) -> Exchange {
    let events = events.into_iter().map(|data| TimedEvent { after_ms: 0, data }).collect();
    answer(StatusCode::OK, ResponseContent::Events(events))
}

/// The server answers with a status and a body instead of a stream.
#[must_use]
pub fn plain(status: StatusCode, body: &str) -> Exchange {
    answer(status, ResponseContent::Body(body.to_owned()))
}

impl Exchange {
    /// Answers only a request in which `text` occurs.
    #[must_use]
    pub fn contains(mut self, text: &str) -> Self {
        self.request.contains.push(text.to_owned());
        self
    }

    /// Answers only a request in which `text` does not occur.
    #[must_use]
    pub fn lacks(mut self, text: &str) -> Self {
        self.request.lacks.push(text.to_owned());
        self
    }

    /// Pauses this many milliseconds before each event.
    #[must_use]
    pub fn paced(mut self, after_ms: u64) -> Self {
        if let ResponseContent::Events(events) = &mut self.response.content {
            events.iter_mut().for_each(|event| event.after_ms = after_ms);
        }
        self
    }

    /// Breaks the connection off after the first `events` events.
    #[must_use]
    pub fn cut_after(mut self, events: usize) -> Self {
        if let ResponseContent::Events(all) = &mut self.response.content {
            all.truncate(events);
        }
        self.response.cut = true;
        self
    }
}

fn answer(status: StatusCode, content: ResponseContent) -> Exchange {
    Exchange {
        request: ExpectedRequest::default(),
        response: RecordedResponse {
            status,
            headers: HeaderMap::new(),
            content,
            cut: false,
            left: false,
            verbatim: false,
        },
    }
}

/// The events of a response whose output is one item.
fn one_item(added: &Value, deltas: Vec<Value>, done: &Value) -> Vec<Value> {
    let output_tokens = deltas.len();
    let usage = json!({"input_tokens": 10, "input_tokens_details": {"cached_tokens": 0},
                       "output_tokens": output_tokens, "output_tokens_details": {"reasoning_tokens": 0},
                       "total_tokens": 10 + output_tokens});
    let mut events = vec![
        json!({"type": "response.created", "response": {"id": "resp_{{n}}", "status": "in_progress", "output": []}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": added}),
    ];
    events.extend(deltas);
    events.extend([
        json!({"type": "response.output_item.done", "output_index": 0, "item": done}),
        json!({"type": "response.completed",
               "response": {"id": "resp_{{n}}", "status": "completed", "output": [done], "usage": usage}}),
    ]);
    events
}
