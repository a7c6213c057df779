//! Ways to an llmx that listens.

use super::PATIENCE;
use futures_util::{SinkExt, StreamExt};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{
        AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, DuplexStream, ReadBuf, duplex,
    },
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

/// A WebSocket of a client.
pub type WebSocket = WebSocketStream<Socket>;

/// Any key will do (RFC 6455 §4.1), with what it is answered by.
const KEY: (&str, &str) = ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");

/// What is under way to a client at most, in bytes, beside what the system keeps.
const PIPE: usize = 64 * 1024;

/// A connected socket.
pub enum Socket {
    /// In the file system.
    Unix(UnixStream),
    /// Over TCP.
    Tcp(TcpStream),
}

impl Socket {
    /// Connects to where an llmx says that it listens.
    ///
    /// # Errors
    /// Nobody listens there.
    ///
    /// # Panics
    /// If that is no such place.
    pub async fn connect(url: &str) -> io::Result<Self> {
        let (scheme, place) = url.split_once("://").expect("a URL");
        Ok(match scheme {
            "unix" => Self::Unix(UnixStream::connect(place).await?),
            _ => Self::Tcp(TcpStream::connect(place).await?),
        })
    }

    /// Where to read, and where to write; dropping the latter closes that side.
    pub(super) fn split(self) -> (Box<dyn AsyncRead + Unpin + Send>, Box<dyn AsyncWrite + Unpin + Send>) {
        match self {
            Self::Unix(socket) => {
                let (output, input) = socket.into_split();
                (Box::new(output), Box::new(input))
            }
            Self::Tcp(socket) => {
                let (output, input) = socket.into_split();
                (Box::new(output), Box::new(input))
            }
        }
    }

    /// Asks for a WebSocket; gives back the answer's status line if it is refused.
    ///
    /// # Errors
    /// The status line.
    ///
    /// # Panics
    /// If there is no answer, or one that does not fit.
    pub async fn upgrade(mut self, headers: &str) -> Result<WebSocket, String> {
        let head = format!(
            "GET / HTTP/1.1\r\nHost: llmx\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n{headers}\r\n",
            KEY.0
        );
        self.write_all(head.as_bytes()).await.expect("llmx takes a head");
        let answer = timeout(PATIENCE, self.head()).await.expect("llmx answers");
        let status = answer.lines().next().unwrap_or_default().to_owned();
        if !status.contains(" 101 ") {
            return Err(status);
        }
        assert!(answer.contains(KEY.1), "{answer}");
        Ok(WebSocketStream::from_raw_socket(self, Role::Client, None).await)
    }

    /// The head of an HTTP answer, and not a byte more.
    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8(head).expect("HTTP is text")
    }
}

/// Lines in place of text frames, so that one kind of client does for both. Gives back where to read and where to write.
pub(super) fn as_lines(socket: WebSocket) -> (DuplexStream, DuplexStream) {
    let ((mut output, theirs_to_read), (theirs_to_write, input)) = (duplex(PIPE), duplex(PIPE));
    let (mut to, mut from) = socket.split();
    let sending = async move {
        let mut lines = BufReader::new(input).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if to.send(Message::text(line)).await.is_err() {
                return;
            }
        }
        // One that is closed already cannot be closed.
        let _ = to.send(Message::Close(None)).await;
    };
    let receiving = async move {
        while let Some(Ok(message)) = from.next().await {
            if let Message::Text(text) = message {
                assert!(!text.contains('\n'), "a frame is one message: {text}");
                if output.write_all(format!("{text}\n").as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    };
    // Neither waits for the other; the socket is closed when both have ended, or nobody reads any more.
    tokio::spawn(sending);
    tokio::spawn(receiving);
    (theirs_to_read, theirs_to_write)
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Tcp(socket) => Pin::new(socket).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(socket) => Pin::new(socket).poll_write(context, bytes),
            Self::Tcp(socket) => Pin::new(socket).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(socket) => Pin::new(socket).poll_flush(context),
            Self::Tcp(socket) => Pin::new(socket).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(socket) => Pin::new(socket).poll_shutdown(context),
            Self::Tcp(socket) => Pin::new(socket).poll_shutdown(context),
        }
    }
}
