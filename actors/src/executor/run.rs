//! One call on its way: it outlives the executor's actor just long enough to die and say so.

use super::{Application, CallEnded, CallOutput, Inspection, Order, OutputSink, Runner};
use crate::{
    flow::{Credit, Credits},
    supervise::{Tether, now},
};
use actix::WeakRecipient;
use bytes::Bytes;
use futures_util::{FutureExt, future::LocalBoxFuture};
use llmx_protocol::{
    machine::{approval::CallKey, turn::CallEnd},
    wire::event::ExecOutputStream,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// What a killed command may still hand over without the UI having room for it, in bytes: two full pipes and a bit.
const LAST_WORDS: usize = 256 * 1024;

/// What a run is for.
pub(super) enum Errand {
    Run(Order),
    Inspect(Inspection),
    Apply(Application),
}

/// What a run needs.
pub(super) struct Run {
    pub(super) runner: Arc<dyn Runner>,
    pub(super) errand: Errand,
    pub(super) call: CallKey,
    pub(super) credits: Credits,
    pub(super) output: WeakRecipient<CallOutput>,
    pub(super) ended: WeakRecipient<CallEnded>,
    /// Carries the grace when the command is to be killed.
    pub(super) kill: watch::Receiver<Option<Duration>>,
    /// The executor's; cut, it kills at once.
    pub(super) executor: Tether,
    /// Held until nothing of the command lives; whoever sweeps, or rebuilds the session, waits for them.
    pub(super) alive: [Tether; 2],
}

impl Run {
    pub(super) async fn finish(self) {
        let Self { runner, errand, call, credits, output, ended, kill, executor, alive } = self;
        let mut answer = Answer { call, ended: Some(ended), since: now(), end: CallEnd::Lost };
        let sink = Box::new(Sink { call, output, credits, kill: kill.clone(), last_words: LAST_WORDS });
        let killed = killed(kill, executor).boxed_local();
        answer.end = match errand {
            Errand::Run(order) => runner.run(order, killed, sink).await,
            Errand::Apply(application) => runner.apply(application, killed, sink).await,
            Errand::Inspect(inspection) => tokio::select! {
                found = runner.inspect(inspection) => CallEnd::Inspected(found),
                // Files that take too long to read are let be.
                _ = killed => CallEnd::Lost,
            },
        };
        drop(alive);
    }
}

/// Says how the command ended, whatever happens to the run.
struct Answer {
    call: CallKey,
    ended: Option<WeakRecipient<CallEnded>>,
    since: Instant,
    end: CallEnd,
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(turn) = self.ended.take().and_then(|turn| turn.upgrade()) {
            let duration = now().saturating_duration_since(self.since);
            turn.do_send(CallEnded { call: self.call, end: self.end.clone(), duration });
        }
    }
}

async fn killed(mut kill: watch::Receiver<Option<Duration>>, mut executor: Tether) -> Duration {
    tokio::select! {
        grace = told_to_die(&mut kill) => grace,
        () = executor.cut() => Duration::ZERO,
    }
}

/// Never resolves if nobody can tell any more: then the executor's tether is cut.
async fn told_to_die(kill: &mut watch::Receiver<Option<Duration>>) -> Duration {
    match kill.wait_for(Option::is_some).await.map(|grace| *grace) {
        Ok(Some(grace)) => grace,
        _ => std::future::pending().await,
    }
}

struct Sink {
    call: CallKey,
    output: WeakRecipient<CallOutput>,
    credits: Credits,
    kill: watch::Receiver<Option<Duration>>,
    last_words: usize,
}

impl Sink {
    /// `None` where the command is killed while the UI has no room: it must not live on for that.
    async fn credit(&mut self, bytes: usize) -> Option<Credit> {
        tokio::select! {
            biased;
            credit = self.credits.acquire(bytes) => Some(credit),
            _ = told_to_die(&mut self.kill) => None,
        }
    }
}

impl OutputSink for Sink {
    fn take(&mut self, stream: ExecOutputStream, chunk: Bytes) -> LocalBoxFuture<'_, ()> {
        async move {
            let credit = self.credit(chunk.len()).await;
            if credit.is_none() {
                let Some(left) = self.last_words.checked_sub(chunk.len()) else {
                    return;
                };
                self.last_words = left;
            }
            if let Some(turn) = self.output.upgrade() {
                turn.do_send(CallOutput { call: self.call, stream, chunk: chunk.into(), credit });
            }
        }
        .boxed_local()
    }
}
