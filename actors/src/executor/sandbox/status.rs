//! The pipe on which PID 1 of a sandbox says how its command ended.

use super::step::Step;
use crate::executor::process::{Cause, NotStarted};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{read, retry_on_intr, write};
use rustix::pipe::{PipeFlags, pipe_with};
use std::io;

/// More than this is never said: a path and a sentence.
const LONGEST: usize = 4096;

/// How a command ended, or why it did not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Status {
    /// Its first process called exit.
    Exited(i32),
    /// A signal ended its first process.
    Signalled(i32),
    /// It never ran.
    Failed(NotStarted),
}

impl Status {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Exited(code) => format!("E{code}").into_bytes(),
            Self::Signalled(signal) => format!("S{signal}").into_bytes(),
            Self::Failed(NotStarted { cause, text }) => {
                [&[b'F', cause.to_byte()], &text.as_bytes()[..text.len().min(LONGEST - 2)]].concat()
            }
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let text = String::from_utf8_lossy(rest);
        match kind {
            b'E' => text.parse().ok().map(Self::Exited),
            b'S' => text.parse().ok().map(Self::Signalled),
            b'F' => {
                let (cause, text) = rest.split_first()?;
                let text = String::from_utf8_lossy(text).into_owned();
                Some(Self::Failed(NotStarted { cause: Cause::from_byte(*cause)?, text }))
            }
            _ => None,
        }
    }
}

/// The helper's end.
#[derive(Debug)]
pub(crate) struct StatusReader(OwnedFd);

/// The end of PID 1.
#[derive(Debug)]
pub(super) struct StatusWriter(OwnedFd);

pub(super) fn pipe() -> Result<(StatusReader, StatusWriter), NotStarted> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).step("make a pipe")?;
    Ok((StatusReader(reader), StatusWriter(writer)))
}

impl StatusReader {
    /// Waits for the word of PID 1; `None` if it died without one.
    pub(crate) fn read(&self) -> Option<Status> {
        let mut bytes = [0; LONGEST];
        let length = retry_on_intr(|| read(&self.0, &mut bytes)).ok()?;
        Status::decode(&bytes[..length])
    }
}

impl AsFd for StatusReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl StatusWriter {
    /// One write, which a pipe takes whole.
    pub(super) fn write(&self, status: &Status) {
        let _ = retry_on_intr(|| write(&self.0, &status.encode()));
    }

    /// Closes every file but this one, standard input, output and error. They belong to the helper, and what stays
    /// open here would stay open for as long as the command lives.
    pub(super) fn keep_only_this(&self) -> io::Result<()> {
        let this = self.0.as_raw_fd().unsigned_abs();
        close_all(3, this - 1)?;
        close_all(this + 1, u32::MAX)
    }

    /// Whether the helper is gone.
    pub(super) fn nobody_listens(&self) -> bool {
        let mut pipe = [PollFd::new(&self.0, PollFlags::empty())];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut pipe, Some(&at_once)).is_err() || !pipe[0].revents().is_empty()
    }
}

fn close_all(first: u32, last: u32) -> io::Result<()> {
    if first > last {
        return Ok(());
    }
    #[expect(unsafe_code, reason = "rustix has no close_range")]
    // SAFETY: the owners of these descriptors are in the helper's half of the code, to which this process, a copy of
    // it, never returns.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard() {
        for status in [Status::Exited(255), Status::Signalled(15), Status::Failed(NotStarted::other("cannot"))] {
            let (reader, writer) = pipe().unwrap();
            writer.write(&status);
            assert_eq!(reader.read(), Some(status));
        }
    }

    #[test]
    fn an_end_without_a_word_is_noticed() {
        let (reader, writer) = pipe().unwrap();
        assert!(!writer.nobody_listens());
        drop(writer);
        assert_eq!(reader.read(), None);
    }

    #[test]
    fn a_helper_that_is_gone_is_noticed() {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        assert!(writer.nobody_listens());
    }
}
