//! One answer, put together from its pieces.

use super::part::{Part, start};
use crate::{
    model::{
        Failure, FailureKind, ItemKind, ModelEvent, ResponseItem,
        chat::{
            calls::Calls,
            chunk::{CallFragment, Choice, Chunk, Said, usage},
        },
        json_text::{BROKEN_EVENT, is_broken_json},
        responses::DecodeLimits,
        sse::{SseError, SseEvent},
    },
    wire::usage::TokenUsage,
};
use serde_json::{Value, value::RawValue};

/// What has been heard of the answer.
#[derive(Debug)]
pub(super) struct Answer {
    limits: DecodeLimits,
    /// The bytes collected below.
    collected: usize,
    slots: u32,
    thoughts: Part,
    thoughts_name: Option<&'static str>,
    text: Part,
    calls: Calls,
    /// The server's name for the answer.
    id: String,
    is_created: bool,
    pub(super) finish_reason: Option<String>,
    usage: Option<TokenUsage>,
    pub(super) is_over: bool,
    failure: Option<Failure>,
    pub(super) skipped: u64,
}

impl Answer {
    pub(super) fn new(limits: DecodeLimits) -> Self {
        Self {
            limits,
            collected: 0,
            slots: 0,
            thoughts: Part::default(),
            thoughts_name: None,
            text: Part::default(),
            calls: Calls::default(),
            id: String::new(),
            is_created: false,
            finish_reason: None,
            usage: None,
            is_over: false,
            failure: None,
            skipped: 0,
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.failure = Some(failure);
        self.is_over = true;
    }

    /// What a call reports. An end within the chunk makes the rest of it, errors too, irrelevant.
    pub(super) fn outcome(&mut self, read: Result<(), SseError>) -> Result<(), Failure> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        match read {
            Err(error) if !std::mem::replace(&mut self.is_over, true) => {
                Err(Failure::new(FailureKind::TooLarge, error.to_string()))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn take(&mut self, SseEvent { event, data }: SseEvent<'_>, out: &mut Vec<ModelEvent>) {
        match data.trim_ascii() {
            _ if self.is_over => {}
            "" => {}
            "[DONE]" => self.done(out),
            data => self.read(event, data, out),
        }
    }

    fn read(&mut self, event: Option<&str>, data: &str, out: &mut Vec<ModelEvent>) {
        let taken = match serde_json::from_str::<Chunk<'_>>(data) {
            Ok(chunk) => self.take_chunk(event, chunk, data, out),
            Err(_) if self.finish_reason.is_none() && is_broken_json(data) => {
                Err(Failure::new(FailureKind::Garbage, BROKEN_EVENT))
            }
            Err(_) => {
                self.skipped += 1;
                Ok(())
            }
        };
        taken.unwrap_or_else(|failure| self.fail(failure));
    }

    /// A body that is whole JSON is a whole answer; one that is not was cut.
    pub(super) fn take_whole(&mut self, body: &str, out: &mut Vec<ModelEvent>) {
        if !is_broken_json(body) {
            self.read(None, body, out);
        }
        if self.was_heard() && self.finish_reason.is_none() {
            self.finish_reason = Some(String::new());
        }
    }

    fn was_heard(&self) -> bool {
        self.slots > 0
    }

    fn take_chunk(
        &mut self,
        event: Option<&str>,
        chunk: Chunk<'_>,
        data: &str,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), Failure> {
        let is_error = chunk.error.is_some() || event == Some("error") || &*chunk.object == "error";
        if is_error && self.finish_reason.is_none() {
            return Err(failure(chunk.error.map_or(data, RawValue::get)));
        }
        if chunk.choices.is_none() && chunk.usage.is_none() {
            self.skipped += u64::from(!is_error);
            return Ok(());
        }
        self.created(&chunk.id, out);
        // A count of nothing takes nothing back.
        let counted = chunk.usage.and_then(usage).filter(|usage| *usage != TokenUsage::default());
        self.usage = counted.or(self.usage);
        let over = self.finish_reason.is_some();
        for choice in chunk.choices.into_iter().flatten().filter(|choice| !over && choice.is_first()) {
            self.take_choice(choice, out)?;
        }
        Ok(())
    }

    fn created(&mut self, id: &str, out: &mut Vec<ModelEvent>) {
        if !std::mem::replace(&mut self.is_created, true) {
            id.clone_into(&mut self.id);
            // The id names nothing that a later request could refer to.
            out.push(ModelEvent::Created { response_id: None });
        }
    }

    fn take_choice(&mut self, choice: Choice<'_>, out: &mut Vec<ModelEvent>) -> Result<(), Failure> {
        if let Some(delta) = choice.delta {
            self.take_said(delta, out)?;
        }
        if let Some(message) = choice.message {
            let news = self.without_what_was_heard(message);
            self.take_said(news, out)?;
        }
        match &*choice.finish_reason {
            "" => {}
            "error" => return Err(failure(r#"{"message":"the answer ended with an error"}"#)),
            reason => {
                self.finish_reason.get_or_insert_with(|| reason.to_owned());
            }
        }
        Ok(())
    }

    /// A message that repeats what the deltas said adds what they left out.
    fn without_what_was_heard<'a>(&self, mut message: Said<'a>) -> Said<'a> {
        if !self.text.text.is_empty() {
            message.content = Default::default();
            message.refusal = Default::default();
        }
        if !self.thoughts.text.is_empty() {
            message.forget_thoughts();
        }
        if !self.calls.is_empty() {
            message.tool_calls = None;
            message.function_call = None;
        }
        message
    }

    fn take_said(&mut self, said: Said<'_>, out: &mut Vec<ModelEvent>) -> Result<(), Failure> {
        self.collect(said.thoughts().len() + said.content.len() + said.refusal.len())?;
        if self.thoughts.text.is_empty() {
            self.thoughts_name = said.thoughts_name();
        }
        self.think(said.thoughts(), out);
        self.say(&said.content, out);
        self.say(&said.refusal, out);
        let old_form = said.function_call.map(CallFragment::from);
        for fragment in said.tool_calls.into_iter().flatten().chain(old_form) {
            self.add_to_call(&fragment, out)?;
        }
        Ok(())
    }

    fn think(&mut self, more: &str, out: &mut Vec<ModelEvent>) {
        if !more.is_empty()
            && let Some((slot, delta)) = self.thoughts.grow(more, &mut self.slots, ItemKind::Reasoning, out)
        {
            out.push(ModelEvent::ReasoningTextDelta { slot, delta });
        }
    }

    fn say(&mut self, more: &str, out: &mut Vec<ModelEvent>) {
        if !more.is_empty()
            && let Some((slot, delta)) = self.text.grow(more, &mut self.slots, ItemKind::Message, out)
        {
            out.push(ModelEvent::TextDelta { slot, delta });
        }
    }

    fn add_to_call(&mut self, fragment: &CallFragment<'_>, out: &mut Vec<ModelEvent>) -> Result<(), Failure> {
        self.collect(fragment.id().map_or(0, str::len) + fragment.name().len() + fragment.arguments().len())?;
        if let Some(call) = self.calls.find(fragment) {
            call.add(fragment);
            return Ok(());
        }
        if self.calls.len() >= self.limits.max_items {
            return Err(Failure::new(FailureKind::TooLarge, "response has too many items"));
        }
        let slot = start(&mut self.slots, ItemKind::FunctionCall, out);
        self.calls.begin(slot).add(fragment);
        Ok(())
    }

    fn collect(&mut self, bytes: usize) -> Result<(), Failure> {
        self.collected += bytes;
        if self.collected <= self.limits.max_event_bytes {
            return Ok(());
        }
        let limit = self.limits.max_event_bytes;
        Err(Failure::new(FailureKind::TooLarge, format!("response is larger than {limit} bytes")))
    }

    /// The server says that this was all. Some say only that, and give no reason.
    fn done(&mut self, out: &mut Vec<ModelEvent>) {
        if self.finish_reason.is_some() || self.was_heard() {
            self.complete(out).unwrap_or_else(|failure| self.fail(failure));
        } else {
            self.fail(Failure::cut("the stream held no answer"));
        }
    }

    pub(super) fn end_of_body(&mut self, out: &mut Vec<ModelEvent>) {
        if self.finish_reason.is_some() && !self.is_over {
            self.complete(out).unwrap_or_else(|failure| self.fail(failure));
        } else if !self.is_over {
            self.fail(Failure::cut("stream closed before finish_reason"));
        }
    }

    fn complete(&mut self, out: &mut Vec<ModelEvent>) -> Result<(), Failure> {
        let incomplete = self.finish_reason.take().filter(|reason| is_cut_short(reason));
        let mut items = Vec::new();
        if let Some(slot) = self.thoughts.slot {
            items.push((slot, ResponseItem::thoughts(&self.thoughts.text, self.thoughts_name)));
        }
        if let Some(slot) = self.text.slot {
            items.push((slot, ResponseItem::message("assistant", &self.text.text)));
        }
        for (n, call) in self.calls.finish().into_iter().enumerate() {
            let (slot, is_empty) = (call.slot, call.is_empty());
            match call.into_item(&self.id, n) {
                Ok(item) => items.push((slot, item)),
                // What the cut left of a call is of no use, and asking again would end in the same cut.
                Err(_) if is_empty || incomplete.is_some() => {}
                Err(error) => return Err(unusable(&error)),
            }
        }
        out.extend(items.into_iter().map(|(slot, item)| ModelEvent::ItemDone { slot, item }));
        out.push(ModelEvent::Completed { response_id: None, usage: self.usage, incomplete });
        self.is_over = true;
        Ok(())
    }
}

/// Reasons to stop that are not the model's own: `length` and `content_filter` by the book, the others of Anthropic's
/// and Mistral's servers.
fn is_cut_short(reason: &str) -> bool {
    matches!(reason, "length" | "content_filter" | "max_tokens" | "model_length")
}

fn unusable(error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Garbage, format!("model sent an unusable item: {error}"))
}

pub(super) fn failure(error: &str) -> Failure {
    Failure::from_stream(&serde_json::from_str::<Value>(error).unwrap_or_default())
}
