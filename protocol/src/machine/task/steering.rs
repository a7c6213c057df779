//! What the user says: shown, made part of the conversation, and remembered with a place to go on from.

use super::{Effect, Phase, Task};
use crate::{
    ids::{ItemId, ResponseId, SubmissionId},
    machine::session::Point,
    model::item::ResponseItem,
    wire::{
        event::{EventMsg, ItemEvent, user_message},
        item::{TurnItem, UserInput},
    },
};

/// What a user says to a task that runs. It is shown when it becomes part of the conversation: where the model stops
/// for it, or has said all.
#[derive(Clone, Debug)]
pub struct Steering {
    /// The submission.
    pub id: SubmissionId,
    /// For the UI.
    pub input: Vec<UserInput>,
    /// For the model.
    pub message: ResponseItem,
}

/// A place to go on from.
#[derive(Clone, Debug)]
pub struct Bookmark {
    /// Its name.
    pub id: ResponseId,
    /// The place.
    pub point: Point,
    /// The submissions whose words the conversation has since the bookmark before.
    pub heard: Vec<SubmissionId>,
}

impl Task {
    /// The user's words, the first of the task or those that steer it.
    pub(super) fn show_input(&self, id: String, input: &[UserInput], out: &mut Vec<Effect>) {
        let item = TurnItem::UserMessage { id: ItemId::from(id), content: input.to_vec() };
        let item = ItemEvent { thread_id: self.start.session.clone(), turn_id: self.start.submission.clone(), item };
        out.push(Effect::Publish(EventMsg::ItemStarted(item.clone())));
        out.push(Effect::Publish(EventMsg::ItemCompleted(item)));
        out.push(Effect::Publish(user_message(input)));
    }

    pub(super) fn steer(&mut self, steering: Steering, out: &mut Vec<Effect>) {
        self.unheard.push(steering);
        if self.phase == Phase::Turning && self.stop.is_none() && self.summing.is_none() {
            out.push(Effect::YieldTurn);
        }
    }

    pub(super) fn own_bookmark(&self) -> ResponseId {
        ResponseId::from(format!("llmx_{}_{}", self.start.session, self.turn))
    }

    /// What the user said meanwhile becomes part of the conversation, and is shown.
    pub(super) fn hear_and_bookmark(&mut self, id: ResponseId, out: &mut Vec<Effect>) {
        let (mut heard, mut messages, mut shown) = (Vec::new(), Vec::new(), Vec::new());
        for Steering { id, input, message } in std::mem::take(&mut self.unheard) {
            self.steered += 1;
            self.show_input(format!("item_{}_user_{}", self.start.task, self.steered), &input, &mut shown);
            heard.push(id);
            messages.push(message);
        }
        self.history = self.history.with(messages, None);
        let point = Point { history: self.history.clone(), told: Some(self.start.settings.clone()) };
        out.push(Effect::Bookmark(Bookmark { id, point, heard }));
        out.extend(shown);
    }
}
