//! The answer to a Chat Completions request (`reference/model-wire.md` §7).
//!
//! Chat has deltas only: the items are put together here, and come when the answer is whole. Real servers differ in
//! nearly everything (`reference/users-and-parts.md` §2.4): every member is optional, and what cannot be read is
//! counted and skipped. An object that is broken off in the middle is a damaged stream: what it said is lost.

use super::{
    calls::Calls,
    chunk::{CallFragment, Choice, Chunk, Said, usage},
};
use crate::{
    framing::BoundedBuffer,
    model::{
        Failure, FailureKind, ItemKind, ModelEvent, ResponseItem,
        json_text::{BROKEN_EVENT, is_broken_json},
        responses::DecodeLimits,
        sse::{SseDecoder, SseError, SseEvent},
    },
    wire::usage::TokenUsage,
};
use serde_json::{Value, value::RawValue};

/// Decodes the body of one answer, streamed or not. Memory is bounded by the limits: the whole answer is collected, and
/// may be as large as one event.
///
/// Feed it until [`is_done`](Self::is_done), an error, or the end of the body, and call [`finish`](Self::finish) only
/// for the last. Nothing comes after the end, whatever is fed.
#[derive(Debug)]
pub struct ChatDecoder {
    body: Body,
    answer: Answer,
    limits: DecodeLimits,
}

/// What the body is, known from its first byte.
#[derive(Debug)]
enum Body {
    Unknown,
    Stream(SseDecoder),
    /// One JSON object, from a server that does not stream.
    Whole(BoundedBuffer),
}

impl ChatDecoder {
    /// A decoder at the beginning of a body.
    #[must_use]
    pub fn new(limits: DecodeLimits) -> Self {
        Self { body: Body::Unknown, answer: Answer::new(limits), limits }
    }

    /// Takes the next bytes of the body and appends what they say to `out`.
    ///
    /// # Errors
    ///
    /// A failure that the server reports, or that makes the rest of the stream useless. It ends the answer; the events
    /// before it are in `out`.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), Failure> {
        if self.is_done() {
            return Ok(());
        }
        let chunk = self.recognize(chunk);
        let answer = &mut self.answer;
        let read = match &mut self.body {
            Body::Unknown => Ok(()),
            Body::Stream(sse) => sse.feed(chunk, &mut |event| answer.take(event, out)),
            Body::Whole(body) => body.push(chunk).map_err(|_| SseError::TooLong { limit: self.limits.max_event_bytes }),
        };
        answer.outcome(read)
    }

    /// The body has ended, or broke off: an answer of which only the closing words are missing is complete.
    ///
    /// # Errors
    ///
    /// As for [`feed`](Self::feed), and [`FailureKind::Cut`] if the answer was not complete.
    pub fn finish(&mut self, out: &mut Vec<ModelEvent>) -> Result<(), Failure> {
        if self.is_done() {
            return Ok(());
        }
        let answer = &mut self.answer;
        let read = match &mut self.body {
            Body::Unknown => Ok(()),
            Body::Stream(sse) => sse.finish(&mut |event| answer.take(event, out)),
            Body::Whole(body) => {
                answer.take_whole(&String::from_utf8_lossy(body.as_slice()), out);
                Ok(())
            }
        };
        answer.outcome(read)?;
        answer.end_of_body(out);
        answer.outcome(Ok(()))
    }

    /// Whether the answer is over, completed or failed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.answer.is_over
    }

    /// Whether all was said but for the count of tokens and the closing words, which some servers never send.
    #[must_use]
    pub fn lacks_only_its_end(&self) -> bool {
        self.answer.finish_reason.is_some() && !self.is_done()
    }

    /// How many events could not be read and were skipped; worth a line in a log.
    #[must_use]
    pub fn skipped_events(&self) -> u64 {
        self.answer.skipped
    }

    /// Blank lines before the body mean nothing: some servers send them while they wait.
    fn recognize<'c>(&mut self, chunk: &'c [u8]) -> &'c [u8] {
        let Body::Unknown = self.body else {
            return chunk;
        };
        let chunk = chunk.trim_ascii_start();
        self.body = match chunk.first() {
            None => Body::Unknown,
            Some(b'{') => Body::Whole(BoundedBuffer::new(self.limits.max_event_bytes)),
            Some(_) => Body::Stream(SseDecoder::new(self.limits.max_event_bytes)),
        };
        chunk
    }
}

/// What has been heard of the answer.
#[derive(Debug)]
struct Answer {
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
    finish_reason: Option<String>,
    usage: Option<TokenUsage>,
    is_over: bool,
    failure: Option<Failure>,
    skipped: u64,
}

/// Text that grows. It is not shown before there is something to read: many servers send blanks before a call.
#[derive(Debug, Default)]
struct Part {
    slot: Option<u32>,
    text: String,
}

impl Part {
    /// The slot and what is new in it, once there is something to read.
    fn grow(
        &mut self,
        more: &str,
        slots: &mut u32,
        kind: ItemKind,
        out: &mut Vec<ModelEvent>,
    ) -> Option<(u32, String)> {
        self.text.push_str(more);
        if let Some(slot) = self.slot {
            return Some((slot, more.to_owned()));
        }
        if self.text.trim().is_empty() {
            return None;
        }
        let slot = start(slots, kind, out);
        self.slot = Some(slot);
        Some((slot, self.text.clone()))
    }
}

fn start(slots: &mut u32, kind: ItemKind, out: &mut Vec<ModelEvent>) -> u32 {
    let slot = *slots;
    *slots += 1;
    out.push(ModelEvent::ItemStarted { slot, kind });
    slot
}

impl Answer {
    fn new(limits: DecodeLimits) -> Self {
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
    fn outcome(&mut self, read: Result<(), SseError>) -> Result<(), Failure> {
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

    fn take(&mut self, SseEvent { event, data }: SseEvent<'_>, out: &mut Vec<ModelEvent>) {
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
    fn take_whole(&mut self, body: &str, out: &mut Vec<ModelEvent>) {
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

    fn end_of_body(&mut self, out: &mut Vec<ModelEvent>) {
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

fn failure(error: &str) -> Failure {
    Failure::from_stream(&serde_json::from_str::<Value>(error).unwrap_or_default())
}

#[cfg(test)]
mod tests;
