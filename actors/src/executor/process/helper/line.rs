//! The helper's end of the control socket, and the one place where the helper sleeps.

use super::super::control::{Report, Request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_setfd, read, write};
use std::fs::File;
use std::time::Duration;

/// Why the helper woke up. When several things happened the engine's word comes first: it is the most severe.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// The engine wants an orderly end.
    Terminate { grace: Duration },
    /// The engine wants the end now, or is gone.
    Kill,
    /// One of the watched processes is dead, or has something to say.
    Child,
    /// The engine has signals for the command, see [`EngineLine::take_signals`].
    Signals,
    /// Only time passed.
    Nothing,
}

/// The control socket, which the engine passes as stdin and the command never sees.
#[derive(Debug)]
pub(super) struct EngineLine {
    socket: OwnedFd,
    unread: Vec<u8>,
    signals: Vec<u8>,
}

impl EngineLine {
    /// Moves the socket away from stdin and leaves `/dev/null` there, as the command's stdin.
    pub(super) fn take_stdin() -> rustix::io::Result<Self> {
        let socket = fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
        let null = File::open("/dev/null").map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::NOENT))?;
        rustix::stdio::dup2_stdin(null)?;
        Ok(Self::over(socket))
    }

    /// Takes the socket under its number: stdin is the command's own.
    pub(super) fn take_number(number: RawFd) -> rustix::io::Result<Self> {
        #[expect(unsafe_code, reason = "the number of an inherited descriptor has no owner in Rust")]
        // SAFETY: the engine opened it for the helper, and nothing else here knows the number.
        let socket = unsafe { OwnedFd::from_raw_fd(number) };
        fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
        Ok(Self::over(socket))
    }

    fn over(socket: OwnedFd) -> Self {
        Self { socket, unread: Vec::new(), signals: Vec::new() }
    }

    /// What came since the last time.
    pub(super) fn take_signals(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.signals)
    }

    /// For the message that the leader writes before it becomes the command.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Says what became of the command. Nobody may be listening any more.
    pub(super) fn report(&self, report: &Report) {
        let bytes = report.encode();
        let mut rest = bytes.as_slice();
        while let Ok(written) = rustix::io::retry_on_intr(|| write(&self.socket, rest)) {
            rest = &rest[written..];
            if rest.is_empty() {
                return;
            }
        }
    }

    /// Sleeps until the engine says something, a process of `watched` (pidfds) is dead, or `timeout` is over.
    pub(super) fn wait(&mut self, watched: &[BorrowedFd<'_>], timeout: Option<Duration>) -> Wake {
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let (engine_spoke, child_died) = {
            let mut fds = vec![PollFd::new(&self.socket, PollFlags::IN)];
            fds.extend(watched.iter().map(|process| PollFd::new(process, PollFlags::IN)));
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) => (is_ready(&fds[0]), fds[1..].iter().any(is_ready)),
                Err(Errno::INTR) => (false, false),
                Err(_) => return Wake::Kill,
            }
        };
        let engine = if engine_spoke { self.receive() } else { None };
        engine.unwrap_or(if child_died { Wake::Child } else { Wake::Nothing })
    }

    fn receive(&mut self) -> Option<Wake> {
        let mut bytes = [0; 64];
        match read(&self.socket, &mut bytes) {
            Ok(0) => return Some(Wake::Kill),
            Ok(length) => self.unread.extend_from_slice(&bytes[..length]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => return Some(Wake::Kill),
        }
        self.most_severe_request()
    }

    fn most_severe_request(&mut self) -> Option<Wake> {
        let mut wake = None;
        while let Some(request) = Request::take(&mut self.unread) {
            match request {
                Request::Kill => return Some(Wake::Kill),
                Request::Terminate { grace } => wake = wake.or(Some(Wake::Terminate { grace })),
                Request::Forward { signal } => self.signals.push(signal),
            }
        }
        wake.or_else(|| (!self.signals.is_empty()).then_some(Wake::Signals))
    }
}

fn is_ready(fd: &PollFd<'_>) -> bool {
    !fd.revents().is_empty()
}
