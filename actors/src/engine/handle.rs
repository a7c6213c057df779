//! What a host holds of an engine and of a session.

use super::{Engine, OpenSession};
use crate::{
    flow::Credits,
    outbox::{Outbox, Subscriber},
    session::{Leave, NoMoreInput, Session, Submit, Unanswered},
};
use actix::{Addr, Handler, Message};
use dashmap::DashMap;
use llmx_protocol::{
    ids::SessionId,
    wire::submission::{BadSubmission, Submission},
};
use std::sync::Arc;
use tokio::sync::watch;

/// How many submissions of a session may wait for its running task to end.
const WAITING: u32 = 64;

/// The session is over and takes nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session is closed")]
pub struct SessionClosed;

/// A running engine. When the last clone, and the last one of the actor's address, is dropped, it ends with all it
/// started.
#[derive(Clone)]
pub struct EngineHandle {
    /// The actor, for hosts that want to send it messages of their own.
    pub engine: Addr<Engine>,
    /// Read-mostly, by every thread: the one map that is shared.
    pub(super) registry: Arc<DashMap<SessionId, SessionHandle>>,
}

impl EngineHandle {
    /// Starts a session without settings.
    ///
    /// # Errors
    /// The engine is gone.
    pub async fn open_session(&self, subscriber: Box<dyn Subscriber>) -> Result<SessionHandle, SessionClosed> {
        self.engine.send(OpenSession(subscriber)).await.map_err(|_| SessionClosed)
    }

    /// A session that is open.
    #[must_use]
    pub fn session(&self, id: &SessionId) -> Option<SessionHandle> {
        self.registry.get(id).map(|found| found.clone())
    }
}

/// Where a session is now.
#[derive(Clone, Debug)]
pub(super) enum Whereabouts {
    /// It is being started, or rebuilt.
    Starting,
    /// Here.
    Open(Addr<Session>),
    /// Gone for good.
    Closed,
}

/// A session, whichever actor it is at the moment.
#[derive(Clone, Debug)]
pub struct SessionHandle {
    /// The session.
    pub id: SessionId,
    pub(super) outbox: watch::Receiver<Option<Addr<Outbox>>>,
    pub(super) whereabouts: watch::Receiver<Whereabouts>,
    credits: Credits,
}

impl SessionHandle {
    pub(super) fn new(
        id: SessionId,
        outbox: watch::Receiver<Option<Addr<Outbox>>>,
        whereabouts: watch::Receiver<Whereabouts>,
    ) -> Self {
        Self { id, outbox, whereabouts, credits: Credits::new(WAITING) }
    }

    /// Hands a line of the UI to the session; returns when it was dealt with or waits for the running task to end.
    /// To be awaited before the next one is sent: that keeps them in order and bounds what is under way. A
    /// submission that the session dies with, or before, is answered with an `error` that names it; it is not tried again.
    ///
    /// # Errors
    /// [`SessionClosed`].
    pub async fn submit(&self, submission: Result<Submission, BadSubmission>) -> Result<(), SessionClosed> {
        let credit = Some(self.credits.acquire(1).await);
        let id = submission.as_ref().map_or_else(|bad| bad.id.clone(), |s| s.id.clone());
        let session = self.session().await?;
        let unanswered = Unanswered::new(id, self.outbox.borrow().clone());
        // A session that dies of it is no error here: the UI is told.
        let _ = session.send(Submit { submission, credit, unanswered }).await;
        Ok(())
    }

    /// Says that no more submissions come: the session finishes what was submitted, then ends.
    ///
    /// # Errors
    /// [`SessionClosed`].
    pub async fn no_more_input(&self) -> Result<(), SessionClosed> {
        self.insist(|| NoMoreInput).await
    }

    /// Interrupts what runs and ends the session.
    ///
    /// # Errors
    /// [`SessionClosed`].
    pub async fn leave(&self) -> Result<(), SessionClosed> {
        self.insist(|| Leave).await
    }

    /// Waits until the session is over.
    pub async fn closed(&self) {
        let mut whereabouts = self.whereabouts.clone();
        let _ = whereabouts.wait_for(|w| matches!(w, Whereabouts::Closed)).await;
    }

    /// Sends until a session that lives has taken it; harmless when taken twice.
    async fn insist<M>(&self, message: impl Fn() -> M) -> Result<(), SessionClosed>
    where
        M: Message<Result = ()> + Send + 'static,
        Session: Handler<M>,
    {
        loop {
            let session = self.session().await?;
            if session.send(message()).await.is_ok() {
                return Ok(());
            }
            // Its end is on the way to the engine.
            let mut whereabouts = self.whereabouts.clone();
            whereabouts.borrow_and_update();
            if session_is(&whereabouts, &session) && whereabouts.changed().await.is_err() {
                return Err(SessionClosed);
            }
        }
    }

    async fn session(&self) -> Result<Addr<Session>, SessionClosed> {
        let mut whereabouts = self.whereabouts.clone();
        let settled = whereabouts.wait_for(|w| match w {
            Whereabouts::Starting => false,
            Whereabouts::Open(session) => session.connected(),
            Whereabouts::Closed => true,
        });
        match settled.await.as_deref() {
            Ok(Whereabouts::Open(session)) => Ok(session.clone()),
            _ => Err(SessionClosed),
        }
    }
}

fn session_is(whereabouts: &watch::Receiver<Whereabouts>, session: &Addr<Session>) -> bool {
    matches!(&*whereabouts.borrow(), Whereabouts::Open(open) if open == session)
}
