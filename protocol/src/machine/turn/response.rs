//! The answer of one try, as it comes in.

use super::{Purpose, TurnStart};
use crate::{
    ids::{Attempt, ItemId, ResponseId, SessionId, SubmissionId, TurnId},
    machine::settings::ReasoningShown,
    model::{
        event::{ItemKind, ModelEvent},
        item::{ItemBody, ResponseItem},
    },
    wire::{
        event::{EventMsg, ItemEvent},
        item::{AgentContent, TurnItem},
        usage::{RateLimitSnapshot, TokenUsage},
    },
};
use std::collections::BTreeMap;

/// Of a message that never became whole, at most this much is kept for the conversation, in bytes.
const PARTIAL_KEPT: usize = 256 * 1024;

/// The beginning of a message that is not whole.
#[derive(Debug, Default)]
struct Partial {
    kept: String,
    omitted: usize,
}

impl Partial {
    /// Once something did not fit, nothing more is kept: a text with holes would be a lie.
    fn push(&mut self, delta: &str) {
        if self.omitted == 0 && self.kept.len() + delta.len() <= PARTIAL_KEPT {
            self.kept.push_str(delta);
        } else {
            self.omitted += delta.len();
        }
    }

    fn text(self) -> String {
        match self.omitted {
            0 => self.kept,
            omitted => format!("{}\n[… {omitted} bytes omitted]", self.kept),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Response {
    turn: TurnId,
    attempt: Attempt,
    thread: SessionId,
    submission: SubmissionId,
    reasoning: ReasoningShown,
    purpose: Purpose,
    answered: bool,
    completed: bool,
    incomplete: bool,
    id: Option<ResponseId>,
    usage: Option<TokenUsage>,
    limits: Option<RateLimitSnapshot>,
    items: Vec<ResponseItem>,
    /// Items that a UI was shown, for taking them back.
    shown: Vec<ItemId>,
    /// Messages under way: what was said of them so far.
    partial: BTreeMap<u32, Partial>,
    last_message: Option<String>,
}

impl Response {
    pub(super) fn new(start: &TurnStart, attempt: Attempt) -> Self {
        Self {
            turn: start.turn,
            attempt,
            thread: start.session.clone(),
            submission: start.submission.clone(),
            reasoning: start.settings.reasoning_shown,
            purpose: start.purpose,
            ..Self::default()
        }
    }

    /// Whether the server said anything at all.
    pub(super) fn answered(&self) -> bool {
        self.answered
    }

    pub(super) fn id(&self) -> Option<ResponseId> {
        self.id.clone().filter(|id| self.completed && !id.as_str().is_empty())
    }

    pub(super) fn usage(&self) -> Option<TokenUsage> {
        self.usage
    }

    pub(super) fn limits(&self) -> Option<RateLimitSnapshot> {
        self.limits
    }

    /// Whether the model stopped before it was done.
    pub(super) fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    pub(super) fn items(&self) -> &[ResponseItem] {
        &self.items
    }

    pub(super) fn last_message(&self) -> Option<String> {
        self.last_message.clone()
    }

    pub(super) fn take_shown(&mut self) -> Vec<ItemId> {
        std::mem::take(&mut self.shown)
    }

    /// The items to remember. Of a broken answer only what the user read: its calls never ran, and thoughts without
    /// what they led to are refused by some servers.
    pub(super) fn take_items(&mut self) -> Vec<ResponseItem> {
        let mut items = std::mem::take(&mut self.items);
        if !self.completed {
            items.retain(|i| matches!(i.body(), ItemBody::Message { .. }));
            let partial = std::mem::take(&mut self.partial);
            items.extend(partial.into_values().map(|p| ResponseItem::message("assistant", &p.text())));
        }
        items
    }

    pub(super) fn apply(&mut self, event: ModelEvent) -> Vec<EventMsg> {
        let mut events = self.events_of(event);
        if self.purpose == Purpose::Summary {
            events.retain(|event| matches!(event, EventMsg::Warning { .. }));
            self.shown.clear();
        }
        events
    }

    fn events_of(&mut self, event: ModelEvent) -> Vec<EventMsg> {
        match event {
            ModelEvent::Notice(text) => return vec![EventMsg::warning(text)],
            ModelEvent::RateLimits(limits) => {
                self.limits = Some(limits);
                return Vec::new();
            }
            _ => self.answered = true,
        }
        match event {
            ModelEvent::Created { response_id } => {
                self.id = response_id;
                Vec::new()
            }
            // An item is shown with its first words: servers open messages that stay empty.
            ModelEvent::ItemStarted { .. } => Vec::new(),
            ModelEvent::TextDelta { slot, delta } => self.text(slot, delta),
            ModelEvent::ReasoningSummaryDelta { slot, delta } if !self.reasoning.hide_summaries => {
                let item_id = Some(self.item_id(slot));
                self.shown_with(slot, ItemKind::Reasoning, EventMsg::AgentReasoningDelta { delta, item_id })
            }
            ModelEvent::ReasoningTextDelta { slot, delta } if self.reasoning.show_raw => {
                let item_id = Some(self.item_id(slot));
                self.shown_with(slot, ItemKind::Reasoning, EventMsg::AgentReasoningRawContentDelta { delta, item_id })
            }
            ModelEvent::ReasoningSectionBreak { slot } if self.is_shown(slot) => {
                vec![EventMsg::AgentReasoningSectionBreak]
            }
            ModelEvent::ItemDone { slot, item } => self.item_done(slot, item),
            ModelEvent::Completed { response_id, usage, incomplete } => {
                self.completed = true;
                self.id = response_id.or(self.id.take());
                self.usage = usage;
                self.complete(incomplete)
            }
            _ => Vec::new(),
        }
    }

    /// Messages that were never said whole are whole now: some servers send nothing but deltas.
    fn complete(&mut self, incomplete: Option<String>) -> Vec<EventMsg> {
        let mut events = Vec::new();
        for (slot, text) in std::mem::take(&mut self.partial) {
            events.extend(self.item_done(slot, ResponseItem::message("assistant", &text.text())));
        }
        if let Some(why) = incomplete {
            self.incomplete = true;
            events.push(EventMsg::warning(format!("the model's answer was cut short: {why}")));
        }
        events
    }

    fn text(&mut self, slot: u32, delta: String) -> Vec<EventMsg> {
        self.partial.entry(slot).or_default().push(&delta);
        let item_id = Some(self.item_id(slot));
        self.shown_with(slot, ItemKind::Message, EventMsg::AgentMessageDelta { delta, item_id })
    }

    fn shown_with(&mut self, slot: u32, kind: ItemKind, event: EventMsg) -> Vec<EventMsg> {
        let mut events = self.show(slot, kind);
        events.push(event);
        events
    }

    fn item_done(&mut self, slot: u32, item: ResponseItem) -> Vec<EventMsg> {
        self.partial.remove(&slot);
        if item.is_blank() {
            return Vec::new();
        }
        let events = match item.body() {
            ItemBody::Message { role, text } if role == "assistant" => self.message_done(slot, text.clone()),
            ItemBody::Reasoning { summary, raw } => self.reasoning_done(slot, summary.clone(), raw.clone()),
            _ => Vec::new(),
        };
        self.items.push(item);
        events
    }

    fn message_done(&mut self, slot: u32, text: String) -> Vec<EventMsg> {
        let mut events = self.show(slot, ItemKind::Message);
        let id = self.item_id(slot);
        let content = vec![AgentContent::Text { text: text.clone() }];
        events.push(EventMsg::ItemCompleted(self.item_event(TurnItem::AgentMessage { id: id.clone(), content })));
        self.last_message = Some(text.clone());
        events.push(EventMsg::AgentMessage { message: text, item_id: Some(id) });
        events
    }

    fn reasoning_done(&mut self, slot: u32, summary: Vec<String>, raw: Vec<String>) -> Vec<EventMsg> {
        let summary = if self.reasoning.hide_summaries { Vec::new() } else { summary };
        let raw = if self.reasoning.show_raw { raw } else { Vec::new() };
        if summary.is_empty() && raw.is_empty() && !self.is_shown(slot) {
            return Vec::new();
        }
        let mut events = self.show(slot, ItemKind::Reasoning);
        let id = self.item_id(slot);
        let item = TurnItem::Reasoning { id, summary_text: summary.clone(), raw_content: raw.clone() };
        events.push(EventMsg::ItemCompleted(self.item_event(item)));
        events.extend(summary.into_iter().map(|text| EventMsg::AgentReasoning { text }));
        events.extend(raw.into_iter().map(|text| EventMsg::AgentReasoningRawContent { text }));
        events
    }

    fn show(&mut self, slot: u32, kind: ItemKind) -> Vec<EventMsg> {
        if self.is_shown(slot) {
            return Vec::new();
        }
        let id = self.item_id(slot);
        self.shown.push(id.clone());
        let item = match kind {
            ItemKind::Reasoning => TurnItem::Reasoning { id, summary_text: Vec::new(), raw_content: Vec::new() },
            _ => TurnItem::AgentMessage { id, content: Vec::new() },
        };
        vec![EventMsg::ItemStarted(self.item_event(item))]
    }

    fn is_shown(&self, slot: u32) -> bool {
        self.shown.contains(&self.item_id(slot))
    }

    fn item_id(&self, slot: u32) -> ItemId {
        ItemId::from(format!("item_{}_{}_{slot}", self.turn, self.attempt))
    }

    fn item_event(&self, item: TurnItem) -> ItemEvent {
        ItemEvent { thread_id: self.thread.clone(), turn_id: self.submission.clone(), item }
    }
}
