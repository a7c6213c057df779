//! The thread that an outbox speaks for: begun, remembered, let go of and taken up again.

use super::Outbox;
use crate::{
    journal::work_tree,
    outbox::{Events, scribe::Scribe},
    threads::Opened,
};
use llmx_protocol::{
    journal::{LineWriter, timestamp},
    machine::{
        session::{Memory, Record},
        settings::Settings,
    },
    wire::rollout::{SCHEMA_VERSION, SessionMeta},
};
use std::sync::Arc;

impl Outbox {
    pub(super) fn begin(&mut self, settings: &Settings) {
        let Some(scribe) = self.scribe.as_mut().filter(|scribe| !scribe.has_begun()) else {
            return;
        };
        let meta = SessionMeta {
            id: self.parts.thread.clone(),
            timestamp: timestamp(self.parts.started),
            cwd: settings.cwd.clone(),
            originator: self.parts.origin.originator.clone(),
            cli_version: env!("CARGO_PKG_VERSION").to_owned(),
            instructions: settings.user_instructions.clone(),
            source: self.parts.origin.source.clone(),
            model_provider: Some(settings.provider.id.clone()).filter(|id| !id.is_empty()),
            git: work_tree(&settings.cwd),
            schema_version: Some(SCHEMA_VERSION),
            forked_from: None,
        };
        scribe.begin(&meta, &self.gate, self.seq);
    }

    pub(super) fn remember(&mut self, record: Record) {
        if let Record::Configured(_, settings) = &record {
            self.begin(settings);
        }
        if let Some(scribe) = self.scribe.as_mut().filter(|scribe| scribe.has_begun()) {
            scribe.record(&record, &self.memory, &self.gate, self.seq);
        }
        self.memory.fold(record);
    }

    /// The thread is in the journal, and from now on nowhere else.
    pub(super) fn let_go(&mut self) {
        self.memory = Memory::resting(self.parts.thread.clone(), self.memory.configured_by.clone());
        self.scribe = None;
        self.subscribers.rest();
    }

    /// Numbers that were handed out stay handed out.
    pub(super) fn adopt(&mut self, Opened { journal, restored, summary }: Opened) {
        let Some(writing) = self.writing.clone() else {
            return;
        };
        if let Some(end) = restored.closing {
            self.subscribers.deliver(&Arc::new(Events::new(end.id, end.seq, vec![end.msg])), None);
        }
        self.resting = false;
        self.gate = restored.gate;
        self.seq = self.seq.max(restored.seq);
        self.published = self.seq;
        self.parts.thread = summary.id;
        self.memory = restored.memory;
        let writer = LineWriter::after(restored.written, restored.meta.instructions);
        self.scribe = Some(Scribe::resumed(journal, writing, writer, self.seq));
    }
}
