//! How a session ends: when it is told to, and nothing runs any more.

use super::{Closing, Effect, Record, Session, SessionEnd};
use crate::{
    machine::gate::Origin,
    wire::event::{AbortReason, EventMsg},
};

impl Session {
    pub(super) fn no_more_input(&mut self, out: &mut Vec<Effect>) {
        if self.memory.closing.is_some() {
            return;
        }
        self.record(Record::Closing(Closing::WhenIdle), out);
        let open: Vec<_> = self.approvals.list().map(|(_, q)| q.call).collect();
        for call in open {
            self.deny(call, "nobody is there to answer", out);
        }
    }

    pub(super) fn leave(&mut self, out: &mut Vec<Effect>) {
        if !matches!(self.memory.closing, Some(Closing::Shutdown(_))) {
            self.record(Record::Closing(Closing::Now), out);
        }
        self.stop_task(AbortReason::Interrupted, out);
    }

    pub(super) fn close_if_done(&mut self, out: &mut Vec<Effect>) {
        if self.over || self.running.is_some() || self.opening.is_some() {
            return;
        }
        match self.memory.closing.clone() {
            None => return,
            Some(Closing::WhenIdle) => {}
            Some(Closing::Now) => self.refuse_waiting("the session is closing", out),
            Some(Closing::Shutdown(id)) => {
                self.refuse_waiting("the session is closing", out);
                let id = self.outside_tasks(&id);
                out.push(Effect::Publish { origin: Origin::Session, id, msg: EventMsg::ShutdownComplete });
            }
        }
        self.over = true;
        out.push(Effect::Finish(SessionEnd::Closed));
    }
}
