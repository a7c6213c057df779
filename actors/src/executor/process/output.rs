//! The command's output, read no faster than it is taken.

use bytes::Bytes;
use rustix::fd::OwnedFd;
use rustix::io::{Errno, retry_on_intr};
use std::future::{Future, poll_fn};
use std::io::{self, PipeWriter};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::pipe::Receiver;

/// What one read takes at most, in bytes: a whole pipe of the default capacity.
const CHUNK: usize = 64 * 1024;

/// What the kernel keeps of what was written to a terminal and not read, in bytes.
const TERMINAL_CAPACITY: usize = 64 * 1024;

/// Which of the command's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputStream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

const BOTH: [OutputStream; 2] = [OutputStream::Stdout, OutputStream::Stderr];

/// What became of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// It was read to its end.
    ToTheEnd,
    /// All that the command wrote was read, but somebody outside its tree holds a pipe open and could have gone on
    /// writing.
    StillHeld,
}

/// The reading ends of a command's output pipes. Dropping them makes the command's writes fail (`EPIPE`).
#[derive(Debug)]
pub struct CommandOutput {
    stdout: Option<Receiver>,
    stderr: Option<Receiver>,
    /// Taken in turns, so that a command that floods one stream does not keep the other from being read.
    stderr_first: bool,
}

/// The writing ends, for the helper and through it for the tree.
#[derive(Debug)]
pub(super) struct OutputEnds {
    pub(super) stdout: PipeWriter,
    pub(super) stderr: PipeWriter,
}

impl CommandOutput {
    pub(super) fn new() -> io::Result<(Self, OutputEnds)> {
        let (stdout_reader, stdout) = io::pipe()?;
        let (stderr_reader, stderr) = io::pipe()?;
        let output = Self {
            stdout: Some(Receiver::from_owned_fd(stdout_reader.into())?),
            stderr: Some(Receiver::from_owned_fd(stderr_reader.into())?),
            stderr_first: false,
        };
        Ok((output, OutputEnds { stdout, stderr }))
    }

    /// Of a command with a terminal, whose reading end this is; it must not block.
    pub(super) fn of_terminal(terminal: OwnedFd) -> io::Result<Self> {
        Ok(Self { stdout: Some(Receiver::from_owned_fd_unchecked(terminal)?), stderr: None, stderr_first: false })
    }

    fn pipe(&mut self, stream: OutputStream) -> &mut Option<Receiver> {
        match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        }
    }

    fn is_at_its_end(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none()
    }

    /// The next chunk of either stream, `None` when both have ended. Nothing is lost when the future is dropped.
    async fn next(&mut self, buffer: &mut [u8]) -> Option<(OutputStream, Bytes)> {
        poll_fn(|cx| self.poll_next(cx, buffer)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Option<(OutputStream, Bytes)>> {
        self.stderr_first = !self.stderr_first;
        let mut turns = BOTH;
        turns.rotate_left(usize::from(self.stderr_first));
        for stream in turns {
            if let Poll::Ready(Some(chunk)) = poll_chunk(self.pipe(stream), cx, buffer) {
                return Poll::Ready(Some((stream, chunk)));
            }
        }
        if self.is_at_its_end() { Poll::Ready(None) } else { Poll::Pending }
    }
}

/// `Ready(None)` and `pipe` closed when it has ended.
fn poll_chunk(pipe: &mut Option<Receiver>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Option<Bytes>> {
    let Some(open) = pipe else {
        return Poll::Ready(None);
    };
    let mut read = ReadBuf::new(buffer);
    let outcome = ready!(Pin::new(open).poll_read(cx, &mut read));
    if outcome.is_err() || read.filled().is_empty() {
        *pipe = None;
        return Poll::Ready(None);
    }
    Poll::Ready(Some(Bytes::copy_from_slice(read.filled())))
}

/// What is in `pipe` now; `None` when it is empty, or has ended and is closed. Asks the kernel itself: the runtime may
/// not have heard yet that there is something to read.
fn chunk_now(pipe: &mut Option<Receiver>, buffer: &mut [u8]) -> Option<Bytes> {
    let open = pipe.as_ref()?;
    match retry_on_intr(|| rustix::io::read(open, &mut *buffer)) {
        Ok(0) => *pipe = None,
        Ok(length) => return Some(Bytes::copy_from_slice(&buffer[..length])),
        Err(Errno::AGAIN) => {}
        Err(_) => *pipe = None,
    }
    None
}

/// How many bytes can be in `pipe`, which may be a terminal.
fn capacity(pipe: Option<&Receiver>) -> usize {
    pipe.map_or(0, |pipe| rustix::pipe::fcntl_getpipe_size(pipe).unwrap_or(TERMINAL_CAPACITY))
}

/// Hands every chunk of `output` to `sink`, in order within a stream, and waits for `sink` before it reads on: a sink
/// that waits for a credit pauses the command. Returns when both streams have ended, or when `tree_is_gone` (the
/// return of [`RunningCommand::ended`](super::RunningCommand::ended)) and all that the tree left in the pipes is
/// handed over. So a pipe that somebody outside the tree holds open holds nothing up, and no output is lost to a
/// clock: what a dead tree wrote is in the pipe, and no pipe holds more than its capacity.
pub async fn pump<Gone, Sink>(mut output: CommandOutput, tree_is_gone: Gone, mut sink: Sink) -> Drained
where
    Gone: Future<Output = ()>,
    Sink: AsyncFnMut(OutputStream, Bytes),
{
    let mut buffer = vec![0; CHUNK];
    let mut tree_is_gone = pin!(tree_is_gone);
    loop {
        let next = tokio::select! {
            next = output.next(&mut buffer) => next,
            () = &mut tree_is_gone => break,
        };
        let Some((stream, chunk)) = next else {
            return Drained::ToTheEnd;
        };
        sink(stream, chunk).await;
    }
    for stream in BOTH {
        let most = capacity(output.pipe(stream).as_ref());
        let mut taken = 0;
        while taken <= most
            && let Some(chunk) = chunk_now(output.pipe(stream), &mut buffer)
        {
            taken += chunk.len();
            sink(stream, chunk).await;
        }
    }
    if output.is_at_its_end() { Drained::ToTheEnd } else { Drained::StillHeld }
}
