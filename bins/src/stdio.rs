//! Standard input and output, each on a thread of its own: both may block for as long as the other side likes.

use crate::outgoing::{Batch, Line};
use llmx_actors::{
    app_server::{ClientSink, Outgoing},
    outbox::{Delivery, Gone, Subscriber},
};
use llmx_protocol::machine::session::SessionEnd;
use rustix::event::{PollFd, PollFlags, poll};
use std::{
    io::{self, Read, Write},
    sync::mpsc as blocking,
    thread,
};
use tokio::sync::{mpsc, watch};

/// What one read takes at most, in bytes.
const READ: usize = 64 * 1024;

/// Reads standard input; the channel ends with it. No further than the reader: at most two chunks wait.
pub(crate) fn input() -> io::Result<mpsc::Receiver<Vec<u8>>> {
    let (to, chunks) = mpsc::channel(1);
    thread::Builder::new().name("stdin".into()).spawn(move || {
        let mut input = io::stdin().lock();
        let mut buffer = vec![0; READ];
        loop {
            match input.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) if to.blocking_send(buffer[..length].to_vec()).is_err() => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return tracing::error!(%error, "failed to read standard input"),
            }
        }
    })?;
    Ok(chunks)
}

/// What became of standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// It takes what it is given.
    Open,
    /// Nothing follows and everything is written.
    Written,
    /// Nobody reads it any more.
    Closed,
    /// Whoever wrote it is gone without a word.
    Lost,
}

/// A session's events, or what a client is told, on standard output.
pub(crate) struct StdoutWriter {
    to: blocking::Sender<Line>,
}

impl Subscriber for StdoutWriter {
    fn deliver(&mut self, delivery: Delivery) -> Result<(), Gone> {
        self.to.send(Line::Events(delivery)).map_err(|_| Gone)
    }

    fn close(&mut self, _: &SessionEnd) {
        let _ = self.to.send(Line::End);
    }
}

impl ClientSink for StdoutWriter {
    fn send(&mut self, outgoing: Outgoing) -> Result<(), Gone> {
        self.to.send(Line::Told(outgoing)).map_err(|_| Gone)
    }
}

/// A connection is over when it is dropped; a session says so before.
impl Drop for StdoutWriter {
    fn drop(&mut self) {
        let _ = self.to.send(Line::End);
    }
}

/// Starts the writer. The state is `Open` until it ends; it is also told when the reader goes away while there is
/// nothing to write.
pub(crate) fn output() -> io::Result<(StdoutWriter, watch::Receiver<Output>)> {
    let (to, lines) = blocking::channel();
    let (state, watched) = watch::channel(Output::Open);
    let hangup = state.clone();
    thread::Builder::new().name("stdout".into()).spawn(move || {
        let end = write_all(&lines);
        state.send_if_modified(|now| std::mem::replace(now, end) != end);
    })?;
    thread::Builder::new().name("stdout-watch".into()).stack_size(64 * 1024).spawn(move || {
        if wait_for_hangup() {
            hangup
                .send_if_modified(|now| *now == Output::Open && std::mem::replace(now, Output::Closed) == Output::Open);
        }
    })?;
    Ok((StdoutWriter { to }, watched))
}

fn write_all(lines: &blocking::Receiver<Line>) -> Output {
    let mut output = io::stdout().lock();
    loop {
        let Ok(first) = lines.recv() else {
            return Output::Lost;
        };
        let batch = Batch::gather(first, || lines.try_recv().ok());
        let written = output.write_all(&batch.bytes()).and_then(|()| output.flush());
        match (written, batch.last) {
            (Err(_), _) => return Output::Closed,
            (Ok(()), true) => return Output::Written,
            (Ok(()), false) => {}
        }
    }
}

/// Waits until the other end of standard output is closed; false if that cannot be known.
fn wait_for_hangup() -> bool {
    let stdout = io::stdout();
    loop {
        let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
        match poll(&mut watched, None) {
            Ok(_) => return watched[0].revents().intersects(PollFlags::ERR | PollFlags::HUP),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}
