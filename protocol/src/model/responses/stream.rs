//! The answer to a Responses request (`reference/model-wire.md` §5).
//!
//! Real servers leave out nearly everything (`reference/users-and-parts.md` §2.4): every field is optional, unknown
//! events and members are passed over, and what cannot be read is counted and skipped.

use super::{
    envelope::{Envelope, ItemHead, ResponseObject, usage},
    slots::{Found, ItemName, Slots, TooManyItems},
};
use crate::model::{
    Failure, FailureKind, ItemKind, ModelEvent, ResponseItem,
    json_text::{BROKEN_EVENT, Text, is_broken_json},
    sse::{SseDecoder, SseError, SseEvent},
};
use serde_json::value::RawValue;

/// How much of an answer is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// The size of one event. The last one repeats the whole output.
    pub max_event_bytes: usize,
    /// The items of one response; of a Chat answer its calls, beside which it has one message and its thoughts.
    pub max_items: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { max_event_bytes: 16 << 20, max_items: 1024 }
    }
}

/// Decodes the body of one answer. Memory is bounded by the limits: deltas are handed on, not collected.
///
/// Feed it until [`is_done`](Self::is_done), an error, or the end of the body, and call [`finish`](Self::finish) only
/// for the last. Nothing comes after the end, whatever is fed: the caller need not wait for the socket to close.
#[derive(Debug)]
pub struct ResponsesDecoder {
    sse: SseDecoder,
    response: Response,
}

impl ResponsesDecoder {
    /// A decoder at the beginning of a body.
    #[must_use]
    pub fn new(limits: DecodeLimits) -> Self {
        Self { sse: SseDecoder::new(limits.max_event_bytes), response: Response::new(limits.max_items) }
    }

    /// Takes the next bytes of the body and appends what they say to `out`.
    ///
    /// # Errors
    ///
    /// A failure that the server reports, or that makes the rest of the stream useless. It ends the response; the
    /// events before it are in `out`.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), Failure> {
        if self.is_done() {
            return Ok(());
        }
        let Self { sse, response } = self;
        let read = sse.feed(chunk, &mut |event| response.take(event, out));
        response.outcome(read)
    }

    /// The body has ended.
    ///
    /// # Errors
    ///
    /// As for [`feed`](Self::feed), and [`FailureKind::Cut`] if the response was not complete.
    pub fn finish(&mut self, out: &mut Vec<ModelEvent>) -> Result<(), Failure> {
        if self.is_done() {
            return Ok(());
        }
        let Self { sse, response } = self;
        let read = sse.finish(&mut |event| response.take(event, out));
        response.outcome(read)?;
        if response.end() { Ok(()) } else { Err(Failure::cut("stream closed before response.completed")) }
    }

    /// Whether the response is over, completed or failed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.response.is_over
    }

    /// How many events could not be read and were skipped; worth a line in a log.
    #[must_use]
    pub fn skipped_events(&self) -> u64 {
        self.response.skipped
    }
}

/// What has been heard of the response.
#[derive(Debug)]
struct Response {
    slots: Slots,
    is_over: bool,
    failure: Option<Failure>,
    skipped: u64,
}

impl Response {
    fn new(max_items: usize) -> Self {
        Self { slots: Slots::new(max_items), is_over: false, failure: None, skipped: 0 }
    }

    /// Ends the response; whether it had ended already.
    fn end(&mut self) -> bool {
        std::mem::replace(&mut self.is_over, true)
    }

    fn fail(&mut self, failure: Failure) {
        self.failure = Some(failure);
        self.end();
    }

    /// What a call reports. An end within the chunk makes the rest of it, errors too, irrelevant.
    fn outcome(&mut self, read: Result<(), SseError>) -> Result<(), Failure> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        match read {
            Err(error) if !self.end() => Err(Failure::new(FailureKind::TooLarge, error.to_string())),
            _ => Ok(()),
        }
    }

    fn take(&mut self, SseEvent { event, data }: SseEvent<'_>, out: &mut Vec<ModelEvent>) {
        if self.is_over || matches!(data.trim_ascii(), "" | "[DONE]") {
            return;
        }
        let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(data) else {
            if is_broken_json(data) {
                return self.fail(Failure::new(FailureKind::Garbage, BROKEN_EVENT));
            }
            self.skipped += 1;
            return;
        };
        self.dispatch(event, &envelope, data, out).unwrap_or_else(|failure| self.fail(failure));
    }

    fn dispatch(
        &mut self,
        event: Option<&str>,
        envelope: &Envelope<'_>,
        data: &str,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), Failure> {
        let kind = envelope.kind.as_ref().map(|Text(kind)| kind.as_ref()).or(event).unwrap_or_default();
        match kind {
            "response.output_text.delta" => {
                self.delta(ItemKind::Message, envelope, out, |slot, delta| ModelEvent::TextDelta { slot, delta })
            }
            "response.reasoning_summary_text.delta" => self.delta(ItemKind::Reasoning, envelope, out, |slot, delta| {
                ModelEvent::ReasoningSummaryDelta { slot, delta }
            }),
            "response.reasoning_text.delta" => self.delta(ItemKind::Reasoning, envelope, out, |slot, delta| {
                ModelEvent::ReasoningTextDelta { slot, delta }
            }),
            "response.reasoning_summary_part.added" => self.section_break(envelope, out),
            "response.created" => {
                out.push(ModelEvent::Created { response_id: envelope.response().id() });
                Ok(())
            }
            "response.output_item.added" => self.item_added(envelope, out),
            "response.output_item.done" => self.item_done(envelope, out),
            "response.completed" => self.completed(&envelope.response(), None, out),
            "response.incomplete" => self.completed(&envelope.response(), Some("incomplete"), out),
            "response.failed" => Err(envelope.response().failure()),
            "error" => Err(Failure::from_stream(&envelope.error_or(data))),
            _ if envelope.error.is_some() => Err(Failure::from_stream(&envelope.error_or(data))),
            _ => Ok(()),
        }
    }

    fn delta(
        &mut self,
        kind: ItemKind,
        envelope: &Envelope<'_>,
        out: &mut Vec<ModelEvent>,
        event: impl FnOnce(u32, String) -> ModelEvent,
    ) -> Result<(), Failure> {
        let name = envelope.item_name(kind);
        if let Some(Text(delta)) = envelope.delta.as_ref().filter(|Text(delta)| !delta.is_empty())
            && let Some(slot) = self.open_slot(name, out)?
        {
            out.push(event(slot, delta.as_ref().to_owned()));
        }
        Ok(())
    }

    fn section_break(&mut self, envelope: &Envelope<'_>, out: &mut Vec<ModelEvent>) -> Result<(), Failure> {
        if let Some(slot) = self.open_slot(envelope.item_name(ItemKind::Reasoning), out)? {
            out.push(ModelEvent::ReasoningSectionBreak { slot });
        }
        Ok(())
    }

    fn item_added(&mut self, envelope: &Envelope<'_>, out: &mut Vec<ModelEvent>) -> Result<(), Failure> {
        let head = ItemHead::read(envelope.item);
        let name = head.name(envelope);
        if let Found::New(slot) = self.slots.announce(name)? {
            out.push(ModelEvent::ItemStarted { slot, kind: name.kind });
        }
        Ok(())
    }

    fn item_done(&mut self, envelope: &Envelope<'_>, out: &mut Vec<ModelEvent>) -> Result<(), Failure> {
        let Some(item) = envelope.item else {
            self.skipped += 1;
            return Ok(());
        };
        let head = ItemHead::read(Some(item));
        if let Some(slot) = self.open_slot(head.name(envelope), out)? {
            self.close_slot(slot, item, out)?;
        }
        Ok(())
    }

    fn close_slot(&mut self, slot: u32, item: &RawValue, out: &mut Vec<ModelEvent>) -> Result<(), Failure> {
        let item = ResponseItem::from_model(item.get())
            .map_err(|error| Failure::new(FailureKind::Garbage, format!("model sent an unusable item: {error}")))?;
        self.slots.end(slot);
        out.push(ModelEvent::ItemDone { slot, item });
        Ok(())
    }

    /// The slot of an item that is still open, begun if need be.
    fn open_slot(&mut self, name: ItemName<'_>, out: &mut Vec<ModelEvent>) -> Result<Option<u32>, Failure> {
        Ok(match self.slots.resolve(name)? {
            Found::Done => None,
            Found::Open(slot) => Some(slot),
            Found::New(slot) => {
                out.push(ModelEvent::ItemStarted { slot, kind: name.kind });
                Some(slot)
            }
        })
    }

    fn completed(
        &mut self,
        response: &ResponseObject<'_>,
        cut_short: Option<&str>,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), Failure> {
        if response.status == "failed" {
            return Err(response.failure());
        }
        self.take_missed_items(response, out)?;
        out.push(ModelEvent::Completed {
            response_id: response.id(),
            usage: usage(&response.usage),
            incomplete: response.incomplete_details["reason"].as_str().or(cut_short).map(str::to_owned),
        });
        self.end();
        Ok(())
    }

    /// The final event repeats the output. It counts for items whose end was not announced, and for all of them
    /// where nothing was.
    fn take_missed_items(&mut self, response: &ResponseObject<'_>, out: &mut Vec<ModelEvent>) -> Result<(), Failure> {
        let none_announced = self.slots.is_empty();
        if !none_announced && !self.slots.any_open() {
            return Ok(());
        }
        for item in response.output() {
            let head = ItemHead::read(Some(item));
            let name = head.name_by(None);
            let slot = match self.slots.find(name) {
                _ if none_announced => self.open_slot(name, out)?,
                Some(Found::Open(slot)) => Some(slot),
                _ => None,
            };
            if let Some(slot) = slot {
                self.close_slot(slot, item, out)?;
            }
        }
        Ok(())
    }
}

impl From<TooManyItems> for Failure {
    fn from(TooManyItems: TooManyItems) -> Self {
        Self::new(FailureKind::TooLarge, "response has too many items")
    }
}

#[cfg(test)]
mod tests;
