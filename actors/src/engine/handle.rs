//! What a host holds of an engine and of a session.

use super::{Engine, OpenSession, messages::OpenThread};
use crate::{
    auth::Accounts,
    flow::Credits,
    outbox::{Outbox, Subscriber},
    session::{Join, Leave, NoMoreInput, Session, Submit, TellSettings, Unanswered},
    threads::{NewThread, Opened, Page, Resumed, StoredThread, ThreadError, ThreadQuery, ThreadRef, ThreadStore},
};
use actix::{Addr, Handler, Message};
use dashmap::DashMap;
use llmx_protocol::{
    ids::{ResponseId, SessionId},
    machine::settings::{Defaults, Settings},
    wire::submission::{BadSubmission, Submission},
};
use std::sync::Arc;
use tokio::sync::{Mutex, oneshot, watch};

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
    shared: Shared,
}

/// What an engine shares with whoever holds its address.
#[derive(Clone)]
pub struct Shared {
    /// Read-mostly, by every thread: the one map that is shared.
    registry: Arc<DashMap<SessionId, SessionHandle>>,
    threads: Arc<dyn ThreadStore>,
    defaults: Arc<Defaults>,
    accounts: Accounts,
    /// Held by whoever makes a thread live: no two at once, lest they open the same one.
    opening: Arc<Mutex<()>>,
}

impl Shared {
    pub(super) fn new(
        registry: Arc<DashMap<SessionId, SessionHandle>>,
        threads: Arc<dyn ThreadStore>,
        defaults: Arc<Defaults>,
        accounts: Accounts,
    ) -> Self {
        Self { registry, threads, defaults, accounts, opening: Arc::default() }
    }
}

impl EngineHandle {
    /// Of an engine that a host started under a supervisor of its own; `shared` is its [`Engine::shared`].
    #[must_use]
    pub fn new(engine: Addr<Engine>, shared: Shared) -> Self {
        Self { engine, shared }
    }

    /// Starts a session without settings. Its thread is kept from its first `configure_session` on.
    ///
    /// # Errors
    /// The engine is gone.
    pub async fn open_session(&self, subscriber: Box<dyn Subscriber>) -> Result<SessionHandle, SessionClosed> {
        self.engine.send(OpenSession(subscriber)).await.map_err(|_| SessionClosed)
    }

    /// Who is logged in, and how to change that.
    #[must_use]
    pub fn accounts(&self) -> &Accounts {
        &self.shared.accounts
    }

    /// A session that is open.
    #[must_use]
    pub fn session(&self, id: &SessionId) -> Option<SessionHandle> {
        self.shared.registry.get(id).map(|found| found.clone())
    }

    /// Starts a thread: [`open_session`](Self::open_session) by the name that its list has for it.
    ///
    /// # Errors
    /// [`ThreadError::Closed`] if the engine is gone.
    pub async fn start_thread(&self, subscriber: Box<dyn Subscriber>) -> Result<SessionHandle, ThreadError> {
        Ok(self.open_session(subscriber).await?)
    }

    /// Makes a thread live again, with the settings that it had. If it is live already, the subscriber joins it. A task
    /// that was running when its engine died is closed with an `error`.
    ///
    /// # Errors
    /// [`ThreadError`].
    pub async fn resume_thread(
        &self,
        thread: ThreadRef,
        subscriber: Box<dyn Subscriber>,
    ) -> Result<Resumed, ThreadError> {
        let _alone = self.shared.opening.lock().await;
        let wanted = thread.clone();
        let id = self.with_store(move |store, _| store.identify(&wanted)).await?;
        if let Some(session) = self.session(&id) {
            let thread = session.attach(subscriber, None).await?;
            return Ok(Resumed { session, thread });
        }
        let opened = self.with_store(move |store, defaults| store.open(&thread, defaults)).await?;
        self.go_on(opened, subscriber).await
    }

    /// Starts a thread with what another held up to a bookmark, or all of it.
    ///
    /// # Errors
    /// [`ThreadError::Invalid`] if the bookmark is not in the thread, and all the others.
    pub async fn fork_thread(
        &self,
        thread: ThreadRef,
        at: Option<ResponseId>,
        subscriber: Box<dyn Subscriber>,
    ) -> Result<Resumed, ThreadError> {
        let fork = NewThread::now();
        let opened = self.with_store(move |store, defaults| store.fork(&thread, at.as_ref(), &fork, defaults)).await?;
        self.go_on(opened, subscriber).await
    }

    /// Some threads, newest first.
    ///
    /// # Errors
    /// [`ThreadError::Invalid`] for a cursor that no page gave.
    pub async fn list_threads(&self, query: ThreadQuery) -> Result<Page, ThreadError> {
        self.with_store(move |store, _| store.list(&query)).await
    }

    /// Looks at a thread, live or not, without joining it.
    ///
    /// # Errors
    /// [`ThreadError`].
    pub async fn read_thread(&self, thread: ThreadRef) -> Result<StoredThread, ThreadError> {
        self.with_store(move |store, _| store.read(&thread)).await
    }

    /// Puts a thread away. One that is live here ends first, and what it runs.
    ///
    /// # Errors
    /// [`ThreadError::Locked`] while it is open in another process, and all the others.
    pub async fn archive_thread(&self, thread: ThreadRef) -> Result<(), ThreadError> {
        self.end_if_live(&thread).await?;
        self.with_store(move |store, _| store.archive(&thread)).await
    }

    /// Takes a thread out again.
    ///
    /// # Errors
    /// [`ThreadError`].
    pub async fn unarchive_thread(&self, thread: ThreadRef) -> Result<(), ThreadError> {
        self.end_if_live(&thread).await?;
        self.with_store(move |store, _| store.unarchive(&thread)).await
    }

    /// Forgets a thread for good. One that is live here ends first, and what it runs.
    ///
    /// # Errors
    /// [`ThreadError::Locked`] while it is open in another process, and all the others.
    pub async fn delete_thread(&self, thread: ThreadRef) -> Result<(), ThreadError> {
        self.end_if_live(&thread).await?;
        self.with_store(move |store, _| store.delete(&thread)).await
    }

    /// Gives a thread a name, or takes it away with an empty one.
    ///
    /// # Errors
    /// [`ThreadError`].
    pub async fn rename_thread(&self, thread: ThreadRef, name: String) -> Result<(), ThreadError> {
        self.with_store(move |store, _| store.rename(&thread, &name)).await
    }

    async fn go_on(&self, opened: Opened, subscriber: Box<dyn Subscriber>) -> Result<Resumed, ThreadError> {
        let thread = StoredThread {
            summary: opened.summary.clone(),
            events: opened.restored.events.clone(),
            times: opened.restored.times.clone(),
            open_approvals: Vec::new(),
            seq: opened.restored.seq,
            damage: opened.restored.damage.clone(),
        };
        let session = self.engine.send(OpenThread { subscriber, opened }).await.map_err(|_| SessionClosed)?;
        Ok(Resumed { session, thread })
    }

    async fn end_if_live(&self, thread: &ThreadRef) -> Result<(), ThreadError> {
        let wanted = thread.clone();
        let id = self.with_store(move |store, _| store.identify(&wanted)).await?;
        if let Some(session) = self.session(&id) {
            // One that is closed already is what is wanted.
            let _ = session.leave().await;
            session.gone().await;
        }
        Ok(())
    }

    /// Off this arbiter: it reads files.
    async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn ThreadStore, &Defaults) -> Result<T, ThreadError> + Send + 'static,
    ) -> Result<T, ThreadError> {
        let (store, defaults) = (self.shared.threads.clone(), self.shared.defaults.clone());
        let done = tokio::task::spawn_blocking(move || work(&*store, &defaults)).await;
        done.unwrap_or(Err(ThreadError::Closed))
    }
}

impl From<SessionClosed> for ThreadError {
    fn from(_: SessionClosed) -> Self {
        Self::Closed
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
    threads: Arc<dyn ThreadStore>,
}

impl SessionHandle {
    pub(super) fn new(
        id: SessionId,
        outbox: watch::Receiver<Option<Addr<Outbox>>>,
        whereabouts: watch::Receiver<Whereabouts>,
        threads: Arc<dyn ThreadStore>,
    ) -> Self {
        Self { id, outbox, whereabouts, credits: Credits::new(WAITING), threads }
    }

    /// From now on the subscriber gets every event too; what came before is the answer, as far as its numbers are above
    /// `after_seq`. He may get events before he has the answer. One that is far behind the others is cut off
    /// ([`PATIENCE`](crate::flow::company::PATIENCE)).
    ///
    /// # Errors
    /// [`ThreadError::NotFound`] if the thread is not kept, not even since it was configured, and what reading it gives.
    /// The subscriber has joined all the same.
    pub async fn attach(
        &self,
        subscriber: Box<dyn Subscriber>,
        after_seq: Option<u64>,
    ) -> Result<StoredThread, ThreadError> {
        let (told, attached) = oneshot::channel();
        self.session().await?.do_send(Join { subscriber, attached: told });
        let attached = attached.await.map_err(|_| ThreadError::Closed)?;
        let (store, id) = (self.threads.clone(), attached.thread.clone());
        let read = tokio::task::spawn_blocking(move || store.read(&ThreadRef::Id(id))).await;
        let thread = read.unwrap_or(Err(ThreadError::Closed))?;
        Ok(thread.snapshot(attached.seq, after_seq, &attached.open))
    }

    /// Waits until nothing is left of the session.
    async fn gone(&self) {
        let mut outbox = self.outbox.clone();
        while outbox.changed().await.is_ok() {}
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

    /// What the next task runs under; nothing before the session is configured, or when it is closed.
    pub async fn settings(&self) -> Option<Box<Settings>> {
        self.session().await.ok()?.send(TellSettings).await.ok()?
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
