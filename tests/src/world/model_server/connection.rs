use super::{Request, Step};
use serde_json::Value;
use std::io;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// One connection of a client.
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
}

/// What became of a connection with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// There may be another request, or the client has gone: the next read says.
    Read,
    /// The script closed it.
    ClosedByServer,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        // A test that cuts an answer into pieces wants them to arrive as pieces.
        let _ = stream.set_nodelay(true);
        Self { stream: BufReader::new(stream) }
    }

    /// The next request, or nothing if the client has closed the connection.
    pub(super) async fn read_request(&mut self) -> Option<Request> {
        let line = self.read_line().await?;
        let mut headers = Vec::new();
        loop {
            let header = self.read_line().await?;
            let Some((name, value)) = header.split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Request { line, headers, body: Value::Null };
        let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        request.body = serde_json::from_slice(&body).expect("llmx sends JSON");
        Some(request)
    }

    async fn read_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.stream.read_line(&mut line).await.ok()?;
        (length > 0).then(|| line.trim_end().to_owned())
    }

    /// Performs a script; a client that goes ends it. `wrote` is told of every byte that the socket took.
    pub(super) async fn answer(&mut self, steps: Vec<Step>, wrote: &impl Fn(usize)) -> Next {
        for step in steps {
            let done = match step {
                Step::Write(bytes) => self.write(&bytes, 1, wrote).await,
                Step::WriteOften(bytes, times) => self.write(&bytes, times, wrote).await,
                Step::Wait(gate) => tokio::select! {
                    () = gate.opened() => Ok(()),
                    gone = gone(self.stream.get_mut()) => gone,
                },
                Step::Hang => gone(self.stream.get_mut()).await,
                Step::Close => return Next::ClosedByServer,
                Step::Reset => {
                    let _ = self.stream.get_ref().set_zero_linger();
                    return Next::ClosedByServer;
                }
            };
            if done.is_err() {
                return Next::Read;
            }
        }
        Next::Read
    }

    async fn write(&mut self, bytes: &[u8], times: usize, wrote: &impl Fn(usize)) -> io::Result<()> {
        let (mut from, mut to) = self.stream.get_mut().split();
        let write = async {
            for _ in 0..times {
                to.write_all(bytes).await?;
                wrote(bytes.len());
            }
            Ok(())
        };
        let mut nothing = [0];
        tokio::select! {
            written = write => written,
            _ = from.peek(&mut nothing) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

/// Waits for the client to close the connection; it has nothing to send before it has its answer.
async fn gone(stream: &mut TcpStream) -> io::Result<()> {
    let _ = stream.peek(&mut [0]).await;
    Err(io::ErrorKind::ConnectionAborted.into())
}
