//! The helper process: starts one command, watches over its tree, reports once nothing of it is left.
//!
//! It is single-threaded and has no runtime. That makes `fork` safe, `/proc/self/task` short and its start cheap.

mod leader;
mod line;
mod tree;

use super::control::{Left, Report};
use super::launch::{HELPER_NAME, Order, take_the_commands_variables};
use super::not_started::NotStarted;
use crate::executor::patch;
use crate::executor::sandbox::{self, Status};
use leader::{Forwarded, Leader};
use line::{EngineLine, Wake};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{PidfdFlags, pidfd_open};
use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::iter::Peekable;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tree::{LeaderEnd, Tree};

/// How often orphans of a running command that died are waited for; until then they are zombies.
const REAP_INTERVAL: Duration = Duration::from_secs(1);

/// How often a signal for a command that has not begun is tried again.
const FORWARD_INTERVAL: Duration = Duration::from_millis(1);

/// The exit code of a helper that was not started by an engine.
const NOT_A_HELPER: u8 = 2;

/// Call this first in `main`, before any thread exists. `None`: the program was started as itself, go on. `Some`: it
/// was started by [`spawn`](super::spawn) as a helper, or by a helper to apply a patch, has done that work, and `main`
/// returns this code.
#[must_use]
pub fn run_if_helper() -> Option<ExitCode> {
    let mut arguments = env::args_os();
    let called_as = arguments.next()?;
    if Path::new(&called_as).file_name()? == HELPER_NAME {
        return Some(run(arguments.peekable()));
    }
    patch::run_if_asked(&arguments.next()?)
}

fn run(mut arguments: Peekable<impl Iterator<Item = OsString>>) -> ExitCode {
    if arguments.next_if(|first| sandbox::is_probe(first)).is_some() {
        return sandbox::run_probe();
    }
    #[expect(unsafe_code, reason = "the command's environment is this process' own")]
    // SAFETY: the helper has one thread.
    unsafe {
        take_the_commands_variables();
    }
    let Some(order) = Order::from_arguments(arguments) else {
        return ExitCode::from(NOT_A_HELPER);
    };
    let Ok(mut line) = order.control.map_or_else(EngineLine::take_stdin, EngineLine::take_number) else {
        return ExitCode::from(NOT_A_HELPER);
    };
    if let Some(input) = &order.input
        && let Err(error) = give_as_stdin(input)
    {
        line.report(&Report::Failed(NotStarted::other(format!("cannot read {}: {error}", input.display()))));
        return ExitCode::SUCCESS;
    }
    // Whatever a sandbox left in the file system is gone before the engine hears of the end.
    let report = match leader::start(&order, &line) {
        Ok(leader) => watch_over(&leader, &mut line),
        Err(reason) => Report::Failed(reason),
    };
    line.report(&report);
    ExitCode::SUCCESS
}

/// The lock is of the open file, and so of everyone who has it as stdin.
fn give_as_stdin(input: &Path) -> io::Result<()> {
    let file = File::open(input)?;
    flock(&file, FlockOperation::NonBlockingLockShared)?;
    Ok(rustix::stdio::dup2_stdin(&file)?)
}

/// Returns when the tree is gone.
fn watch_over(leader: &Leader, line: &mut EngineLine) -> Report {
    let mut tree = Tree::of(leader.pid());
    let Ok(handle) = pidfd_open(leader.pid(), PidfdFlags::empty()) else {
        tree.kill();
        return Report::Failed(NotStarted::other("this kernel has no pidfd (Linux 5.3)"));
    };
    let watched: Vec<BorrowedFd<'_>> = [handle.as_fd()].into_iter().chain(leader.said()).collect();
    let mut signals = Vec::new();
    loop {
        let interval = if signals.is_empty() { REAP_INTERVAL } else { FORWARD_INTERVAL };
        match line.wait(&watched, Some(interval)) {
            Wake::Nothing => {
                tree.reap();
            }
            Wake::Signals => signals.extend(line.take_signals()),
            Wake::Child | Wake::Kill => break,
            Wake::Terminate { grace } => {
                match leader {
                    Leader::Command(_) => tree.terminate(grace, line),
                    Leader::Init(_) => tree.terminate_namespace(grace, line),
                }
                break;
            }
        }
        let until = signals.iter().position(|signal| leader.forward(*signal) == Forwarded::NotYet);
        signals.drain(..until.unwrap_or(signals.len()));
    }
    let (end, left) = match leader {
        Leader::Command(_) => tree.kill(),
        Leader::Init(_) => tree.kill_namespace(),
    };
    match leader.last_words() {
        Some(Status::Failed(why)) => Report::Failed(why),
        Some(Status::Exited(code)) => Report::Exited { code, left },
        Some(Status::Signalled(signal)) => Report::Signalled { signal, left },
        None => report(end, left),
    }
}

fn report(end: LeaderEnd, left: Left) -> Report {
    match end {
        LeaderEnd::Exited(code) => Report::Exited { code, left },
        LeaderEnd::Signalled(signal) => Report::Signalled { signal, left },
        LeaderEnd::OutOfReach => Report::OutOfReach { left },
    }
}
