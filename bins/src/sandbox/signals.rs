//! Signals on their way to the command. It has a session of its own, so what a terminal sends would reach only llmx.

use llmx_actors::executor::process::{CommandEnd, RunningCommand};
use rustix::process::{Signal, getpid, kill_process};
use std::{fs, future::poll_fn, io, task::Poll};
use tokio::signal::unix::{self, SignalKind, signal};

/// Those that are the command's business.
const FORWARDED: [Signal; 11] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::WINCH,
    Signal::CONT,
    Signal::IO,
    Signal::TSTP,
];

/// Hears the signals of this process from its making on.
pub(super) struct Forwarder(Vec<(Signal, unix::Signal)>);

impl Forwarder {
    /// What this process was told to ignore, by `nohup` for example, stays ignored.
    pub(super) fn new() -> io::Result<Self> {
        let ignored = ignored_signals();
        let heard = FORWARDED.into_iter().filter(|signal| ignored >> (signal.as_raw() - 1) & 1 == 0);
        heard.map(|kind| Ok((kind, signal(SignalKind::from_raw(kind.as_raw()))?))).collect::<io::Result<_>>().map(Self)
    }

    pub(super) async fn forward_until_the_end(mut self, mut command: RunningCommand) -> CommandEnd {
        loop {
            let came = tokio::select! {
                end = command.ended() => return end,
                came = self.next() => came,
            };
            forward(came, &command);
        }
    }

    async fn next(&mut self) -> Signal {
        poll_fn(|context| {
            let came =
                self.0.iter_mut().find_map(|(kind, signal)| signal.poll_recv(context).is_ready().then_some(*kind));
            came.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Ctrl-Z stops both; the shell's SIGCONT lets both go on. In a session without a terminal the command would ignore
/// SIGTSTP.
fn forward(came: Signal, command: &RunningCommand) {
    let to_command = if came == Signal::TSTP { Signal::STOP } else { came };
    command.signal(u8::try_from(to_command.as_raw()).unwrap_or_default());
    if came == Signal::TSTP {
        let _ = kill_process(getpid(), Signal::STOP);
    }
}

/// One bit for each signal, the lowest for signal 1 (`proc_pid_status(5)`).
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
