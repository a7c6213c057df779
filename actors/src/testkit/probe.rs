//! Stands in for whoever an actor talks to.

use actix::{Actor, Addr, Context, Handler, Message, Recipient, WeakRecipient};
use tokio::sync::mpsc;

/// An actor that only listens.
pub struct Probe<M>(mpsc::UnboundedSender<M>);

/// What a [`Probe`] has heard. Dropped, it ends the probe.
pub struct Heard<M: Message<Result = ()> + Send + 'static> {
    probe: Addr<Probe<M>>,
    heard: mpsc::UnboundedReceiver<M>,
}

/// Starts a probe on this arbiter.
#[must_use]
pub fn probe<M: Message<Result = ()> + Send + 'static>() -> Heard<M> {
    let (to, heard) = mpsc::unbounded_channel();
    #[expect(clippy::disallowed_methods, reason = "a probe has no parent")]
    let probe = Probe(to).start();
    Heard { probe, heard }
}

impl<M: Message<Result = ()> + Send + 'static> Heard<M> {
    /// For actors that hold on to whom they talk to.
    #[must_use]
    pub fn recipient(&self) -> Recipient<M> {
        self.probe.clone().recipient()
    }

    /// For actors that report to a parent.
    #[must_use]
    pub fn weak(&self) -> WeakRecipient<M> {
        self.probe.downgrade().recipient()
    }

    /// Waits for the next message.
    ///
    /// # Panics
    /// If none can come any more.
    pub async fn next(&mut self) -> M {
        self.heard.recv().await.unwrap_or_else(|| panic!("the probe is gone"))
    }

    /// What was heard and not yet taken.
    pub fn so_far(&mut self) -> Vec<M> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }
}

impl<M: 'static> Actor for Probe<M> {
    type Context = Context<Self>;
}

impl<M: Message<Result = ()> + Send + 'static> Handler<M> for Probe<M> {
    type Result = ();

    fn handle(&mut self, message: M, _: &mut Context<Self>) {
        // A test that has stopped listening is no fault of the actor's.
        let _ = self.0.send(message);
    }
}
