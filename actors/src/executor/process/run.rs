//! One command from start to end: its output, its end and the wish to kill it, at the same time.

use super::child::{CommandEnd, RunningCommand};
use super::output::{CommandOutput, Drained, OutputStream, pump};
use bytes::Bytes;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::oneshot;

/// What [`run`] returns when nothing of the command is left and all of its output was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// How the command ended.
    pub end: CommandEnd,
    /// Whether its output ended with it.
    pub output: Drained,
}

/// Sees `command` to its end. `kill` resolves to the grace of a kill (an interrupt, a time-out), or never; it is heard
/// also while `sink` waits. Dropping the future kills the command at once.
pub async fn run<Kill, Sink>(mut command: RunningCommand, output: CommandOutput, kill: Kill, sink: Sink) -> Finished
where
    Kill: Future<Output = Duration>,
    Sink: AsyncFnMut(OutputStream, Bytes),
{
    let (gone, tree_is_gone) = oneshot::channel::<()>();
    let until_gone = async {
        let end = ended_or_killed(&mut command, kill).await;
        drop(gone); // the pump waits for this end of the channel to close
        end
    };
    let tree_is_gone = async {
        let _ = tree_is_gone.await;
    };
    let (end, output) = tokio::join!(until_gone, pump(output, tree_is_gone, sink));
    Finished { end, output }
}

async fn ended_or_killed(command: &mut RunningCommand, kill: impl Future<Output = Duration>) -> CommandEnd {
    let kill = pin!(kill);
    tokio::select! {
        end = command.ended() => return end,
        grace = kill => command.kill(grace),
    }
    command.ended().await
}
