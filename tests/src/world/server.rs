//! An llmx that listens.

use super::{
    Client, GLANCE, PATIENCE, Socket, Workspace,
    processes::{self, Memory, Process},
    socket::as_lines,
};
use rustix::process::{Pid, Signal, kill_process};
use std::{fs, path::Path, time::Instant};
use tempfile::TempDir;
use tokio::{
    process::Child,
    time::{sleep, timeout},
};

/// Before the address, in the line that says where an llmx listens.
const LISTENING: &str = "llmx: listening on: ";

/// An `llmx app-server` or `llmx proto` that clients connect to.
pub struct Server {
    /// Where that is.
    pub url: String,
    child: Child,
    home: TempDir,
    mark: String,
}

impl Server {
    pub(super) async fn ready(mut child: Child, home: TempDir, mark: String) -> Self {
        let start = Instant::now();
        loop {
            let stderr = fs::read_to_string(home.path().join("stderr")).unwrap_or_default();
            let line = stderr.split_inclusive('\n').find_map(|line| line.strip_prefix(LISTENING)?.strip_suffix('\n'));
            if let Some(url) = line {
                return Self { url: url.to_owned(), child, home, mark };
            }
            let ended = child.try_wait().expect("it can be looked at");
            assert!(ended.is_none() && start.elapsed() < PATIENCE, "llmx does not listen: {ended:?} {stderr}");
            sleep(GLANCE).await;
        }
    }

    /// A socket that is connected, with nothing said.
    ///
    /// # Panics
    /// If llmx takes nobody.
    pub async fn socket(&self) -> Socket {
        Socket::connect(&self.url).await.expect("llmx listens")
    }

    /// A client that has said nothing yet: a WebSocket's, or one of lines.
    ///
    /// # Panics
    /// If llmx takes nobody.
    pub async fn connect(&self) -> Client {
        if self.url.starts_with("ws") {
            return self.connect_by_web_socket().await;
        }
        let (output, input) = self.socket().await.split();
        Client::speaking(Workspace::empty(), output, input)
    }

    /// A client of a WebSocket that has said nothing yet.
    ///
    /// # Panics
    /// If llmx takes nobody.
    pub async fn connect_by_web_socket(&self) -> Client {
        let socket = self.socket().await.upgrade("").await.expect("a WebSocket opens");
        let (output, input) = as_lines(socket);
        Client::speaking(Workspace::empty(), output, input)
    }

    /// A client that has shaken hands.
    pub async fn client(&self) -> Client {
        let mut client = self.connect().await;
        client.initialize().await;
        client
    }

    /// What llmx's memory is.
    ///
    /// # Panics
    /// If it has left already.
    #[must_use]
    pub fn memory(&self) -> Memory {
        processes::memory(self.pid())
    }

    /// Every living process of this world but llmx itself.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        let llmx = self.pid();
        processes::marked(&self.mark).into_iter().filter(|p| p.pid != llmx).collect()
    }

    /// Where llmx keeps its files.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// What llmx says on standard error.
    #[must_use]
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.home.path().join("stderr")).unwrap_or_default()
    }

    /// How many files it has open.
    ///
    /// # Panics
    /// If it has left already.
    #[must_use]
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("llmx lives").count()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// If it has left already.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid()).expect("a number"), signal).expect("llmx lives");
    }

    /// Waits until it leaves; gives back the exit code and what it may have left alive.
    ///
    /// # Panics
    /// If it does not leave.
    pub async fn leaves(&mut self) -> (Option<i32>, Vec<Process>) {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("llmx does not leave: {}", self.stderr()));
        (status.expect("it can be waited for").code(), processes::marked(&self.mark))
    }

    fn pid(&self) -> i32 {
        self.child.id().and_then(|pid| pid.try_into().ok()).expect("llmx lives")
    }
}
