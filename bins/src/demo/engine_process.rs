//! `llmx proto` as a child process.

use rustix::process::{Pid, Signal, kill_process};
use std::{
    ffi::OsStr,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// How long the engine may take to leave before it is killed.
const LAST_WORDS: Duration = Duration::from_secs(5);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// A running engine. Dropped, it is told to end and waited for, so that its commands are gone too.
pub(super) struct EngineProcess {
    child: Child,
    /// Closed to say that no more submissions come.
    input: Option<ChildStdin>,
    lines: mpsc::Receiver<io::Result<String>>,
}

impl EngineProcess {
    /// Starts this program once more, as `llmx proto`, in an environment that differs by its home only.
    pub(super) fn start(home: &Path, arguments: &[impl AsRef<OsStr>]) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("proto")
            .args(arguments)
            .env("LLMX_HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or_else(|| io::Error::other("the child has no output"))?;
        let input = child.stdin.take();
        Ok(Self { child, input, lines: read_lines(output)? })
    }

    /// Sends a line.
    pub(super) fn send(&mut self, line: &str) -> io::Result<()> {
        let input = self.input.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        input.write_all(line.as_bytes())?;
        input.write_all(b"\n")
    }

    /// The next line; `None` when the engine has closed its output.
    pub(super) async fn next(&mut self) -> Option<io::Result<String>> {
        self.lines.recv().await
    }

    /// Says that no more submissions come.
    pub(super) fn close_input(&mut self) {
        self.input = None;
    }

    /// How it ended, once it has.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let deadline = Instant::now() + LAST_WORDS;
        loop {
            match self.child.try_wait()? {
                Some(status) => return Ok(status),
                None if Instant::now() > deadline => return Err(io::ErrorKind::TimedOut.into()),
                None => tokio::time::sleep(ASK_AGAIN_AFTER).await,
            }
        }
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for EngineProcess {
    fn drop(&mut self) {
        self.close_input();
        self.lines.close();
        if self.has_ended() {
            return;
        }
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let deadline = Instant::now() + LAST_WORDS;
        while !self.has_ended() && Instant::now() < deadline {
            thread::sleep(ASK_AGAIN_AFTER);
        }
        // Also right for one that has ended: it is reaped, and std knows.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(output: ChildStdout) -> io::Result<mpsc::Receiver<io::Result<String>>> {
    let (to, lines) = mpsc::channel(64);
    thread::Builder::new().name("engine-output".into()).spawn(move || {
        for line in BufReader::new(output).lines() {
            if to.blocking_send(line).is_err() {
                return;
            }
        }
    })?;
    Ok(lines)
}
