//! Sees to it that what is published was journalled first.
//!
//! Lines are gathered while others are being written; so a burst of events costs two writes. What cannot be written is
//! not published: the lines of what the session remembers are kept until there is space again, and in place of the
//! events go `error`s that say why, the only events that are published before they are written.

use super::Events;
use crate::{
    flow::Credit,
    journal::{Appended, Appender},
    threads::{Journal, SyncPolicy},
};
use llmx_protocol::{
    ids::SubmissionId,
    journal::{LineWriter, is_journalled, timestamp},
    machine::{
        gate::{Gate, Origin},
        session::{Memory, Record},
    },
    wire::{event::EventMsg, rollout::SessionMeta},
};
use std::{
    io, mem,
    ops::Range,
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// How many deltas may be handed out before it is written down that their numbers are taken.
const NUMBERS_AHEAD: u64 = 4096;

/// What a journal is written with.
#[derive(Clone, Debug)]
pub struct Writing {
    /// The threads that write.
    pub appender: Appender,
    /// When journals are made to survive a power cut.
    pub sync: SyncPolicy,
}

/// An event that waits for its line to be written, in what it was published as.
pub(super) struct Held {
    pub(super) origin: Origin,
    pub(super) events: Arc<Events>,
    pub(super) credit: Option<Credit>,
}

/// Lines that are written at once, and the events that wait for them.
pub(super) struct Batch {
    lines: Vec<u8>,
    /// Those that are not given up when they cannot be written.
    kept: Vec<Range<usize>>,
    pub(super) held: Vec<Held>,
    /// What was said, and might be said, before them.
    pub(super) gate: Gate,
    pub(super) seq: u64,
    ends_a_task: bool,
}

/// Writes one thread.
pub(super) struct Scribe {
    writing: Writing,
    writer: LineWriter,
    /// Not here while a batch is being written.
    journal: Option<Box<dyn Journal>>,
    path: Option<PathBuf>,
    begun: bool,
    gathered: Option<Batch>,
    under_way: Option<Batch>,
    /// Why nothing can be written at present.
    failed: Option<String>,
    /// Lines to be written as soon as something can be.
    owed: Vec<u8>,
    /// Numbers up to this one may be handed out.
    reserved: u64,
}

impl Scribe {
    /// For a thread that begins when it is configured.
    pub(super) fn new(journal: Box<dyn Journal>, writing: Writing) -> Self {
        Self {
            path: journal.path(),
            journal: Some(journal),
            writing,
            writer: LineWriter::default(),
            begun: false,
            gathered: None,
            under_way: None,
            failed: None,
            owed: Vec::new(),
            reserved: 0,
        }
    }

    /// For one that goes on; `seq` is the last number that may have been handed out.
    pub(super) fn resumed(journal: Box<dyn Journal>, writing: Writing, writer: LineWriter, seq: u64) -> Self {
        Self { begun: true, writer, reserved: seq, ..Self::new(journal, writing) }
    }

    pub(super) fn path(&self) -> Option<&PathBuf> {
        self.path.as_ref()
    }

    /// Whether there is a thread to write: before it is configured there is none.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Why nothing can be written at present.
    pub(super) fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_idle(&self) -> bool {
        self.gathered.is_none() && self.under_way.is_none()
    }

    /// The thread begins.
    pub(super) fn begin(&mut self, meta: &SessionMeta, gate: &Gate, seq: u64) {
        self.begun = true;
        let mut lines = Vec::new();
        self.writer.meta(meta, &meta.timestamp, &mut lines);
        self.keep(&lines, gate, seq);
    }

    /// Writes what is to be remembered. A task that begins, or new settings, are the occasion to try again.
    pub(super) fn record(&mut self, record: &Record, before: &Memory, gate: &Gate, seq: u64) {
        if matches!(record, Record::TaskStarted(..) | Record::Configured(..)) {
            self.failed = None;
        }
        let mut lines = Vec::new();
        self.writer.record(record, before, &now(), &mut lines);
        if !lines.is_empty() {
            self.keep(&lines, gate, seq);
        }
    }

    /// Whether these can go out without waiting for anything.
    pub(super) fn may_pass(&self, msgs: &[EventMsg], last: u64) -> bool {
        self.is_idle() && last <= self.reserved && !msgs.iter().any(is_journalled)
    }

    /// Holds events back until their lines are written; `gate`: as it was before them.
    pub(super) fn hold(&mut self, held: Held, gate: &Gate) {
        let now = now();
        let first = held.events.iter().next().map_or(0, |(seq, _)| seq);
        let batch = self.gathered.get_or_insert_with(|| Batch::new(gate, first.saturating_sub(1)));
        for (seq, msg) in held.events.iter() {
            if is_journalled(msg) {
                LineWriter::event(held.events.id(), seq, msg, &now, &mut batch.lines);
                self.reserved = self.reserved.max(seq);
                batch.ends_a_task |= matches!(held.origin, Origin::Task(_)) && msg.ends_a_task();
            } else if seq > self.reserved {
                self.reserved = seq + NUMBERS_AHEAD;
                LineWriter::numbers(self.reserved, &now, &mut batch.lines);
            }
        }
        batch.held.push(held);
    }

    /// Writes an event that was published already.
    pub(super) fn owe(&mut self, id: &SubmissionId, seq: u64, msg: &EventMsg) {
        LineWriter::event(id, seq, msg, &now(), &mut self.owed);
    }

    /// The thread is left alone: of the numbers that were set aside, the rest are free again.
    pub(super) fn rest(&mut self, gate: &Gate, seq: u64) {
        self.failed = None;
        if self.begun && self.reserved > seq {
            let mut lines = Vec::new();
            LineWriter::numbers(seq, &now(), &mut lines);
            self.reserved = seq;
            self.keep(&lines, gate, seq);
        }
    }

    /// Whether the journal holds everything that was said and is to be remembered.
    pub(super) fn has_written_everything(&self) -> bool {
        self.begun && self.is_idle() && self.failed.is_none() && self.owed.is_empty()
    }

    /// Hands the next batch to the thread that writes, unless that has one; `done` brings the journal back.
    pub(super) fn write(&mut self, gate: &Gate, seq: u64, done: impl FnOnce(Appended) + Send + 'static) {
        if self.failed.is_none() && !self.owed.is_empty() && self.gathered.is_none() {
            self.gathered = Some(Batch::new(gate, seq));
        }
        if self.gathered.is_none() {
            return;
        }
        let Some(journal) = self.journal.take() else {
            return;
        };
        if let Some(mut batch) = self.gathered.take() {
            batch.put_first(mem::take(&mut self.owed));
            let lines = mem::take(&mut batch.lines);
            self.under_way = Some(batch);
            self.writing.appender.append(journal, lines, self.writing.sync, done);
        }
    }

    /// The batch that is written now, and may be published. `not_durable`: told, later, if a power cut may undo that.
    pub(super) fn written(
        &mut self,
        journal: Box<dyn Journal>,
        not_durable: impl FnOnce(io::Error) + Send + 'static,
    ) -> Option<Batch> {
        let batch = self.under_way.take();
        if self.writing.sync == SyncPolicy::Task && batch.as_ref().is_some_and(|batch| batch.ends_a_task) {
            self.writing.appender.sync_later(&*journal, not_durable);
        }
        self.journal = Some(journal);
        batch
    }

    /// The batch that could not be written, and what came after it: what they held must not be published. The lines
    /// that must not be lost are owed from now on.
    pub(super) fn not_written(&mut self, journal: Box<dyn Journal>, lines: Vec<u8>, why: String) -> Vec<Batch> {
        self.journal = Some(journal);
        self.failed = Some(why);
        if let Some(batch) = &mut self.under_way {
            batch.lines = lines;
        }
        let lost: Vec<_> = self.under_way.take().into_iter().chain(self.gathered.take()).collect();
        for batch in &lost {
            for range in &batch.kept {
                self.owed.extend_from_slice(&batch.lines[range.clone()]);
            }
        }
        lost
    }

    fn keep(&mut self, lines: &[u8], gate: &Gate, seq: u64) {
        if self.failed.is_some() {
            self.owed.extend_from_slice(lines);
            return;
        }
        let batch = self.gathered.get_or_insert_with(|| Batch::new(gate, seq));
        let from = batch.lines.len();
        batch.lines.extend_from_slice(lines);
        batch.kept.push(from..batch.lines.len());
    }
}

impl Batch {
    fn new(gate: &Gate, seq: u64) -> Self {
        Self { lines: Vec::new(), kept: Vec::new(), held: Vec::new(), gate: gate.clone(), seq, ends_a_task: false }
    }

    /// Puts lines that must not be lost before the others.
    fn put_first(&mut self, mut owed: Vec<u8>) {
        if owed.is_empty() {
            return;
        }
        let before = owed.len();
        for range in &mut self.kept {
            *range = range.start + before..range.end + before;
        }
        self.kept.insert(0, 0..before);
        owed.append(&mut self.lines);
        self.lines = owed;
    }
}

fn now() -> String {
    timestamp(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
