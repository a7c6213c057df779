//! How a turn begins and ends, and what goes wrong in it.

use super::{Said, Surface};
use crate::{
    ids::{ItemId, SubmissionId},
    surface::turn::OpenTurn,
    wire::rpc::{
        Millis, ServerNotification,
        turn::{ErrorNotification, TurnCompletedNotification, TurnError, TurnStartedNotification, TurnStatus},
    },
};

impl Surface {
    pub(super) fn turn_started(&mut self, id: &SubmissionId, now: Millis, out: &mut Vec<Said>) {
        self.asked.remove(id);
        let turn = OpenTurn::new(id.clone(), now);
        let params = TurnStartedNotification { thread_id: self.thread.clone(), turn: turn.shown() };
        self.turn = Some(turn);
        self.tell_status(out);
        out.push(Said::Notify(ServerNotification::TurnStarted(params)));
    }

    /// An `error` ends the turn that it names; of a turn that was refused it is the whole story.
    pub(super) fn failed(&mut self, id: &SubmissionId, message: &str, now: Millis, out: &mut Vec<Said>) {
        if self.running() == Some(id) {
            if self.turn.as_ref().is_some_and(|turn| turn.abort.is_some()) {
                return self.end(TurnStatus::Interrupted, None, now, out);
            }
            self.error(TurnError::of(message), false, Vec::new(), out);
            return self.end(TurnStatus::Failed, Some(TurnError::of(message)), now, out);
        }
        if !self.asked.remove(id) {
            return self.warn(message, out);
        }
        let before = self.turn.replace(OpenTurn::new(id.clone(), now));
        self.error(TurnError::of(message), false, Vec::new(), out);
        let refused = std::mem::replace(&mut self.turn, before);
        if let Some(turn) = refused {
            self.tell_completed(&turn, TurnStatus::Failed, Some(TurnError::of(message)), now, out);
        }
    }

    pub(super) fn end(&mut self, status: TurnStatus, error: Option<TurnError>, now: Millis, out: &mut Vec<Said>) {
        self.close_questions(now, out);
        self.tell_tokens(out);
        if let Some(turn) = self.turn.take() {
            self.tell_status(out);
            self.tell_completed(&turn, status, error, now, out);
        }
    }

    fn tell_completed(
        &mut self,
        turn: &OpenTurn,
        status: TurnStatus,
        error: Option<TurnError>,
        now: Millis,
        out: &mut Vec<Said>,
    ) {
        self.interrupted(&turn.id);
        out.push(Said::Notify(ServerNotification::TurnCompleted(TurnCompletedNotification {
            thread_id: self.thread.clone(),
            turn: turn.ended(status, error, now),
            usage: turn.usage.clone(),
        })));
    }

    pub(super) fn error(
        &self,
        error: TurnError,
        will_retry: bool,
        superseded_item_ids: Vec<ItemId>,
        out: &mut Vec<Said>,
    ) {
        let Some(turn) = &self.turn else {
            return;
        };
        out.push(Said::Notify(ServerNotification::Error(ErrorNotification {
            error,
            will_retry,
            thread_id: self.thread.clone(),
            turn_id: turn.id.clone(),
            superseded_item_ids,
        })));
    }
}
