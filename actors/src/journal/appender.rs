//! The thread that writes journals, so that no arbiter waits for a disk. One for an engine: a write takes microseconds,
//! and a disk that is slow is slow for all. What may take milliseconds, making a file survive a power cut, has another
//! thread, unless something is not to be published before.

use crate::threads::{Journal, SyncLater, SyncPolicy};
use std::{io, sync::mpsc, thread};

/// Lines to append.
struct Job {
    journal: Box<dyn Journal>,
    lines: Vec<u8>,
    sync: bool,
    done: Box<dyn FnOnce(Appended) + Send>,
}

/// A file to be made durable.
struct Sync {
    sync: SyncLater,
    failed: Box<dyn FnOnce(io::Error) + Send>,
}

/// What became of lines that were to be appended.
pub struct Appended {
    /// The journal, back again.
    pub journal: Box<dyn Journal>,
    /// The lines.
    pub lines: Vec<u8>,
    /// Whether they are there.
    pub result: io::Result<()>,
}

/// Appends to journals, in the order in which it is asked to. Clones share the threads; they end with the last.
#[derive(Clone, Debug, Default)]
pub struct Appender {
    jobs: Option<mpsc::Sender<Job>>,
    syncs: Option<mpsc::Sender<Sync>>,
}

impl Appender {
    /// Starts the threads; where the system has none to give, whoever appends does it himself.
    #[must_use]
    pub fn start() -> Self {
        Self { jobs: started("journal", run), syncs: started("journal-sync", make_durable) }
    }

    /// Appends lines and then calls `done`, on whatever thread: it must not block.
    pub fn append(
        &self,
        journal: Box<dyn Journal>,
        lines: Vec<u8>,
        policy: SyncPolicy,
        done: impl FnOnce(Appended) + Send + 'static,
    ) {
        let job = Job { journal, lines, sync: policy == SyncPolicy::Item, done: Box::new(done) };
        match self.jobs.as_ref().filter(|_| job.journal.blocks()) {
            None => job.run(),
            Some(jobs) => {
                if let Err(mpsc::SendError(job)) = jobs.send(job) {
                    job.run();
                }
            }
        }
    }

    /// Makes what was appended survive a power cut, at leisure. `failed` is called when that cannot be, on whatever
    /// thread: it must not block.
    pub fn sync_later(&self, journal: &dyn Journal, failed: impl FnOnce(io::Error) + Send + 'static) {
        if let (Some(syncs), Some(sync)) = (&self.syncs, journal.sync_later()) {
            let _ = syncs.send(Sync { sync, failed: Box::new(failed) });
        }
    }
}

impl Job {
    fn run(mut self) {
        let mut result =
            self.journal.lease().check().map_err(|holder| io::Error::other(format!("it is open in {holder}")));
        if result.is_ok() {
            result = self.journal.append(&self.lines);
        }
        if self.sync && result.is_ok() {
            result = self.journal.sync();
        }
        (self.done)(Appended { journal: self.journal, lines: self.lines, result });
    }
}

fn started<T: Send + 'static>(name: &str, run: fn(&mpsc::Receiver<T>)) -> Option<mpsc::Sender<T>> {
    let (to, jobs) = mpsc::channel();
    let thread = thread::Builder::new().name(name.into()).stack_size(256 * 1024).spawn(move || run(&jobs));
    thread.inspect_err(|error| tracing::warn!(%error, name, "no thread")).ok().map(|_| to)
}

fn run(jobs: &mpsc::Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        job.run();
    }
}

fn make_durable(syncs: &mpsc::Receiver<Sync>) {
    while let Ok(Sync { sync, failed }) = syncs.recv() {
        if let Err(error) = sync() {
            tracing::error!(%error, "a journal may not survive a power cut");
            failed(error);
        }
    }
}
