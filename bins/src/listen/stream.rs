//! A connection before anything is known of it.

use super::unfinished::Share;
use bytes::{Buf, Bytes};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::sockopt::set_socket_keepalive,
};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

/// Bytes from and to a client.
pub(crate) struct Stream {
    socket: Socket,
    /// Was read already, to see what it is.
    peeked: Bytes,
    hang_up: HangUp,
    /// Whose what is read is, until it is a whole message.
    counted: Option<Share>,
}

enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl From<UnixStream> for Stream {
    fn from(socket: UnixStream) -> Self {
        Self { socket: Socket::Unix(socket), peeked: Bytes::new(), hang_up: HangUp::default(), counted: None }
    }
}

impl From<TcpStream> for Stream {
    /// Answers are not held back for more to come, and a machine that vanished is noticed some day.
    fn from(socket: TcpStream) -> Self {
        if let Err(error) = socket.set_nodelay(true).and_then(|()| Ok(set_socket_keepalive(&socket, true)?)) {
            tracing::debug!(%error, "a socket takes no options");
        }
        Self { socket: Socket::Tcp(socket), peeked: Bytes::new(), hang_up: HangUp::default(), counted: None }
    }
}

impl Stream {
    /// The first byte that the client sends, which stays to be read; `None` if it sends none.
    pub(super) async fn peek(&mut self) -> Option<u8> {
        if self.peeked.is_empty() {
            let mut first = [0; 1];
            let length = self.read(&mut first).await.ok()?;
            self.peeked = Bytes::copy_from_slice(&first[..length]);
        }
        self.peeked.first().copied()
    }

    /// From now on what is read counts as held, and a read fails when it is too much.
    pub(super) fn count(&mut self, share: Share) {
        self.counted = Some(share);
    }

    /// Tells whether the client has closed both directions by the time its input ends, and not only its own. Over TCP
    /// that shows only when it is written to.
    pub(super) fn hang_up(&self) -> HangUp {
        self.hang_up.clone()
    }
}

/// See [`Stream::hang_up`].
#[derive(Clone, Debug, Default)]
pub(super) struct HangUp(Arc<AtomicBool>);

impl HangUp {
    pub(super) fn is_seen(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn look(&self, socket: &Socket) {
        let mut watched = [PollFd::new(socket, PollFlags::empty())];
        let looked = poll(&mut watched, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        let hung_up = looked.is_ok() && watched[0].revents().intersects(PollFlags::ERR | PollFlags::HUP);
        self.0.store(hung_up, Ordering::Relaxed);
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(socket) => socket.as_fd(),
            Self::Tcp(socket) => socket.as_fd(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.peeked.is_empty() {
            let length = self.peeked.len().min(buffer.remaining());
            buffer.put_slice(&self.peeked[..length]);
            self.peeked.advance(length);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = match &mut self.socket {
            Socket::Unix(socket) => Pin::new(socket).poll_read(context, buffer),
            Socket::Tcp(socket) => Pin::new(socket).poll_read(context, buffer),
        };
        if matches!(read, Poll::Ready(Ok(()))) {
            let length = buffer.filled().len() - before;
            if length == 0 && buffer.remaining() > 0 {
                self.hang_up.look(&self.socket);
            }
            if self.counted.as_ref().is_some_and(|share| share.add(length).is_err()) {
                return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
            }
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.socket {
            Socket::Unix(socket) => Pin::new(socket).poll_write(context, bytes),
            Socket::Tcp(socket) => Pin::new(socket).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Unix(socket) => Pin::new(socket).poll_flush(context),
            Socket::Tcp(socket) => Pin::new(socket).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Unix(socket) => Pin::new(socket).poll_shutdown(context),
            Socket::Tcp(socket) => Pin::new(socket).poll_shutdown(context),
        }
    }
}
