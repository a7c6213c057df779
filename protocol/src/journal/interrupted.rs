//! What a UI had read of a turn that never came to its end: the engine died in it. The model is told of it in the
//! engine's words, for the items themselves were not whole yet.

use super::pieces::LOST_OUTPUT;
use crate::{
    ids::{CallId, ItemId},
    model::item::ResponseItem,
    wire::event::{EventMsg, ExecCommandBegin},
};
use serde_json::json;

/// What was published since the last place to go on from.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    shown: Vec<Shown>,
    over: bool,
}

#[derive(Debug)]
enum Shown {
    Message { item: Option<ItemId>, text: String },
    Command { begin: ExecCommandBegin, output: Option<String> },
}

impl Unfinished {
    /// Takes an event of the running task.
    pub(super) fn event(&mut self, msg: &EventMsg) {
        match msg {
            EventMsg::AgentMessage { message, item_id } => {
                self.shown.push(Shown::Message { item: item_id.clone(), text: message.clone() });
            }
            EventMsg::ExecCommandBegin(begin) => {
                self.shown.push(Shown::Command { begin: begin.clone(), output: None });
            }
            EventMsg::ExecCommandEnd(end) => self.ended(&end.call_id, &end.formatted_output),
            EventMsg::StreamError { superseded, .. } => self.take_back(superseded),
            msg if msg.ends_a_task() => self.over = true,
            _ => {}
        }
    }

    /// Whether the task's terminal event was among them.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// As items of the conversation, every call with its output.
    pub(super) fn items(&self) -> Vec<ResponseItem> {
        self.shown.iter().flat_map(Shown::items).collect()
    }

    fn ended(&mut self, call: &CallId, text: &str) {
        let is_it =
            |shown: &&mut Shown| matches!(shown, Shown::Command { begin, output: None } if begin.call_id == *call);
        if let Some(Shown::Command { output, .. }) = self.shown.iter_mut().find(is_it) {
            *output = Some(text.to_owned());
        }
    }

    fn take_back(&mut self, items: &[ItemId]) {
        self.shown.retain(|shown| match shown {
            Shown::Message { item: Some(item), .. } => !items.contains(item),
            _ => true,
        });
    }
}

impl Shown {
    fn items(&self) -> Vec<ResponseItem> {
        match self {
            Self::Message { text, .. } => vec![ResponseItem::message("assistant", text)],
            Self::Command { begin, output } => {
                let output = output.as_deref().unwrap_or(LOST_OUTPUT);
                let call = function_call(begin);
                call.into_iter().chain([ResponseItem::function_call_output(&begin.call_id, output)]).collect()
            }
        }
    }
}

fn function_call(begin: &ExecCommandBegin) -> Option<ResponseItem> {
    let arguments = json!({"command": begin.command, "workdir": begin.cwd}).to_string();
    let call =
        json!({"type": "function_call", "name": "shell", "arguments": arguments, "call_id": begin.call_id.as_str()});
    ResponseItem::from_model(&call.to_string()).ok()
}
