//! What a session remembers and says, as lines.

use super::settings::{context_of, op_of};
use crate::{
    history::{History, Piece},
    ids::{SubmissionId, TaskId},
    machine::session::{Memory, Point, Record},
    machine::settings::Settings,
    model::item::ResponseItem,
    wire::{
        event::{EventMsg, SessionConfigured},
        rollout::{
            BookmarkLine, Compacted, Configured, ConversationFrom, Numbers, ResponseEnd, SessionMeta, TaskEndLine,
            TaskLine, event_line, rollout_line,
        },
    },
};
use serde_json::value::RawValue;
use std::collections::HashMap;

/// Whether an event is kept. Those that only show a whole in its making are not: the whole is.
#[must_use]
pub fn is_journalled(msg: &EventMsg) -> bool {
    !matches!(
        msg,
        EventMsg::AgentMessageDelta { .. }
            | EventMsg::AgentReasoningDelta { .. }
            | EventMsg::AgentReasoningRawContentDelta { .. }
            | EventMsg::AgentReasoningSectionBreak
            | EventMsg::ExecCommandOutputDelta { .. }
    )
}

/// Writes the lines of one thread. It knows what of the conversation was written before and writes each item once.
#[derive(Debug, Default)]
pub struct LineWriter {
    instructions: Option<String>,
    written: History,
}

impl LineWriter {
    /// For a thread whose journal holds this conversation already, and began with these instructions of the user.
    #[must_use]
    pub fn after(written: History, instructions: Option<String>) -> Self {
        Self { instructions, written }
    }

    /// The first line.
    pub fn meta(&mut self, meta: &SessionMeta, now: &str, out: &mut Vec<u8>) {
        self.instructions = meta.instructions.clone();
        rollout_line("session_meta", meta, now, out);
    }

    /// An event that is published under this number.
    pub fn event(id: &SubmissionId, seq: u64, msg: &EventMsg, now: &str, out: &mut Vec<u8>) {
        match msg {
            EventMsg::SessionConfigured(configured) if configured.initial_messages.is_some() => {
                let msg = SessionConfigured { initial_messages: None, ..configured.clone() };
                event_line(id, seq, &EventMsg::SessionConfigured(msg), now, out);
            }
            msg => event_line(id, seq, msg, now, out),
        }
    }

    /// That events up to this number may be handed out without being written.
    pub fn numbers(up_to: u64, now: &str, out: &mut Vec<u8>) {
        rollout_line("numbers", Numbers { up_to }, now, out);
    }

    /// Something to remember; `before`: what was remembered before it. Nothing is written of what a session that is
    /// opened again need not know.
    pub fn record(&mut self, record: &Record, before: &Memory, now: &str, out: &mut Vec<u8>) {
        match record {
            Record::Configured(by, settings) => self.configured(by, settings, now, out),
            Record::Overridden(settings) => rollout_line("settings_changed", context_of(settings), now, out),
            Record::TaskStarted(task, id, point) => self.task_started(*task, id, point, before, now, out),
            Record::Bookmark(task, bookmark) => {
                self.conversation(&bookmark.point.history, before, now, out);
                rollout_line("bookmark", BookmarkLine { task: task.0, response_id: bookmark.id.clone() }, now, out);
            }
            Record::TaskEnded { history, next_turn, used } => {
                self.conversation(history, before, now, out);
                rollout_line("task_ended", TaskEndLine { next_turn: next_turn.0, used: *used }, now, out);
            }
            Record::TaskLost => rollout_line("task_lost", serde_json::json!({}), now, out),
            Record::Waiting(_) | Record::Closing(_) => {}
        }
    }

    fn configured(&self, by: &SubmissionId, settings: &Settings, now: &str, out: &mut Vec<u8>) {
        let user_instructions =
            settings.user_instructions.clone().filter(|text| self.instructions.as_ref() != Some(text));
        let payload = Configured { by: by.clone(), op: Box::new(op_of(settings)), user_instructions };
        rollout_line("configured", payload, now, out);
    }

    fn task_started(
        &mut self,
        task: TaskId,
        id: &SubmissionId,
        point: &Point,
        before: &Memory,
        now: &str,
        out: &mut Vec<u8>,
    ) {
        self.conversation(&point.history, before, now, out);
        if let Some(told) = &point.told {
            rollout_line("turn_context", context_of(told), now, out);
        }
        rollout_line("task_started", TaskLine { task: task.0, id: id.clone() }, now, out);
    }

    /// Writes what of `history` is not written yet, and where it branches off.
    fn conversation(&mut self, history: &History, before: &Memory, now: &str, out: &mut Vec<u8>) {
        let (base, pieces) = history.pieces_since(|place| place.is(&self.written));
        if base.is(&self.written) {
            write_pieces(&pieces, now, out);
        } else {
            Self::branch(history, before, now, out);
        }
        self.written = history.clone();
    }

    /// The conversation goes on from an earlier place, or from a summary.
    fn branch(history: &History, before: &Memory, now: &str, out: &mut Vec<u8>) {
        let marks: HashMap<_, _> = before.bookmarks.iter().map(|(id, point)| (point.history.address(), id)).collect();
        let mark_of = |place: &History| marks.get(&place.address()).copied();
        let (base, pieces) = history.pieces_since(|place| mark_of(place).is_some());
        if let Some(id) = mark_of(&base).filter(|_| !base.is_empty()) {
            rollout_line("conversation", ConversationFrom::Bookmark { response_id: id.clone() }, now, out);
            return write_pieces(&pieces, now, out);
        }
        match &pieces[..] {
            [] => rollout_line("conversation", ConversationFrom::Start, now, out),
            [Piece { items: [], stored_as: Some(id), .. }, rest @ ..] => {
                rollout_line("conversation", ConversationFrom::Server { response_id: (*id).clone() }, now, out);
                write_pieces(rest, now, out);
            }
            [first, rest @ ..] => {
                compacted(first, now, out);
                write_pieces(rest, now, out);
            }
        }
    }
}

/// A conversation that begins anew did so with a summary.
fn compacted(first: &Piece<'_>, now: &str, out: &mut Vec<u8>) {
    let parsed: Vec<&RawValue> = first.items.iter().filter_map(raw).collect();
    let message = first.items.last().map(ResponseItem::text).unwrap_or_default();
    rollout_line("compacted", Compacted { message: message.to_owned(), replacement_history: Some(parsed) }, now, out);
    end_of_piece(first, now, out);
}

fn write_pieces(pieces: &[Piece<'_>], now: &str, out: &mut Vec<u8>) {
    for piece in pieces {
        for item in piece.items.iter().filter_map(raw) {
            rollout_line("response_item", item, now, out);
        }
        end_of_piece(piece, now, out);
    }
}

fn end_of_piece(piece: &Piece<'_>, now: &str, out: &mut Vec<u8>) {
    if piece.stored_as.is_some() || piece.tokens.is_some() {
        let end = ResponseEnd { stored_as: piece.stored_as.cloned(), tokens: piece.tokens };
        rollout_line("response_end", end, now, out);
    }
}

/// An item's own bytes. They are JSON by construction; one that were not would spoil the line.
fn raw(item: &ResponseItem) -> Option<&RawValue> {
    serde_json::from_str(item.json()).ok()
}
