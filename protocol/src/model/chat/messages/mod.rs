//! The conversation as Chat's `messages` (`reference/model-wire.md` §6.1).
//!
//! What the model says in one go (thoughts, text, several calls) is one assistant message, and the outputs of its calls
//! come directly after it, one for each: servers refuse anything else, so a call without an output is answered here
//! and an output without a call is left out. There is one system message, the first: the instructions and what
//! developers say before anyone else does; what they say later has the role `system` too, which every server knows.

mod content;
mod turn;

use self::{
    content::{Content, Escaped, image_part},
    turn::AssistantTurn,
};
use super::request::CACHE_MARK;
use crate::model::{ItemBody, ResponseItem};

/// Appends the array to `json`. `marked`: the system message and the last are marked, which has all up to there kept:
/// what is the same in all conversations, and this one until now.
pub(super) fn write(instructions: &str, items: &[&ResponseItem], marked: bool, json: &mut String) {
    let leading = items.iter().take_while(|item| is_from_developer(item)).count();
    let (developers, conversation) = items.split_at(leading);
    let mut messages = Messages { json, conversation, count: 0, turn: AssistantTurn::default() };
    messages.json.push('[');
    messages.system(instructions, developers);
    let before = messages.count;
    if marked && before > 0 {
        messages.mark_last();
    }
    let last_question = conversation.iter().rposition(|item| has_role(item, "user"));
    for at in 0..conversation.len() {
        // Thoughts help only the turn that they belong to; templates drop, and some servers refuse, older ones.
        let thoughts_count = last_question.is_none_or(|question| at > question);
        messages.item(at, thoughts_count);
    }
    messages.end_turn(conversation.len());
    if marked && messages.count > before {
        messages.mark_last();
    }
    messages.json.push(']');
}

fn has_role(item: &ResponseItem, wanted: &str) -> bool {
    matches!(item.body(), ItemBody::Message { role, .. } if role == wanted)
}

fn is_from_developer(item: &ResponseItem) -> bool {
    has_role(item, "developer") || has_role(item, "system")
}

/// The array being written.
struct Messages<'j, 'i> {
    json: &'j mut String,
    conversation: &'i [&'i ResponseItem],
    count: usize,
    /// What the model said since someone else did.
    turn: AssistantTurn<'i>,
}

impl Messages<'_, '_> {
    fn system(&mut self, instructions: &str, developers: &[&ResponseItem]) {
        let mut content = Escaped::of(instructions);
        for item in developers {
            content.add_paragraph(&Content::of(item).text());
        }
        if !content.is_empty() {
            self.said("system", |json| content.write(json));
        }
    }

    fn item(&mut self, at: usize, thoughts_count: bool) {
        let item = self.conversation[at];
        match item.body() {
            ItemBody::FunctionCallOutput { call_id } | ItemBody::CustomToolCallOutput { call_id } => {
                self.turn.answer(call_id, item);
            }
            ItemBody::Message { role, text } if role != "assistant" => {
                self.end_turn(at);
                let content = Content::of(item);
                if !text.trim().is_empty() || content.has_image() {
                    self.said(if role == "user" { "user" } else { "system" }, |json| content.write(json));
                }
            }
            ItemBody::WebSearchCall { .. } | ItemBody::Other => {}
            _ if self.turn.is_answered() => {
                self.end_turn(at);
                self.item(at, thoughts_count);
            }
            ItemBody::Message { .. } => self.turn.say(item),
            ItemBody::Reasoning { summary, raw } if thoughts_count => self.turn.think(item, summary, raw),
            ItemBody::Reasoning { .. } => {}
            _ => self.turn.call(item),
        }
    }

    /// The item at `at` is not part of what the model said before.
    fn end_turn(&mut self, at: usize) {
        let mut turn = std::mem::take(&mut self.turn);
        if turn.is_empty() {
            return;
        }
        turn.answer_from(&self.conversation[at..]);
        turn.write_message(self.next());
        for call in turn.calls() {
            call.write_answer(self.next());
        }
        let images: Vec<_> = turn.images().into_iter().map(image_part).collect();
        if !images.is_empty() {
            self.said("user", |json| json.extend(["[", &images.join(","), "]"]));
        }
    }

    fn said(&mut self, role: &str, write_content: impl FnOnce(&mut String)) {
        let json = self.next();
        json.extend([r#"{"role":""#, role, r#"","content":"#]);
        write_content(json);
        json.push('}');
    }

    /// Where the next message is to be written.
    fn next(&mut self) -> &mut String {
        if self.count > 0 {
            self.json.push(',');
        }
        self.count += 1;
        self.json
    }

    /// The last message is an object that was just closed.
    fn mark_last(&mut self) {
        self.json.insert_str(self.json.len() - 1, &format!(",{CACHE_MARK}"));
    }
}

#[cfg(test)]
mod tests;
