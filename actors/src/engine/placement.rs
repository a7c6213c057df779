//! Where session families run.

use super::TransportFactory;
use crate::model_stream::Transport;
use actix::{Arbiter, ArbiterHandle};
use std::sync::Arc;

/// Where session families run. A family never spans two arbiters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// All on the engine's own arbiter: for tests with stopped time, and for hosts that want it so.
    Here,
    /// Spread over so many arbiters of the engine's own, made when first needed.
    Spread(usize),
}

/// An arbiter and what its sessions share.
#[derive(Clone)]
pub(super) struct Hub {
    arbiter: ArbiterHandle,
    pub(super) transport: Arc<dyn Transport>,
}

impl Hub {
    pub(super) fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        // Fails only when the arbiter is stopped, and then the whole engine is.
        let _ = self.arbiter.spawn(work);
    }
}

/// The arbiters of an engine.
pub(super) struct Hubs {
    placement: Placement,
    transports: TransportFactory,
    hubs: Vec<Hub>,
    own: Vec<Arbiter>,
    opened: usize,
}

impl Hubs {
    pub(super) fn new(placement: Placement, transports: TransportFactory) -> Self {
        Self { placement, transports, hubs: Vec::new(), own: Vec::new(), opened: 0 }
    }

    /// The one for the next session.
    pub(super) fn next(&mut self) -> Hub {
        let most = match self.placement {
            Placement::Here => 1,
            Placement::Spread(n) => n.max(1),
        };
        let slot = self.opened % most;
        self.opened += 1;
        if slot == self.hubs.len() {
            let arbiter = self.arbiter();
            self.hubs.push(Hub { arbiter, transport: (self.transports)() });
        }
        self.hubs[slot].clone()
    }

    fn arbiter(&mut self) -> ArbiterHandle {
        if self.placement == Placement::Here {
            return Arbiter::current();
        }
        let arbiter = Arbiter::new();
        let handle = arbiter.handle();
        self.own.push(arbiter);
        handle
    }
}

impl Drop for Hubs {
    fn drop(&mut self) {
        for arbiter in &self.own {
            arbiter.stop();
        }
    }
}
