//! The way to run a command: a helper process, or in tests a script.

use super::process::{self, Ended, HelperPath, Launch, OutputStream};
use bytes::Bytes;
use futures_util::{FutureExt, future::LocalBoxFuture};
use llmx_protocol::{machine::turn::CallEnd, wire::event::ExecOutputStream};
use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

/// A command to run without confinement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its words; not empty.
    pub command: Vec<String>,
    /// Where.
    pub cwd: PathBuf,
}

/// Resolves when the command is to be killed, with the grace between SIGTERM and SIGKILL.
pub type Killed = LocalBoxFuture<'static, Duration>;

/// Takes what a command writes. The command waits while it does.
pub trait OutputSink {
    /// The next bytes of a stream.
    fn take(&mut self, stream: ExecOutputStream, chunk: Bytes) -> LocalBoxFuture<'_, ()>;
}

/// Runs commands. Called on the session's arbiter.
pub trait Runner: Send + Sync + 'static {
    /// Runs one to the end of everything it started. Dropping the future kills it.
    fn run(&self, order: Order, killed: Killed, sink: Box<dyn OutputSink>) -> LocalBoxFuture<'static, CallEnd>;
}

/// Runs commands below a helper process (see [`process`]).
#[derive(Clone, Debug)]
pub struct HelperRunner {
    /// What a command sees of the engine's environment; nothing else.
    pub environment: Arc<Vec<(OsString, OsString)>>,
    /// The program to execute as the helper.
    pub helper: HelperPath,
}

impl Runner for HelperRunner {
    fn run(&self, order: Order, killed: Killed, mut sink: Box<dyn OutputSink>) -> LocalBoxFuture<'static, CallEnd> {
        let launch = Launch {
            argv: order.command.into_iter().map(OsString::from).collect(),
            cwd: order.cwd,
            env: self.environment.to_vec(),
            helper: self.helper.clone(),
        };
        async move {
            let (command, output) = match process::spawn(&launch) {
                Ok(started) => started,
                Err(error) => return CallEnd::NotStarted(format!("failed to start a helper: {error}")),
            };
            let take = async |stream, chunk| sink.take(wire_stream(stream), chunk).await;
            call_end(process::run(command, output, killed, take).await.end.ended)
        }
        .boxed_local()
    }
}

fn wire_stream(stream: OutputStream) -> ExecOutputStream {
    match stream {
        OutputStream::Stdout => ExecOutputStream::Stdout,
        OutputStream::Stderr => ExecOutputStream::Stderr,
    }
}

fn call_end(ended: Ended) -> CallEnd {
    match ended {
        Ended::Exited(code) => CallEnd::Exited(code),
        Ended::Signalled(signal) => CallEnd::Signalled(signal),
        Ended::SpawnFailed(why) => CallEnd::NotStarted(why),
        Ended::Lost => CallEnd::Lost,
    }
}
