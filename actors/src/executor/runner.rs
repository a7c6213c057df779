//! The way to run a command and to apply a patch: helper processes, or in tests a script.

use super::{
    patch::{self, Application, Inspection, Recovery},
    process::{self, CommandInput, Ended, HelperPath, Launch, OutputStream, TerminalSize},
    sandbox::{NETWORK_DISABLED, Sandbox, Strength},
};
use bytes::Bytes;
use futures_util::{FutureExt, future::LocalBoxFuture};
use llmx_protocol::{
    machine::{
        approval::{no_sandbox, unenforceable},
        settings::{Confining, Enforcement},
        turn::{CallEnd, Inspected},
    },
    wire::{event::ExecOutputStream, policy::SandboxPolicy},
};
use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot};

/// A command to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its words; not empty.
    pub command: Vec<String>,
    /// Where.
    pub cwd: PathBuf,
    /// What it may touch; everything without them.
    pub limits: Option<Limits>,
}

/// What a command may touch, in the words of its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The policy; `danger-full-access` is no limit.
    pub policy: SandboxPolicy,
    /// The session's directory, not the command's: the model chooses that one.
    pub session_cwd: PathBuf,
}

/// Resolves when the command is to be killed, with the grace between SIGTERM and SIGKILL.
pub type Killed = LocalBoxFuture<'static, Duration>;

/// Something for a command that runs.
#[derive(Debug)]
pub enum Word {
    /// Bytes for its standard input, and whether they are the last.
    Input {
        /// The bytes.
        bytes: Bytes,
        /// Whether there are no more.
        last: bool,
        /// Told when the command has taken all of it, or why it never will; dropped when the command is over.
        taken: oneshot::Sender<Result<(), String>>,
    },
    /// Its terminal has another size.
    Resize {
        /// The size.
        size: TerminalSize,
        /// Told whether it has a terminal.
        taken: oneshot::Sender<Result<(), String>>,
    },
}

/// What a command is told while it runs.
#[derive(Debug)]
pub struct Conversation {
    /// The size of the terminal that it gets; without one it gets pipes.
    pub terminal: Option<TerminalSize>,
    /// What it is told, in order.
    pub words: mpsc::UnboundedReceiver<Word>,
}

/// Takes what a command writes. The command waits while it does.
pub trait OutputSink {
    /// The next bytes of a stream.
    fn take(&mut self, stream: ExecOutputStream, chunk: Bytes) -> LocalBoxFuture<'_, ()>;
}

/// Runs commands and applies patches. Called on the session's arbiter.
pub trait Runner: Send + Sync + 'static {
    /// Called when an engine starts: sees to what an earlier one left half done.
    fn prepare(&self) -> LocalBoxFuture<'static, ()> {
        std::future::ready(()).boxed_local()
    }

    /// Looks at the files of a patch. The error is for the model.
    fn inspect(&self, inspection: Inspection) -> LocalBoxFuture<'static, Result<Inspected, String>>;

    /// Applies a patch, all of it or nothing: all of it if it ends with the code 0. Dropping the future leaves it to
    /// whoever applies the next one, or to the next engine, to make sure of that.
    fn apply(
        &self,
        application: Application,
        killed: Killed,
        sink: Box<dyn OutputSink>,
    ) -> LocalBoxFuture<'static, CallEnd>;

    /// Runs one to the end of everything it started. Dropping the future kills it.
    fn run(&self, order: Order, killed: Killed, sink: Box<dyn OutputSink>) -> LocalBoxFuture<'static, CallEnd>;

    /// As [`run`](Self::run), with a command that is told things. Not every runner can do that.
    fn converse(
        &self,
        _order: Order,
        _conversation: Conversation,
        _killed: Killed,
        _sink: Box<dyn OutputSink>,
    ) -> LocalBoxFuture<'static, CallEnd> {
        std::future::ready(CallEnd::NotStarted("commands cannot be written to here".to_owned())).boxed_local()
    }
}

/// Runs commands below a helper process (see [`process`]).
#[derive(Clone, Debug)]
pub struct HelperRunner {
    /// What a command sees of the engine's environment; nothing else.
    pub environment: Arc<Vec<(OsString, OsString)>>,
    /// The program to execute as the helper.
    pub helper: HelperPath,
    /// Knows how well commands can be confined.
    pub confining: Arc<dyn Confining>,
    /// llmx's own home, which no command may write. What patches are recovered from is kept there.
    pub llmx_home: Option<PathBuf>,
    /// The user's home, which is never a writable root.
    pub user_home: Option<PathBuf>,
    /// Of patches that earlier engines died over.
    pub recovery: Recovery,
}

impl HelperRunner {
    fn launch(&self, order: Order) -> Result<Launch, String> {
        let mut env = self.environment.to_vec();
        let sandbox = order.limits.map(|limits| self.sandbox(limits)).transpose()?;
        if sandbox.as_ref().is_some_and(|sandbox| !sandbox.has_network()) {
            env.push((NETWORK_DISABLED.into(), "1".into()));
        }
        Ok(Launch {
            argv: order.command.into_iter().map(OsString::from).collect(),
            cwd: order.cwd,
            env,
            helper: self.helper.clone(),
            sandbox,
        })
    }

    /// A process of llmx's own, which needs nothing of the environment.
    pub(super) fn launch_patch(&self, argv: Vec<OsString>, limits: Option<Limits>) -> Result<Launch, String> {
        let sandbox = limits.map(|limits| self.sandbox(limits)).transpose()?;
        Ok(Launch { argv, cwd: "/".into(), env: Vec::new(), helper: self.helper.clone(), sandbox })
    }

    /// The machines do not let a command get here that cannot be confined as it must be; this is the last door.
    fn sandbox(&self, limits: Limits) -> Result<Sandbox, String> {
        let enforcement = self.confining.enforcement();
        if let Some(why) = unenforceable(&enforcement, &limits.policy) {
            return Err(no_sandbox(&limits.policy, why));
        }
        let strength = if enforcement == Enforcement::Full { Strength::Full } else { Strength::WithoutNamespaces };
        Ok(Sandbox { strength, ..self.described(limits) })
    }

    fn described(&self, Limits { policy, session_cwd }: Limits) -> Sandbox {
        Sandbox {
            policy,
            session_cwd,
            llmx_home: self.llmx_home.clone(),
            user_home: self.user_home.clone(),
            spare_placeholders: self.llmx_home.as_ref().map(|home| home.join("placeholders")),
            tmpdir: self.variable("TMPDIR"),
            strength: Strength::Full,
        }
    }

    fn variable(&self, name: &str) -> Option<PathBuf> {
        let set = self.environment.iter().find(|(variable, _)| variable == name);
        set.map(|(_, value)| PathBuf::from(value)).filter(|value| !value.as_os_str().is_empty())
    }
}

impl Runner for HelperRunner {
    fn prepare(&self) -> LocalBoxFuture<'static, ()> {
        let runner = self.clone();
        async move { runner.recovery.once(&runner).await }.boxed_local()
    }

    fn inspect(&self, inspection: Inspection) -> LocalBoxFuture<'static, Result<Inspected, String>> {
        let runner = self.clone();
        async move {
            runner.recovery.once(&runner).await;
            let sandbox = runner.described(inspection.limits.clone());
            let inspected = tokio::task::spawn_blocking(move || patch::inspect(&inspection, &sandbox)).await;
            inspected.unwrap_or_else(|died| Err(format!("the files could not be read: {died}")))
        }
        .boxed_local()
    }

    fn apply(
        &self,
        application: Application,
        killed: Killed,
        mut sink: Box<dyn OutputSink>,
    ) -> LocalBoxFuture<'static, CallEnd> {
        let runner = self.clone();
        async move { patch::apply(&runner, application, killed, &mut *sink).await }.boxed_local()
    }

    fn run(&self, order: Order, killed: Killed, mut sink: Box<dyn OutputSink>) -> LocalBoxFuture<'static, CallEnd> {
        let runner = self.clone();
        async move {
            runner.recovery.once(&runner).await;
            let launch = match runner.launch(order) {
                Ok(launch) => launch,
                Err(why) => return CallEnd::NotStarted(why),
            };
            let (command, output) = match process::spawn(&launch) {
                Ok(started) => started,
                Err(error) => return CallEnd::NotStarted(format!("failed to start a helper: {error}")),
            };
            let take = async |stream, chunk| sink.take(wire_stream(stream), chunk).await;
            call_end(process::run(command, output, killed, take).await.end.ended)
        }
        .boxed_local()
    }

    fn converse(
        &self,
        order: Order,
        conversation: Conversation,
        killed: Killed,
        mut sink: Box<dyn OutputSink>,
    ) -> LocalBoxFuture<'static, CallEnd> {
        let runner = self.clone();
        async move {
            runner.recovery.once(&runner).await;
            let launch = match runner.launch(order) {
                Ok(launch) => launch,
                Err(why) => return CallEnd::NotStarted(why),
            };
            let (command, output, input) = match process::spawn_interactive(&launch, conversation.terminal) {
                Ok(started) => started,
                Err(error) => return CallEnd::NotStarted(format!("failed to start a helper: {error}")),
            };
            let take = async |stream, chunk| sink.take(wire_stream(stream), chunk).await;
            tokio::select! {
                finished = process::run(command, output, killed, take) => call_end(finished.end.ended),
                () = pass_on(input, conversation.words) => CallEnd::Lost,
            }
        }
        .boxed_local()
    }
}

/// Never ends: the command does. When nobody is left to say anything its input stays open, as a silent terminal would.
async fn pass_on(mut input: CommandInput, mut words: mpsc::UnboundedReceiver<Word>) {
    while let Some(word) = words.recv().await {
        let (done, taken) = match word {
            Word::Input { bytes, last, taken } => {
                let mut done = input.write(&bytes).await;
                if last && done.is_ok() {
                    done = input.close().await;
                }
                (done, taken)
            }
            Word::Resize { size, taken } => (input.resize(size), taken),
        };
        // Whoever asked may be gone.
        let _ = taken.send(done.map_err(|error| error.to_string()));
    }
    std::future::pending::<()>().await;
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
        Ended::SpawnFailed(why) => CallEnd::NotStarted(why.text),
        Ended::Lost => CallEnd::Lost,
    }
}
