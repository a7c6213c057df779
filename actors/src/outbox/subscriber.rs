//! The other side of an outbox.

use super::Events;
use crate::flow::Credit;
use bytes::Bytes;
use llmx_protocol::machine::session::SessionEnd;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Events on their way to a subscriber.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The same for every subscriber.
    pub events: Arc<Events>,
    /// To be dropped when they are dealt with, or will never be: it is what holds the producer back.
    pub credit: Option<Credit>,
}

impl Delivery {
    /// The events as JSON; see [`Events::lines`].
    #[must_use]
    pub fn lines(&self) -> &Bytes {
        self.events.lines()
    }
}

/// A subscriber that is gone for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// Someone who wants a session's events. Called on the session's arbiter: must not block.
pub trait Subscriber: Send + 'static {
    /// Takes events.
    ///
    /// # Errors
    /// [`Gone`] ends the subscription.
    fn deliver(&mut self, delivery: Delivery) -> Result<(), Gone>;

    /// The session rests: all that was said is in the thread's journal, and it has that no longer open. It wakes when
    /// something is submitted.
    fn rests(&mut self) {}

    /// The session is over; nothing follows.
    fn close(&mut self, end: &SessionEnd);

    /// This subscriber held up the others and gets nothing more; the session goes on. `why` is for a person.
    fn cut_off(&mut self, why: &str) {
        self.close(&SessionEnd::Failed(why.to_owned()));
    }
}

/// A subscriber for code that awaits: the other half of [`event_stream`].
struct ToStream {
    lines: mpsc::UnboundedSender<Delivery>,
    end: Option<tokio::sync::oneshot::Sender<SessionEnd>>,
}

/// A session's events, for code that awaits.
#[derive(Debug)]
pub struct EventStream {
    lines: mpsc::UnboundedReceiver<Delivery>,
    end: Option<tokio::sync::oneshot::Receiver<SessionEnd>>,
}

/// A subscriber and the stream that it feeds. What is not read holds the producers back by its credits.
#[must_use]
pub fn event_stream() -> (Box<dyn Subscriber>, EventStream) {
    let (to, lines) = mpsc::unbounded_channel();
    let (ended, end) = tokio::sync::oneshot::channel();
    (Box::new(ToStream { lines: to, end: Some(ended) }), EventStream { lines, end: Some(end) })
}

impl Subscriber for ToStream {
    fn deliver(&mut self, delivery: Delivery) -> Result<(), Gone> {
        self.lines.send(delivery).map_err(|_| Gone)
    }

    fn close(&mut self, end: &SessionEnd) {
        if let Some(ended) = self.end.take() {
            let _ = ended.send(end.clone());
        }
    }
}

impl EventStream {
    /// The next events; `None` when the session is over and everything was taken.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.lines.recv().await
    }

    /// How the session ended; `None` if its outbox died, or when asked a second time.
    pub async fn end(&mut self) -> Option<SessionEnd> {
        self.end.take()?.await.ok()
    }
}
