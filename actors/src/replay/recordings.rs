//! The files that exchanges are recorded in. Each has a thread of its own that does nothing but append: a disk that is
//! slow keeps no session waiting.

use super::taped::Taped;
use dashmap::DashMap;
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
};

/// The files that are being recorded in, by all arbiters of an engine. Dropping the last clone closes them, each when
/// what it was given is written.
#[derive(Clone, Debug, Default)]
pub struct Recordings(Arc<DashMap<PathBuf, Recorder>>);

/// The way to one file.
#[derive(Clone, Debug)]
pub(crate) struct Recorder(mpsc::Sender<Order>);

enum Order {
    Append(Box<Taped>),
    Flush(mpsc::Sender<()>),
}

impl Recordings {
    /// The file at `path`, made if need be: only its owner may read it, and what it holds already stays.
    pub(crate) async fn at(&self, path: &Path) -> io::Result<Recorder> {
        if let Some(recorder) = self.0.get(path) {
            return Ok(recorder.clone());
        }
        let wanted = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || Recorder::open(&wanted)).await;
        let recorder = opened.map_err(io::Error::other)??;
        Ok(self.0.entry(path.to_owned()).or_insert(recorder).clone())
    }

    /// Waits until everything that was recorded so far is in its file. A program that is about to end calls this after
    /// its sessions have ended. It blocks: not for an arbiter.
    pub fn flush(&self) {
        let recorders: Vec<_> = self.0.iter().map(|entry| entry.value().clone()).collect();
        for recorder in recorders {
            let (written, is_written) = mpsc::channel();
            if recorder.0.send(Order::Flush(written)).is_ok() {
                // An error means that the thread is gone: nothing is left to wait for.
                let _ = is_written.recv();
            }
        }
    }
}

impl Recorder {
    fn open(path: &Path) -> io::Result<Self> {
        // A link in its place would make llmx write where it leads.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
        let (orders, taken) = mpsc::channel();
        let name = path.display().to_string();
        thread::Builder::new().name("llmx-recorder".into()).spawn(move || append(&file, &name, &taken))?;
        Ok(Self(orders))
    }

    pub(super) fn append(&self, taped: Taped) {
        // The other end goes only when the last recorder is dropped.
        let _ = self.0.send(Order::Append(Box::new(taped)));
    }
}

fn append(mut file: &File, name: &str, orders: &mpsc::Receiver<Order>) {
    for order in orders {
        match order {
            // One write a line: engines that share a file do not tear each other's lines.
            Order::Append(taped) => {
                if let Err(error) = file.write_all(taped.line().as_bytes()) {
                    tracing::error!(file = name, %error, "an exchange with the model could not be recorded");
                }
            }
            Order::Flush(written) => {
                let _ = written.send(());
            }
        }
    }
}
