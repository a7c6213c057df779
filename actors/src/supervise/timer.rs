//! The one timer of an actor: it follows the deadline of the actor's machine.

use super::now;
use actix::{Actor, AsyncContext, Context, SpawnHandle};
use std::time::Instant;

/// The timer. Belongs to one actor struct in one context; not kept over a restart, which has neither.
#[derive(Debug, Default)]
pub struct Timer {
    armed: Option<(Instant, SpawnHandle)>,
}

impl Timer {
    /// Sees to it that `tick` is called at `deadline`, and at no other.
    pub fn follow<A: Actor<Context = Context<A>>>(
        &mut self,
        deadline: Option<Instant>,
        context: &mut Context<A>,
        tick: fn(&mut A, &mut Context<A>),
    ) {
        if self.armed.map(|(at, _)| at) == deadline {
            return;
        }
        if let Some((_, old)) = self.armed.take() {
            context.cancel_future(old);
        }
        self.armed = deadline.map(|at| {
            let after = at.saturating_duration_since(now());
            (at, context.run_later(after, tick))
        });
    }

    /// To be called first thing when it has fired.
    pub fn fired(&mut self) {
        self.armed = None;
    }
}
