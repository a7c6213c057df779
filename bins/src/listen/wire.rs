//! A client's messages, whatever carries them: lines, or the frames of a WebSocket.

use super::{
    stream::{HangUp, Stream},
    unfinished::Share,
};
use crate::outgoing::Batch;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use llmx_actors::app_server::LONGEST_LINE;
use llmx_protocol::framing::{LineDecoder, LineError};
use std::{collections::VecDeque, io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split},
    time::sleep,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};

/// What one read takes at most, in bytes.
const READ: usize = 16 * 1024;
/// Between two looks at whether a client is gone that has closed its side.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How WebSockets are spoken: a message is at most as long as a line, in one frame or in many.
pub(super) fn web_socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ)
        .max_message_size(Some(LONGEST_LINE))
        .max_frame_size(Some(LONGEST_LINE))
}

/// Why a conversation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goodbye {
    /// The client sends nothing more but may still read. Only lines can do that.
    Finished,
    /// The client is gone.
    Gone,
    /// Something that is no text.
    NotText,
    /// A message over the limit.
    TooLong,
    /// What is no WebSocket, or no UTF-8.
    Broken,
    /// All clients together have begun more than there is room for.
    Busy,
    /// The client leaves too much unread.
    TooSlow,
    /// llmx leaves.
    Leaving,
    /// A bug.
    Lost,
}

impl Goodbye {
    /// As RFC 6455 §7.4.1 has it.
    fn frame(self) -> CloseFrame {
        let (code, reason) = match self {
            Self::Finished | Self::Gone => (CloseCode::Normal, ""),
            Self::NotText => (CloseCode::Unsupported, "only text frames"),
            Self::TooLong => (CloseCode::Size, "message is too long"),
            Self::Broken => (CloseCode::Protocol, "not a WebSocket of UTF-8 text"),
            Self::Busy => (CloseCode::Again, "too much is unfinished"),
            Self::TooSlow => (CloseCode::Policy, "too much was left unread"),
            Self::Leaving => (CloseCode::Away, "llmx leaves"),
            Self::Lost => (CloseCode::Error, "the connection was lost"),
        };
        CloseFrame { code, reason: Utf8Bytes::from_static(reason) }
    }
}

/// What a client says.
pub(crate) enum Reader {
    Lines(Box<LineReader>),
    WebSocket(SplitStream<WebSocketStream<Stream>>, Share),
}

/// What a client is told.
pub(crate) enum Writer {
    Lines(WriteHalf<Stream>),
    WebSocket(SplitSink<WebSocketStream<Stream>, Message>),
}

/// Lines of a stream.
pub(crate) struct LineReader {
    input: ReadHalf<Stream>,
    hang_up: HangUp,
    share: Share,
    decoder: LineDecoder,
    complete: VecDeque<Result<Vec<u8>, LineError>>,
    buffer: Vec<u8>,
    ended: bool,
}

/// Speaks lines on a stream.
pub(super) fn lines(stream: Stream, share: Share) -> (Reader, Writer) {
    let hang_up = stream.hang_up();
    let (input, output) = split(stream);
    let reader = LineReader {
        input,
        hang_up,
        share,
        decoder: LineDecoder::new(LONGEST_LINE),
        complete: VecDeque::new(),
        buffer: vec![0; READ],
        ended: false,
    };
    (Reader::Lines(Box::new(reader)), Writer::Lines(output))
}

/// Speaks a WebSocket's text frames.
pub(super) fn web_socket(mut socket: WebSocketStream<Stream>, share: Share) -> (Reader, Writer) {
    socket.get_mut().count(share.clone());
    let (output, input) = socket.split();
    (Reader::WebSocket(input, share), Writer::WebSocket(output))
}

impl Reader {
    /// The next message; an over-long line is an error and does not end anything.
    pub(super) async fn next(&mut self) -> Result<Result<Vec<u8>, LineError>, Goodbye> {
        match self {
            Self::Lines(lines) => lines.next().await,
            Self::WebSocket(frames, share) => loop {
                let frame = frames.next().await;
                if matches!(&frame, Some(Ok(Message::Text(_) | Message::Binary(_)))) {
                    // What comes behind a whole message is in the same read, and little.
                    let _ = share.set(0);
                }
                match frame {
                    Some(Ok(Message::Text(text))) if text.trim().is_empty() => {}
                    Some(Ok(Message::Text(text))) => return Ok(Ok(text.as_bytes().to_vec())),
                    Some(Ok(Message::Binary(_))) => return Err(Goodbye::NotText),
                    // Pings are answered, and a close is, by the time of the next look.
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_))) => {}
                    Some(Err(Error::Capacity(_))) => return Err(Goodbye::TooLong),
                    Some(Err(Error::Protocol(_) | Error::Utf8(_))) => return Err(Goodbye::Broken),
                    Some(Err(Error::Io(error))) if error.kind() == io::ErrorKind::OutOfMemory => {
                        return Err(Goodbye::Busy);
                    }
                    Some(Err(_)) | None => return Err(Goodbye::Gone),
                }
            },
        }
    }
}

impl Reader {
    /// Waits, where only the input has ended, until the client is gone altogether.
    pub(super) async fn gone(&mut self) {
        if let Self::Lines(lines) = self {
            // The system wakes nobody for that who has seen the end of the input already.
            while !lines.hang_up.is_seen() && lines.input.read(&mut lines.buffer).await.is_ok() {
                sleep(LOOK_AGAIN).await;
            }
        }
    }
}

impl LineReader {
    async fn next(&mut self) -> Result<Result<Vec<u8>, LineError>, Goodbye> {
        loop {
            if let Some(line) = self.complete.pop_front() {
                return Ok(line);
            }
            if self.ended {
                return Err(Goodbye::Finished);
            }
            let Ok(length) = self.input.read(&mut self.buffer).await else {
                return Err(Goodbye::Gone);
            };
            let complete = &mut self.complete;
            let mut keep = |line: Result<&[u8], LineError>| complete.push_back(line.map(<[u8]>::to_vec));
            self.decoder.feed(&self.buffer[..length], &mut keep);
            if self.share.set(self.decoder.held()).is_err() {
                return Err(Goodbye::Busy);
            }
            if length == 0 {
                self.decoder.finish(&mut keep);
                self.ended = true;
            }
        }
    }
}

impl Writer {
    /// Writes whole lines; in frames, one of them a message.
    pub(super) async fn write(&mut self, batch: &Batch) -> io::Result<()> {
        match self {
            Self::Lines(output) => {
                output.write_all(&batch.bytes()).await?;
                output.flush().await
            }
            Self::WebSocket(frames) => {
                for chunk in &batch.chunks {
                    let bytes = chunk.bytes();
                    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                        let text = bytes.slice_ref(line.strip_suffix(b"\n").unwrap_or(line));
                        let text = Utf8Bytes::try_from(text).map_err(io::Error::other)?;
                        frames.feed(Message::Text(text)).await.map_err(io::Error::other)?;
                    }
                }
                frames.flush().await.map_err(io::Error::other)
            }
        }
    }
}

/// Says that nothing follows, and why where there is a way to; then waits until the client has closed its side as well,
/// and throws away what it still sends: closed with something unread, a socket takes its last words back. Ends when the
/// client wants it to, so it needs a limit of time.
pub(super) async fn say_goodbye(reader: Reader, writer: Writer, why: Goodbye) {
    // One that cannot be told is gone anyway.
    match (reader, writer) {
        (Reader::Lines(mut lines), Writer::Lines(mut output)) => {
            output.shutdown().await.unwrap_or_default();
            while lines.input.read(&mut lines.buffer).await.is_ok_and(|length| length > 0) {}
        }
        (Reader::WebSocket(mut input, _), Writer::WebSocket(mut output)) => {
            output.send(Message::Close(Some(why.frame()))).await.unwrap_or_default();
            while input.next().await.is_some_and(|frame| frame.is_ok()) {}
            // What followed something that could not be read is in no frames.
            if matches!(why, Goodbye::TooLong | Goodbye::Broken | Goodbye::Busy)
                && let Ok(mut socket) = input.reunite(output)
            {
                let mut buffer = vec![0; READ];
                while socket.get_mut().read(&mut buffer).await.is_ok_and(|length| length > 0) {}
            }
        }
        // Nobody pairs them so.
        (Reader::Lines(_), Writer::WebSocket(_)) | (Reader::WebSocket(..), Writer::Lines(_)) => {}
    }
}
