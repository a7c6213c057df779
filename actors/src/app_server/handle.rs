//! What a host holds of an app-server.

use super::{
    AppServer,
    connection::{Admission, ClientGone, ClientSaid, ClientSink, Connection},
    messages::{Connect, LoadedSessions},
};
use crate::{
    config::{Config, ConfigSources},
    engine::{EngineHandle, SessionHandle},
    executor::Runner,
    flow::Credits,
};
use actix::{Actor, Addr};
use llmx_protocol::framing::{LineDecoder, LineError};
use std::{path::PathBuf, sync::Arc};
use tokio::sync::mpsc;

/// What a client's lines that are under way may take, in bytes. Beyond that llmx stops reading what it sends.
const UNDER_WAY: u32 = 16 * 1024 * 1024;
/// What a line counts for at least, in bytes: so many requests and no more may be under way.
const LEAST: usize = UNDER_WAY as usize / 256;
/// The longest line that is read of a client, in bytes.
pub const LONGEST_LINE: usize = 16 * 1024 * 1024;

/// What an app-server is made of.
#[derive(Clone)]
pub struct AppServerOptions {
    /// Where threads run.
    pub engine: EngineHandle,
    /// How commands of the clients' own are run.
    pub runner: Arc<dyn Runner>,
    /// The configuration at the start.
    pub config: Arc<Config>,
    /// Where that came from: every new thread reads it again.
    pub sources: ConfigSources,
    /// The directory of threads that name none; absolute.
    pub cwd: PathBuf,
    /// The system, for the user agent.
    pub platform: String,
}

/// A running app-server.
#[derive(Clone)]
pub struct AppServerHandle {
    server: Addr<AppServer>,
}

impl AppServerHandle {
    /// Starts one on this arbiter.
    #[must_use]
    pub fn launch(options: AppServerOptions) -> Self {
        #[expect(clippy::disallowed_methods, reason = "it has no parent in here")]
        Self { server: AppServer::new(options).start() }
    }

    /// Lets a client in; what it is told goes to `sink`. `None` if the server is gone.
    pub async fn connect(&self, sink: Box<dyn ClientSink>) -> Option<Client> {
        let connection = self.server.send(Connect(sink)).await.ok()?;
        Some(Client { connection, credits: Credits::new(UNDER_WAY) })
    }

    /// Lets every turn that runs come to its end, and ends every thread. Nobody answers questions any more.
    pub async fn drain(&self) {
        for session in self.sessions().await {
            let _ = session.no_more_input().await;
            session.closed().await;
        }
    }

    /// Interrupts every turn and ends every thread.
    pub async fn leave(&self) {
        let sessions = self.sessions().await;
        for session in &sessions {
            let _ = session.leave().await;
        }
        for session in sessions {
            session.closed().await;
        }
    }

    async fn sessions(&self) -> Vec<SessionHandle> {
        self.server.send(LoadedSessions).await.unwrap_or_default()
    }
}

/// A client that is connected. Dropping it without [`Client::listen`] leaves the connection open.
pub struct Client {
    connection: Addr<Connection>,
    credits: Credits,
}

impl Client {
    /// Reads what the client sends until it sends no more. Pauses while too many of its requests are under way.
    pub async fn listen(&self, chunks: &mut mpsc::Receiver<Vec<u8>>) {
        let mut decoder = LineDecoder::new(LONGEST_LINE);
        let mut lines = Vec::new();
        while let Some(chunk) = chunks.recv().await {
            decoder.feed(&chunk, &mut |line| lines.push(line.map(<[u8]>::to_vec)));
            for line in lines.drain(..) {
                self.said(line).await;
            }
        }
        decoder.finish(&mut |line| lines.push(line.map(<[u8]>::to_vec)));
        for line in lines {
            self.said(line).await;
        }
    }

    /// Hands over what the client sent: a line, or a message of a transport that has messages. Waits while too much of
    /// what it sent is under way; a host must not read on meanwhile.
    pub async fn said(&self, line: Result<Vec<u8>, LineError>) {
        let size = line.as_ref().map_or(LEAST, Vec::len).max(LEAST);
        let bytes = Some(self.credits.acquire(size - 1).await);
        let mark = self.credits.acquire(1).await;
        self.connection.do_send(ClientSaid { line, admission: Admission { bytes, mark } });
    }

    /// Waits until every request is answered and the answers are written.
    pub async fn answered(&self) {
        self.credits.acquire(UNDER_WAY as usize).await;
    }

    /// The client is gone: its questions count as refused, it follows nothing any more. Running turns run on.
    pub fn gone(&self) {
        self.connection.do_send(ClientGone);
    }
}
