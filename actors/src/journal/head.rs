//! What a list shows of a thread, from the first lines of its journal.

use super::{
    blobs::Blobs,
    layout::{Key, blob_directory, name_file},
};
use crate::threads::ThreadSummary;
use llmx_protocol::{
    ids::SessionId,
    journal::parse_timestamp,
    wire::{
        event::EventMsg,
        rollout::{Configured, RolloutLine, SessionMeta, TurnContext},
    },
};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

/// The user's first message is looked for in so much of a journal, in bytes.
const HEAD: u64 = 1024 * 1024;
/// What one read takes, in bytes: most heads fit in.
const READ: usize = 16 * 1024;
/// Of a message, what a list shows, in characters.
const PREVIEW: usize = 400;
/// Editors put what the user has open before this, and the user's words behind it.
const REQUEST: &str = "## My request for LLMX:";

/// The head of a journal.
#[derive(Debug, Default)]
pub(super) struct Head {
    meta: Option<SessionMeta>,
    model: Option<String>,
    first_message: Option<String>,
}

impl Head {
    /// Reads as far as it must; what cannot be read is not there.
    pub(super) fn read(path: &Path) -> Self {
        let mut head = Self::default();
        let Ok(file) = File::open(path) else {
            return head;
        };
        let blobs = Blobs::new(blob_directory(path), false);
        let mut lines = BufReader::with_capacity(READ, file.take(HEAD));
        let mut line = Vec::new();
        while head.first_message.is_none() {
            line.clear();
            match lines.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) => head.line(&line, &blobs),
            }
        }
        head
    }

    /// Whether the user said anything.
    pub(super) fn has_message(&self) -> bool {
        self.first_message.is_some()
    }

    /// Who this thread is, if the journal says so.
    pub(super) fn id(&self) -> Option<&SessionId> {
        self.meta.as_ref().map(|meta| &meta.id)
    }

    /// As a list shows it.
    pub(super) fn summary(self, path: &Path, archived: bool) -> Option<ThreadSummary> {
        let meta = self.meta?;
        let started = || Key::of_file(path.file_name()?)?.started();
        Some(ThreadSummary {
            id: meta.id,
            name: fs::read_to_string(name_file(path)).ok().filter(|name| !name.is_empty()),
            preview: self.first_message.as_deref().map(preview).unwrap_or_default(),
            model_provider: meta.model_provider,
            model: self.model,
            created_at: parse_timestamp(&meta.timestamp).or_else(started).unwrap_or_default(),
            updated_at: modified(path),
            cwd: meta.cwd,
            path: Some(path.to_owned()),
            archived,
            source: meta.source,
            cli_version: meta.cli_version,
            git: meta.git,
        })
    }

    fn line(&mut self, bytes: &[u8], blobs: &Blobs) {
        let Ok(whole) = blobs.fetch(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)) else {
            return;
        };
        let Ok(line) = serde_json::from_slice::<RolloutLine<'_>>(&whole) else {
            return;
        };
        let payload = line.payload.get();
        match &*line.kind {
            "session_meta" if self.meta.is_none() => self.meta = serde_json::from_str(payload).ok(),
            "configured" if self.model.is_none() => {
                self.model = serde_json::from_str::<Configured>(payload).ok().and_then(|line| line.op.model);
            }
            "turn_context" if self.model.is_none() => {
                self.model = serde_json::from_str::<TurnContext>(payload).ok().map(|line| line.model);
            }
            "event_msg" if payload.contains(r#""user_message""#) => {
                if let Ok(EventMsg::UserMessage { message, .. }) = serde_json::from_str(payload) {
                    self.first_message = Some(message);
                }
            }
            _ => {}
        }
    }
}

fn preview(message: &str) -> String {
    let words = message.split_once(REQUEST).map_or(message, |(_, request)| request).trim();
    words.chars().take(PREVIEW).collect()
}

/// When a journal was last written, since the beginning of 1970.
pub(super) fn modified(path: &Path) -> Duration {
    let time = path.metadata().and_then(|file| file.modified()).ok();
    time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default()
}
