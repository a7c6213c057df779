//! The engine's end of one running command.

use super::control::{Left, MAX_REPORT, Report, Request};
use super::interaction::{CommandInput, Interaction, TerminalSize};
use super::launch::{Ends, HELPER_NAME, Launch};
use super::not_started::NotStarted;
use super::output::CommandOutput;
use super::proc_tree::{is_session_member, session_members};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout_at};

/// How long after the grace of a kill a helper may take to report. Killing takes about a millisecond; only a helper
/// that the command stopped, or a process stuck in the kernel, takes this long. Then the helper is killed and the
/// command is [`Ended::Lost`].
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);

/// How long processes of a lost command may take to die of SIGKILL.
const LOST_SESSION_DEADLINE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// How a command ended. A failing command is a result, not an error of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Its first process exited with this code (0–255).
    Exited(i32),
    /// This signal (`signal(7)`) ended its first process; SIGKILL after [`RunningCommand::kill`] included.
    Signalled(i32),
    /// It never ran.
    SpawnFailed(NotStarted),
    /// Nobody knows: the helper was killed or stopped by the command, or the command became another user (`sudo`) and
    /// could not be killed. What could be found of the command was killed.
    Lost,
}

/// What is known when nothing of a command is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEnd {
    /// How its first process ended.
    pub ended: Ended,
    /// Processes beside the first that were still there and had to be killed with SIGKILL.
    pub survivors: u32,
    /// Processes that live on, because they run as another user and this one may not kill them.
    pub out_of_reach: u32,
}

impl CommandEnd {
    fn new(ended: Ended, left: Left) -> Self {
        Self { ended, survivors: left.survivors, out_of_reach: left.out_of_reach }
    }

    fn from_report(report: Report) -> Option<Self> {
        match report {
            Report::Started { .. } => None,
            Report::Exited { code, left } => Some(Self::new(Ended::Exited(code), left)),
            Report::Signalled { signal, left } => Some(Self::new(Ended::Signalled(signal), left)),
            Report::OutOfReach { left } => Some(Self::new(Ended::Lost, left)),
            Report::Failed(reason) => Some(Self::new(Ended::SpawnFailed(reason), Left::default())),
        }
    }
}

/// A command with everything it started. Dropping this kills all of it at once (and nobody learns how it ended);
/// the end of the engine's process, in whatever way, does the same.
#[derive(Debug)]
pub struct RunningCommand {
    helper: Child,
    /// Its closing tells the helper to kill the tree; the helper's closing tells us that the helper is gone.
    control: UnixStream,
    said: Vec<u8>,
    terminating: bool,
    answer_by: Option<Instant>,
    end: Option<CommandEnd>,
}

/// Starts `launch` under a helper and returns before the command runs. Call it inside a tokio runtime with I/O and
/// time enabled. Whoever takes the [`CommandOutput`] reads it, with [`pump`](super::pump) for example: a command whose
/// pipe is full waits.
///
/// # Errors
///
/// When no helper could be started: an empty `argv`, a NUL in a string, no such helper, no more processes or
/// descriptors, arguments too long. What goes wrong later is an [`Ended::SpawnFailed`].
pub fn spawn(launch: &Launch) -> io::Result<(RunningCommand, CommandOutput)> {
    spawn_below(launch, helper(launch, Ends::default()))
}

/// Like [`spawn`], but the command's standard input is this file. Helper and command hold a shared lock on it
/// (`flock(2)`) for as long as they live; where somebody holds an exclusive one the command does not start.
///
/// # Errors
///
/// Those of [`spawn`].
pub(crate) fn spawn_reading(launch: &Launch, input: &Path) -> io::Result<(RunningCommand, CommandOutput)> {
    spawn_below(launch, helper(launch, Ends { input: Some(input), ..Ends::default() }))
}

fn spawn_below(launch: &Launch, mut helper: Command) -> io::Result<(RunningCommand, CommandOutput)> {
    let (control, helpers) = control_socket(launch)?;
    let (output, ends) = CommandOutput::new()?;
    let helper = start(helper.stdin(Stdio::from(helpers)).stdout(ends.stdout).stderr(ends.stderr))?;
    Ok((RunningCommand::new(helper, control), output))
}

/// Like [`spawn`], but the command gets this process' own stdin, stdout and stderr. For a program that does nothing
/// else meanwhile: another process started by another thread at this moment would inherit the control socket.
///
/// # Errors
///
/// Those of [`spawn`].
pub fn spawn_in_place(launch: &Launch) -> io::Result<RunningCommand> {
    let (control, helpers) = control_socket(launch)?;
    fcntl_setfd(&helpers, FdFlags::empty())?;
    let helper = start(&mut helper(launch, Ends { control: Some(helpers.as_raw_fd()), ..Ends::default() }))?;
    Ok(RunningCommand::new(helper, control))
}

/// Like [`spawn`], but the command can be told things: through a pipe, or, where it gets one of this size, through a
/// terminal that is its controlling one and all three of its streams.
///
/// # Errors
///
/// Those of [`spawn`], and that there are no more terminals.
pub fn spawn_interactive(
    launch: &Launch,
    terminal: Option<TerminalSize>,
) -> io::Result<(RunningCommand, CommandOutput, CommandInput)> {
    let (control, helpers) = control_socket(launch)?;
    let ends = match terminal {
        Some(size) => Interaction::through_a_terminal(size)?,
        None => Interaction::through_pipes()?,
    };
    let told = Ends { control: Some(helpers.as_raw_fd()), terminal: terminal.is_some(), ..Ends::default() };
    let mut helper = helper(launch, told);
    helper.stdin(ends.stdin).stdout(ends.stdout).stderr(ends.stderr);
    pass_on(&mut helper, helpers);
    let helper = start(&mut helper)?;
    Ok((RunningCommand::new(helper, control), ends.output, ends.input))
}

/// To this program and to no other: what another thread starts meanwhile does not inherit it.
fn pass_on(helper: &mut Command, socket: OwnedFd) {
    #[expect(unsafe_code, reason = "between fork and exec is the only place that no other program is started from")]
    // SAFETY: the closure makes one system call through rustix and allocates nothing.
    unsafe {
        helper.pre_exec(move || Ok(fcntl_setfd(&socket, FdFlags::empty())?))
    };
}

fn control_socket(launch: &Launch) -> io::Result<(UnixStream, OwnedFd)> {
    if launch.argv.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the command is empty"));
    }
    let (ours, helpers) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((UnixStream::from_std(ours)?, helpers.into()))
}

fn helper(launch: &Launch, ends: Ends<'_>) -> Command {
    let mut helper = Command::new(launch.helper.as_path());
    helper.arg0(HELPER_NAME).args(launch.helper_arguments(ends));
    helper.env_clear().envs(launch.helper_environment());
    helper
}

#[expect(clippy::disallowed_methods, reason = "this is executor::process: the helper sees to the grandchildren")]
fn start(helper: &mut Command) -> io::Result<Child> {
    helper.spawn()
}

impl RunningCommand {
    fn new(helper: Child, control: UnixStream) -> Self {
        Self { helper, control, said: Vec::new(), terminating: false, answer_by: None, end: None }
    }

    /// Sends a signal (`signal(7)`) to the command's process group, as a terminal or a parent would. What becomes of
    /// it is the command's own business.
    pub fn signal(&self, signal: u8) {
        let _ = rustix::io::write(&self.control, &Request::Forward { signal }.encode());
    }

    /// SIGTERM to every process of the command now, SIGKILL to those that are left after `grace` (whole
    /// milliseconds). Only the first call counts; [`kill_now`](Self::kill_now) may follow.
    pub fn kill(&mut self, grace: Duration) {
        if !self.terminating {
            self.terminating = true;
            self.request(Request::Terminate { grace }, grace);
        }
    }

    /// SIGKILL to every process of the command.
    pub fn kill_now(&mut self) {
        self.terminating = true;
        self.request(Request::Kill, Duration::ZERO);
    }

    /// Waits until the whole tree of the command and its helper are gone. After a kill this takes the grace and about
    /// a millisecond, and never longer than the grace and five seconds. May be dropped and called again; once it has
    /// returned it returns the same.
    pub async fn ended(&mut self) -> CommandEnd {
        if let Some(end) = &self.end {
            return end.clone();
        }
        self.listen_until_the_helper_is_gone().await;
        let _ = self.helper.wait().await;
        let end = match self.reported() {
            Some(end) => end,
            None => self.kill_what_is_left_of_the_session().await,
        };
        self.end.insert(end).clone()
    }

    fn request(&mut self, request: Request, grace: Duration) {
        // A fresh socket always takes these few bytes; a helper that is gone already needs none.
        let _ = rustix::io::write(&self.control, &request.encode());
        self.wake_a_stopped_helper();
        let answer_by = Instant::now() + grace + ANSWER_DEADLINE;
        self.answer_by = Some(self.answer_by.map_or(answer_by, |earlier| earlier.min(answer_by)));
    }

    /// The command runs as the same user as its helper and may have stopped it.
    fn wake_a_stopped_helper(&self) {
        if let Some(helper) = self.helper.id().and_then(pid) {
            let _ = kill_process(helper, Signal::CONT);
        }
    }

    async fn listen_until_the_helper_is_gone(&mut self) {
        if let Some(deadline) = self.answer_by {
            if timeout_at(deadline, self.listen()).await.is_ok() {
                return;
            }
            tracing::warn!("a command's helper did not answer a kill, killing the helper");
            let _ = self.helper.start_kill();
        }
        self.listen().await;
    }

    /// Everything read is kept in `self`, so this may be dropped at any time.
    async fn listen(&mut self) {
        while self.said.len() < MAX_REPORT && self.control.readable().await.is_ok() {
            let mut bytes = [0; 256];
            match self.control.try_read(&mut bytes) {
                Ok(0) => return,
                Ok(length) => self.said.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    fn reported(&self) -> Option<CommandEnd> {
        Report::decode_all(&self.said).into_iter().find_map(CommandEnd::from_report)
    }

    async fn kill_what_is_left_of_the_session(&self) -> CommandEnd {
        let started = Report::decode_all(&self.said).into_iter().find_map(|report| match report {
            Report::Started { leader } => pid(leader),
            _ => None,
        });
        let killed = tokio::task::spawn_blocking(move || started.map_or(0, kill_session)).await;
        let survivors = killed.unwrap_or_default();
        tracing::warn!(survivors, "a command's helper was lost");
        CommandEnd::new(Ended::Lost, Left { survivors, out_of_reach: 0 })
    }
}

impl Drop for RunningCommand {
    /// The control socket closes with the fields.
    fn drop(&mut self) {
        self.wake_a_stopped_helper();
    }
}

fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?)
}

/// SIGKILL to the members of a session until no new one is seen; returns how many there were, when they are dead.
fn kill_session(session: Pid) -> u32 {
    let mut killed: Vec<(Pid, OwnedFd)> = Vec::new();
    loop {
        let seen = session_members(session);
        let fresh: Vec<Pid> = seen.into_iter().filter(|pid| killed.iter().all(|(old, _)| old != pid)).collect();
        if fresh.is_empty() {
            break;
        }
        killed.extend(fresh.into_iter().filter_map(|pid| Some((pid, kill_session_member(pid, session)?))));
    }
    for (_, process) in &killed {
        let _ = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&LOST_SESSION_DEADLINE));
    }
    u32::try_from(killed.len()).unwrap_or(u32::MAX)
}

/// Through a pidfd, looked at once more after it is open: the number could be someone else's by now.
fn kill_session_member(pid: Pid, session: Pid) -> Option<OwnedFd> {
    let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    if !is_session_member(pid, session) {
        return None;
    }
    pidfd_send_signal(&process, Signal::KILL).ok()?;
    Some(process)
}
