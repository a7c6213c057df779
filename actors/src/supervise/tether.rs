//! A child never outlives its parent: an actor with a timer, a pump or a running future lives on when its last address
//! is dropped, and a parent that panics cannot say goodbye.

use super::crash_point;
use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, WrapFuture};
use tokio::sync::watch;

/// Held by a parent, dropped with it, whatever way it goes.
#[derive(Debug)]
pub struct Lifeline(watch::Sender<()>);

impl Default for Lifeline {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl Lifeline {
    /// The other end, for a child.
    #[must_use]
    pub fn tether(&self) -> Tether {
        Tether(self.0.subscribe())
    }

    /// Whether a child still holds its end.
    #[must_use]
    pub fn holds_something(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Waits until every tether is gone: then so is everything that held one.
    pub async fn slack(&self) {
        self.0.closed().await;
    }
}

/// Held by a child, a pump or a process: it knows when the parent is gone.
#[derive(Clone, Debug)]
pub struct Tether(watch::Receiver<()>);

impl Tether {
    /// Waits until the parent is gone.
    pub async fn cut(&mut self) {
        while self.0.changed().await.is_ok() {}
    }

    /// Stops the actor of `context` when the parent is gone. To be called first thing in `started`.
    pub fn hold<A: Actor<Context = Context<A>>>(mut self, context: &mut Context<A>, actor: &A) {
        crash_point::<A>(&"Start");
        let gone = async move { self.cut().await };
        context.spawn(gone.into_actor(actor).map(|(), _, context: &mut Context<A>| context.stop()));
    }
}
