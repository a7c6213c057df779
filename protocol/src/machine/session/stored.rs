//! A session whose thread is elsewhere: in a journal that it is to go on with, or in its own while it rests. What is
//! submitted meanwhile waits.

use super::{Due, Effect, Memory, Session};
use crate::{
    ids::{SessionId, SubmissionId},
    journal,
    local_files::FromDisk,
    wire::{
        event::EventMsg,
        op::{ConfigureSession, Op},
        submission::Submission,
    },
};
use std::{path::PathBuf, time::Instant};

/// A thread that was opened.
#[derive(Clone, Debug)]
pub struct OpenedThread {
    /// The thread.
    pub thread: SessionId,
    /// What its session remembers.
    pub memory: Memory,
    /// What a UI may show of it.
    pub messages: Vec<EventMsg>,
}

/// Which thread is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhichThread {
    /// The session's own, in which it rests.
    Own,
    /// The one in this file.
    At(PathBuf),
}

/// What is to be done with a thread when it is open.
#[derive(Clone, Debug)]
pub(super) enum Opening {
    Wake,
    Configure(SubmissionId, Box<ConfigureSession>, FromDisk),
}

impl Session {
    /// The thread of `resume_path` is opened first; the settings are those of the op.
    pub(super) fn resume(
        &mut self,
        id: SubmissionId,
        mut op: Box<ConfigureSession>,
        path: PathBuf,
        out: &mut Vec<Effect>,
    ) {
        op.resume_path = None;
        let files = self.read_for(&id);
        self.opening = Some(Opening::Configure(id, op, files));
        out.push(Effect::OpenThread(WhichThread::At(path)));
    }

    pub(super) fn wake(&mut self, out: &mut Vec<Effect>) {
        if self.memory.resting && self.opening.is_none() {
            self.opening = Some(Opening::Wake);
            out.push(Effect::OpenThread(WhichThread::Own));
        }
    }

    pub(super) fn thread_opened(&mut self, opened: Result<Box<OpenedThread>, String>, out: &mut Vec<Effect>) {
        match (self.opening.take(), opened) {
            (None, _) => return,
            (Some(Opening::Wake), Ok(opened)) => self.go_on_with(*opened),
            (Some(Opening::Wake), Err(why)) => self.refuse_waiting(&why, out),
            (Some(Opening::Configure(id, op, files)), Ok(mut opened)) => {
                self.from_disk.insert(id.clone(), files);
                let messages = std::mem::take(&mut opened.messages);
                self.go_on_with(*opened);
                self.initial_messages = Some(messages);
                self.submit(Ok(Submission { id, op: Op::ConfigureSession(op) }), out);
                self.initial_messages = None;
                self.publish_notices(out);
            }
            (Some(Opening::Configure(id, ..)), Err(why)) => self.answer_error(&id, why, out),
        }
        self.serve_waiting(out);
    }

    /// Whether the session is to end stays as it is: that was said to this one.
    fn go_on_with(&mut self, opened: OpenedThread) {
        let closing = self.memory.closing.take();
        self.id = opened.thread.clone();
        self.memory = opened.memory;
        self.memory.thread = Some(opened.thread);
        self.memory.closing = closing;
    }

    /// Lets the time run in which nobody wants anything of a session that can rest.
    pub(super) fn watch_idleness(&mut self, now: Instant) {
        let Some(after) = self.rests_after.filter(|_| self.is_idle() && self.is_in_its_journal()) else {
            return self.deadlines.clear(Due::Rest);
        };
        if !self.deadlines.has(Due::Rest) {
            self.deadlines.set(Due::Rest, now + after);
        }
    }

    pub(super) fn rest(&mut self, out: &mut Vec<Effect>) {
        self.memory = Memory::resting(self.id.clone(), self.memory.configured_by.clone());
        out.push(Effect::Rest);
    }

    /// Whether nothing would be forgotten by a rest.
    fn is_in_its_journal(&self) -> bool {
        self.memory.settings.as_ref().is_some_and(journal::are_kept_whole)
    }

    fn is_idle(&self) -> bool {
        self.memory.settings.is_some()
            && self.memory.closing.is_none()
            && self.running.is_none()
            && self.waiting.is_empty()
            && self.opening.is_none()
    }
}
