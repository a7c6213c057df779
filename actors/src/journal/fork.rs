//! A new journal from the beginning of another.

use super::lines::for_each_line;
use crate::threads::ThreadError;
use llmx_protocol::{
    ids::ResponseId,
    wire::{
        event::EventMsg,
        rollout::{BookmarkLine, RolloutLine, SessionMeta},
    },
};
use std::path::Path;

/// What a fork takes over.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    /// The original's first line.
    pub(super) meta: Option<SessionMeta>,
    /// The lines behind it, with their ends.
    pub(super) lines: Vec<u8>,
    passed: Passed,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Passed {
    #[default]
    Nothing,
    /// The place is remembered; that the UI was told of it comes a few lines later.
    Bookmark,
    Announcement,
}

impl Beginning {
    /// Reads a journal up to the announcement of a bookmark, or to its end.
    pub(super) fn read(path: &Path, at: Option<&ResponseId>) -> Result<Self, ThreadError> {
        let mut beginning = Self::default();
        for_each_line(path, |_, line| beginning.line(line, at))?;
        match at {
            Some(id) if beginning.passed == Passed::Nothing => {
                Err(ThreadError::Invalid(format!("no bookmark `{id}` in the thread")))
            }
            _ => Ok(beginning),
        }
    }

    fn line(&mut self, bytes: &[u8], at: Option<&ResponseId>) {
        if self.passed == Passed::Announcement {
            return;
        }
        // A line that is damaged is damaged in the copy too, and reported there.
        if let Ok(line) = serde_json::from_slice::<RolloutLine<'_>>(bytes) {
            let payload = line.payload.get();
            match (&*line.kind, at) {
                ("session_meta", _) => {
                    let meta = serde_json::from_str(payload).ok();
                    self.meta = self.meta.take().or(meta);
                    return;
                }
                ("bookmark", Some(at)) => self.bookmark(payload, at),
                ("event_msg", Some(at)) if self.passed == Passed::Bookmark => self.event(payload, at),
                _ => {}
            }
        }
        self.lines.extend_from_slice(bytes);
        self.lines.push(b'\n');
    }

    fn bookmark(&mut self, payload: &str, at: &ResponseId) {
        if serde_json::from_str::<BookmarkLine>(payload).is_ok_and(|line| line.response_id == *at) {
            self.passed = Passed::Bookmark;
        }
    }

    fn event(&mut self, payload: &str, at: &ResponseId) {
        if let Ok(EventMsg::TurnComplete { response_id }) = serde_json::from_str(payload)
            && response_id.as_ref() == Some(at)
        {
            self.passed = Passed::Announcement;
        }
    }
}
