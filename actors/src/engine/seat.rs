//! Where a session is started: on its arbiter, and again in its place.

use super::{Engine, EngineOptions, messages::SessionStarted, placement::Hub};
use crate::{
    flow::Credits,
    outbox::Outbox,
    session::{Session, SessionParts},
    supervise::{Lifeline, start_watched},
    task::Family,
};
use actix::Addr;
use llmx_protocol::{ids::SessionId, machine::session::Memory};
use std::sync::Arc;

/// What is needed to start a session on its arbiter.
pub(super) struct Seat {
    pub(super) id: SessionId,
    pub(super) engine: Addr<Engine>,
    pub(super) options: EngineOptions,
    pub(super) hub: Hub,
    pub(super) family: Arc<Lifeline>,
    pub(super) kept: bool,
}

impl Seat {
    pub(super) fn start(self, outbox: Addr<Outbox>, memory: Memory) {
        let family = Family {
            outbox,
            transport: self.hub.transport,
            model_credits: Credits::new(self.options.model_window),
            output_credits: Credits::new(self.options.output_window),
        };
        let parts = SessionParts {
            seed: memory.last_task.0 ^ seed_of(&self.id),
            id: self.id.clone(),
            defaults: self.options.defaults,
            memory,
            family,
            runner: self.options.runner,
            threads: self.options.threads,
            history: self.options.history,
            rests_after: self.options.rests_after.filter(|_| self.kept),
            adopted: self.engine.downgrade().recipient(),
            finished: self.engine.downgrade().recipient(),
            tether: self.family.tether(),
        };
        let parent = self.engine.downgrade().recipient();
        let session = start_watched(self.id.clone(), parent, |_| Session::new(parts));
        self.engine.do_send(SessionStarted { id: self.id, session });
    }
}

/// Session ids end in random digits.
fn seed_of(id: &SessionId) -> u64 {
    id.as_str().bytes().fold(0, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)))
}
