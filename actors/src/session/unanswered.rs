use crate::outbox::{Outbox, Publish};
use actix::Addr;
use llmx_protocol::{ids::SubmissionId, machine::gate::Origin, wire::event::EventMsg};

/// Goes with a submission until the session has dealt with it, or remembers that it waits. Dropped before, because the
/// session died, it answers in the session's place; and that before whoever supervises the session hears of its end.
#[derive(Debug)]
pub struct Unanswered {
    id: SubmissionId,
    /// `None` once the session has dealt with the submission.
    outbox: Option<Addr<Outbox>>,
}

impl Unanswered {
    /// For the submission `id`; without an outbox there is nobody to tell.
    #[must_use]
    pub fn new(id: SubmissionId, outbox: Option<Addr<Outbox>>) -> Self {
        Self { id, outbox }
    }

    /// The session has dealt with it.
    pub fn answered(mut self) {
        self.outbox = None;
    }
}

impl Drop for Unanswered {
    /// Under the empty id: under a task's id an `error` would end the task.
    fn drop(&mut self) {
        if let Some(outbox) = &self.outbox {
            let text = format!(
                "internal error: the session crashed before it had dealt with submission `{}`; send it again",
                self.id
            );
            outbox.do_send(Publish {
                origin: Origin::Session,
                id: SubmissionId::default(),
                msgs: vec![EventMsg::error(text)],
                credit: None,
            });
        }
    }
}
