//! The engine's side: starts the process that applies a patch, and sees to it that a patch is all or nothing also where
//! that process, or the engine itself, dies over it.

use super::journal::{Journal, Record};
use super::process::{Errand, HALF_DONE, NOT_DONE};
use crate::executor::process::{self, CommandOutput, Ended, OutputStream, RunningCommand};
use crate::executor::{HelperRunner, Killed, Limits, OutputSink};
use bytes::Bytes;
use futures_util::{FutureExt, future::pending};
use llmx_protocol::machine::turn::CallEnd;
use llmx_protocol::patch::Plan;
use llmx_protocol::wire::event::ExecOutputStream;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

/// How long the helpers of an engine that died may take to notice; it takes them some milliseconds.
const LAST_BREATH: Duration = Duration::from_secs(2);

/// A patch to apply.
#[derive(Clone, Debug, PartialEq)]
pub struct Application {
    /// What is to be done.
    pub plan: Arc<Plan>,
    /// What may be touched; everything without them.
    pub limits: Option<Limits>,
}

/// Whether what earlier engines left half done has been seen to. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Recovery(Arc<OnceCell<()>>);

impl Recovery {
    /// The first time: makes every patch that an engine died over all or nothing. Nothing should run before.
    pub(crate) async fn once(&self, runner: &HelperRunner) {
        self.0.get_or_init(|| recover_abandoned(runner, LAST_BREATH)).await;
    }
}

/// What a process that applies a patch said, and how it ended.
struct Ending {
    end: Ended,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Applies a patch. What is told to `sink`, and the code of the end, are those of the process that applied or recovered
/// it: whatever happens on the way, code 0 says that all of it is done, any other end that nothing is.
pub(crate) async fn apply(
    runner: &HelperRunner,
    application: Application,
    killed: Killed,
    sink: &mut dyn OutputSink,
) -> CallEnd {
    recover_abandoned(runner, Duration::ZERO).await;
    let limits = application.limits.clone();
    let journal = match write_journal(runner, application).await {
        Ok(journal) => journal,
        Err(why) => return CallEnd::NotStarted(why),
    };
    let Ending { end, stdout, stderr } = match run(runner, Errand::Apply, limits.clone(), &journal, killed).await {
        Ok(ending) => settled(runner, limits, &journal, ending).await,
        Err(why) => {
            journal.remove();
            return CallEnd::NotStarted(why);
        }
    };
    for (stream, said) in [(ExecOutputStream::Stdout, stdout), (ExecOutputStream::Stderr, stderr)] {
        if !said.is_empty() {
            sink.take(stream, Bytes::from(said)).await;
        }
    }
    match end {
        Ended::Exited(code) if code != i32::from(HALF_DONE) => {
            journal.remove();
            CallEnd::Exited(code)
        }
        Ended::SpawnFailed(why) => {
            journal.remove();
            CallEnd::NotStarted(why.text)
        }
        // The journal stays for whoever can do better.
        Ended::Exited(_) | Ended::Signalled(_) | Ended::Lost => CallEnd::Exited(HALF_DONE.into()),
    }
}

async fn write_journal(runner: &HelperRunner, Application { plan, limits }: Application) -> Result<Journal, String> {
    let Some(home) = runner.llmx_home.clone() else {
        return Err("llmx has no home directory, where it keeps what a patch is recovered from".into());
    };
    let written = spawn_blocking(move || Journal::write(&home, &plan, limits.as_ref())).await;
    let written = written.map_err(io::Error::other).and_then(|written| written);
    written.map_err(|error| format!("cannot write down what is to be done: {error}"))
}

/// The ending itself if it says what became of the files, else that of the recovery.
async fn settled(runner: &HelperRunner, limits: Option<Limits>, journal: &Journal, ending: Ending) -> Ending {
    match ending.end {
        Ended::Exited(0) | Ended::SpawnFailed(_) => ending,
        Ended::Exited(code) if code == i32::from(NOT_DONE) => ending,
        Ended::Exited(_) | Ended::Signalled(_) | Ended::Lost => {
            let recovered = run(runner, Errand::Recover, limits, journal, pending().boxed_local()).await;
            recovered.unwrap_or(ending)
        }
    }
}

/// Patches that engines died over, this one's predecessors or others with the same home.
async fn recover_abandoned(runner: &HelperRunner, patience: Duration) {
    let Some(home) = runner.llmx_home.clone() else {
        return;
    };
    let abandoned = spawn_blocking(move || Journal::abandoned(&home, patience)).await.unwrap_or_default();
    for (journal, record) in abandoned {
        recover(runner, journal, &record).await;
    }
}

async fn recover(runner: &HelperRunner, journal: Journal, record: &Record) {
    let path = journal.path.display().to_string();
    let recovered = run(runner, Errand::Recover, record.limits(), &journal, pending().boxed_local()).await;
    match recovered.map(|ending| (ending.end, String::from_utf8_lossy(&ending.stderr).into_owned())) {
        Ok((Ended::Exited(code), _)) if code == 0 || code == i32::from(NOT_DONE) => {
            tracing::info!(journal = path, done = code == 0, "recovered a patch");
            journal.remove();
        }
        Ok((end, said)) => tracing::error!(journal = path, ?end, said, "cannot recover a patch"),
        Err(why) => tracing::error!(journal = path, why, "cannot recover a patch"),
    }
}

async fn run(
    runner: &HelperRunner,
    errand: Errand,
    limits: Option<Limits>,
    journal: &Journal,
    killed: Killed,
) -> Result<Ending, String> {
    let launch = runner.launch_patch(errand.command(), limits)?;
    let (command, output): (RunningCommand, CommandOutput) =
        process::spawn_reading(&launch, &journal.path).map_err(|error| format!("failed to start a helper: {error}"))?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let finished = process::run(command, output, killed, async |stream, chunk: Bytes| match stream {
        OutputStream::Stdout => stdout.extend_from_slice(&chunk),
        OutputStream::Stderr => stderr.extend_from_slice(&chunk),
    });
    let end = finished.await.end.ended;
    Ok(Ending { end, stdout, stderr })
}
