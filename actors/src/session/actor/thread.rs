//! Threads that a session opens: another one to go on with, or its own again after a rest.

use super::Session;
use crate::{
    outbox::{Adopt, Recall},
    session::AdoptedThread,
    threads::{Opened, ThreadError, ThreadRef},
};
use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use llmx_protocol::machine::session::{Input, Memory, OpenedThread, WhichThread};

impl Session {
    /// A session that was about to rest may still have everything.
    pub(super) fn open_thread(&self, which: WhichThread, context: &mut Context<Self>) {
        let (store, defaults) = (self.parts.threads.clone(), self.parts.defaults.clone());
        let outbox = self.parts.family.outbox.clone();
        let opening = async move {
            let thread = match which {
                WhichThread::At(path) => ThreadRef::Path(path),
                WhichThread::Own => match outbox.send(Recall).await {
                    Ok(Memory { resting: true, thread: Some(thread), .. }) => ThreadRef::Id(thread),
                    Ok(memory) => return Ok(Whole::Remembered(Box::new(memory))),
                    Err(_) => return Err(ThreadError::Closed),
                },
            };
            let opened = tokio::task::spawn_blocking(move || store.open(&thread, &defaults)).await;
            opened.unwrap_or(Err(ThreadError::Closed)).map(|opened| Whole::Read(Box::new(opened)))
        };
        context.spawn(opening.into_actor(self).map(|opened, session, context| session.thread_opened(opened, context)));
    }

    fn thread_opened(&mut self, opened: Result<Whole, ThreadError>, context: &mut Context<Self>) {
        let opened = match opened {
            Err(error) => Err(error.to_string()),
            Ok(Whole::Remembered(memory)) => {
                let thread = memory.thread.clone().unwrap_or_else(|| self.parts.id.clone());
                Ok(Box::new(OpenedThread { thread, memory: *memory, messages: Vec::new() }))
            }
            Ok(Whole::Read(opened)) => Ok(Box::new(self.adopt(opened))),
        };
        self.step(Input::ThreadOpened(opened), context);
    }

    fn adopt(&self, opened: Box<Opened>) -> OpenedThread {
        let adopted =
            OpenedThread { thread: opened.summary.id.clone(), memory: opened.memory(), messages: opened.messages() };
        self.parts.family.outbox.do_send(Adopt(opened));
        if let Some(engine) = self.parts.adopted.upgrade() {
            engine.do_send(AdoptedThread { session: self.parts.id.clone(), thread: adopted.thread.clone() });
        }
        adopted
    }
}

/// All that a session knows.
enum Whole {
    Remembered(Box<Memory>),
    Read(Box<Opened>),
}
