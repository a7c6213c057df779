//! The session's events as mail.

use super::{
    LoadedThread,
    messages::{Ended, Heard, Rests},
};
use crate::outbox::{Delivery, Gone, Subscriber};
use actix::Addr;
use llmx_protocol::machine::session::SessionEnd;

/// Holds the thread: it lives as long as its session.
pub(super) struct ToThread(pub(super) Addr<LoadedThread>);

impl Subscriber for ToThread {
    fn deliver(&mut self, delivery: Delivery) -> Result<(), Gone> {
        if !self.0.connected() {
            return Err(Gone);
        }
        self.0.do_send(Heard(delivery));
        Ok(())
    }

    fn rests(&mut self) {
        self.0.do_send(Rests);
    }

    fn close(&mut self, _: &SessionEnd) {
        self.0.do_send(Ended);
    }
}
