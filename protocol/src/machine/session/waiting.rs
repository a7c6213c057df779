//! Submissions wait in order: behind one that has to wait everything does.

use super::{Effect, Record, Session};
use crate::{
    ids::SubmissionId,
    wire::submission::{BadSubmission, Submission},
};

impl Session {
    pub(super) fn remember_waiting(&mut self, out: &mut Vec<Effect>) {
        let unheard = self.running.iter().flat_map(|running| &running.unheard);
        let waiting: Vec<_> = unheard.chain(self.waiting.iter().map(id_of)).cloned().collect();
        self.from_disk.retain(|id, _| waiting.contains(id));
        if waiting != self.memory.waiting {
            self.record(Record::Waiting(waiting), out);
        }
    }

    /// Deals with a submission, or lets it wait its turn.
    pub(super) fn take(&mut self, submission: Result<Submission, BadSubmission>, out: &mut Vec<Effect>) {
        if self.must_wait() {
            self.waiting.push_back(submission);
            self.wake(out);
        } else {
            self.submit(submission, out);
        }
    }

    fn must_wait(&self) -> bool {
        !self.waiting.is_empty() || self.memory.resting || self.is_blocked()
    }

    /// Whether whatever comes next has to wait for something.
    fn is_blocked(&self) -> bool {
        self.opening.is_some() || self.running.as_ref().is_some_and(|r| r.stopping.is_some() || r.crashed.is_some())
    }

    pub(super) fn serve_waiting(&mut self, out: &mut Vec<Effect>) {
        while !self.is_blocked() {
            let Some(next) = self.waiting.pop_front() else {
                return;
            };
            self.submit(next, out);
        }
    }

    pub(super) fn refuse_waiting(&mut self, why: &str, out: &mut Vec<Effect>) {
        for submission in std::mem::take(&mut self.waiting) {
            self.answer_error(id_of(&submission), why, out);
        }
    }
}

fn id_of(submission: &Result<Submission, BadSubmission>) -> &SubmissionId {
    submission.as_ref().map_or_else(|bad| &bad.id, |s| &s.id)
}
