//! Starts the command's first process, its leader, so that it inherits nothing but what it was given.

use super::super::control::Report;
use super::super::launch::Order;
use super::super::not_started::NotStarted;
use super::super::proc_tree::Walk;
use super::line::EngineLine;
use crate::executor::sandbox::{self, Confined, Errand, Sandbox, Status, Strength, Walls};
use rustix::fd::{AsFd, BorrowedFd, RawFd};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, Signal, getpid, getppid, ioctl_tiocsctty, kill_process_group,
    set_child_subreaper, set_dumpable_behavior, set_parent_process_death_signal, setrlimit, setsid,
};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::{fs, io};

/// Highest signal number of Linux (`SIGRTMAX`).
const LAST_SIGNAL: i32 = 64;

/// `SIGPIPE`, which std ignores for itself and gives back to the processes it starts.
const SIGPIPE: i32 = 13;

/// `SIG_DFL`.
const DEFAULT_DISPOSITION: usize = 0;

/// What the helper started. The pid is its own until it is waited for.
#[derive(Debug)]
pub(super) enum Leader {
    /// The command itself.
    Command(Pid),
    /// PID 1 of a sandbox, with the command below it.
    Init(Confined),
}

impl Leader {
    pub(super) fn pid(&self) -> Pid {
        match self {
            Self::Command(pid) => *pid,
            Self::Init(confined) => confined.init,
        }
    }

    /// Readable when the command in a sandbox is over.
    pub(super) fn said(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Command(_) => None,
            Self::Init(confined) => Some(confined.status.as_fd()),
        }
    }

    /// How the command in a sandbox ended, when PID 1 is dead.
    pub(super) fn last_words(&self) -> Option<Status> {
        match self {
            Self::Command(_) => None,
            Self::Init(confined) => confined.status.read(),
        }
    }

    /// Sends a signal to the command's own group. Before the command has begun there is none: then it is to be sent
    /// again.
    pub(super) fn forward(&self, signal: u8) -> Forwarded {
        let command = match self {
            Self::Command(pid) => Some(*pid),
            Self::Init(confined) => Walk::detect().children(confined.init).into_iter().find(|pid| is_the_second(*pid)),
        };
        let Some(signal) = Signal::from_named_raw(signal.into()) else { return Forwarded::Done };
        match command.map(|command| kill_process_group(command, signal)) {
            Some(Ok(()) | Err(Errno::PERM)) => Forwarded::Done,
            None | Some(Err(_)) => Forwarded::NotYet,
        }
    }
}

/// Whether a signal has reached the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forwarded {
    Done,
    NotYet,
}

/// In its own PID namespace: after PID 1 the command is the first.
fn is_the_second(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    numbers.split_whitespace().next_back() == Some("2")
}

/// The helper has changed by then, so this is good for one start only.
pub(super) fn start(order: &Order, line: &EngineLine) -> Result<Leader, NotStarted> {
    become_a_helper().map_err(|error| NotStarted::other(format!("cannot prepare the command's process: {error}")))?;
    let leader = match &order.sandbox {
        Some(sandbox) if sandbox.strength == Strength::Full => start_confined(order, sandbox, line)?,
        sandbox => Leader::Command(start_directly(order, sandbox.as_ref(), line)?),
    };
    // Should this fail the engine still does not hang: it does not wait for the end of the output.
    let _ = let_go_of_the_output();
    if order.control.is_some() && order.input.is_none() {
        let _ = let_go_of_the_input();
    }
    Ok(leader)
}

fn start_confined(order: &Order, sandbox: &Sandbox, line: &EngineLine) -> Result<Leader, NotStarted> {
    let errand =
        Errand::Run { program: &order.program, arguments: &order.arguments, cwd: &order.cwd, terminal: order.terminal };
    let confined = sandbox::start(sandbox, &errand)?;
    let session = confined.init.as_raw_pid().unsigned_abs();
    line.report(&Report::Started { leader: session });
    Ok(Leader::Init(confined))
}

fn start_directly(order: &Order, sandbox: Option<&Sandbox>, line: &EngineLine) -> Result<Pid, NotStarted> {
    let walls = sandbox.map(sandbox::walls_without_namespaces).transpose()?;
    let nowhere = |error| NotStarted::other(format!("cannot enter {}: {error}", order.cwd.display()));
    enter(&order.cwd).map_err(nowhere)?;
    fork_and_exec(order, walls, line).map_err(|error| NotStarted::of_program(order.program.as_ref(), &error))
}

fn become_a_helper() -> io::Result<()> {
    setsid()?;
    set_child_subreaper(Some(getpid()))?;
    let _ = rustix::thread::set_name(c"llmx-exec");
    write_no_core()?;
    take_back_ignored_signals();
    close_inherited_on_exec()?;
    // The command runs as the same user; without this it could attach to the helper with ptrace.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// One byte is too little for a file, and for the kernel the sign not to start the machine's core handler either, which
/// it does with a limit of 0 (`core(5)`).
fn write_no_core() -> rustix::io::Result<()> {
    let limit = |bytes| setrlimit(Resource::Core, Rlimit { current: Some(bytes), maximum: Some(bytes) });
    limit(1).or_else(|_| limit(0)) // an ordinary user may not raise it
}

/// An ignored signal stays ignored through exec. The command starts with none, and the helper itself depends on
/// SIGCHLD: where that is ignored the kernel throws exit codes away.
fn take_back_ignored_signals() {
    #[expect(unsafe_code, reason = "std has no way to set a signal's disposition")]
    // SAFETY: this is the signature of signal(2) in every libc of Linux; a handler is a pointer-sized integer.
    unsafe extern "C" {
        fn signal(signal: i32, handler: usize) -> usize;
    }
    for number in (1..=LAST_SIGNAL).filter(|&number| number != SIGPIPE) {
        #[expect(unsafe_code, reason = "std has no way to set a signal's disposition")]
        // SAFETY: SIG_DFL installs no code, and no other thread is there to be surprised. Numbers that cannot be
        // changed (SIGKILL, SIGSTOP, libc's own) are answered with an error, which is right to ignore.
        unsafe {
            signal(number, DEFAULT_DISPOSITION)
        };
    }
}

/// Marks instead of closing: std's own pipe for exec errors is made later and must not be hit.
fn close_inherited_on_exec() -> io::Result<()> {
    for entry in fs::read_dir("/proc/self/fd")? {
        let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()) else {
            continue;
        };
        if number > 2 {
            #[expect(unsafe_code, reason = "the number of an inherited descriptor has no owner in Rust")]
            // SAFETY: /proc lists open descriptors, and this single thread closes none while it looks at this one.
            let inherited = unsafe { BorrowedFd::borrow_raw(number) };
            fcntl_setfd(inherited, FdFlags::CLOEXEC)?;
        }
    }
    Ok(())
}

fn enter(cwd: &Path) -> io::Result<()> {
    std::env::set_current_dir(cwd)
}

fn fork_and_exec(order: &Order, mut walls: Option<Walls>, line: &EngineLine) -> io::Result<Pid> {
    let helper = getpid();
    let (socket, terminal) = (line.socket().try_clone_to_owned()?, order.terminal);
    let mut command = Command::new(&order.program);
    command.args(&order.arguments);
    #[expect(unsafe_code, reason = "between fork and exec is the only place to become a session of its own")]
    // SAFETY: the helper is single-threaded, so fork leaves no lock behind in the child, which may even allocate.
    unsafe {
        command.pre_exec(move || {
            become_the_leader(helper, terminal, socket.as_fd())?;
            build(walls.take(), socket.as_fd())
        })
    };
    Ok(Pid::from_child(&command.spawn()?))
}

/// Runs in the child, before the command.
fn become_the_leader(helper: Pid, terminal: bool, socket: BorrowedFd<'_>) -> io::Result<()> {
    let leader = setsid()?;
    if terminal {
        ioctl_tiocsctty(rustix::stdio::stdin())?;
    }
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(helper) {
        return Err(Errno::SRCH.into()); // the helper died before the death signal was in place
    }
    // The engine needs this number should the command kill its helper, so it is told before the command exists.
    rustix::io::write(socket, &Report::encode_started(leader.as_raw_pid().unsigned_abs()))?;
    Ok(())
}

/// Runs in the child as well. std tells the helper no more than a number, so the engine hears the step from here.
fn build(walls: Option<Walls>, socket: BorrowedFd<'_>) -> io::Result<()> {
    walls.map_or(Ok(()), Walls::build).map_err(|failure| {
        let _ = rustix::io::write(socket, &Report::Failed(failure).encode());
        Errno::PERM.into()
    })
}

/// From here on the pipes belong to the tree: they end when it does.
fn let_go_of_the_output() -> io::Result<()> {
    let null = fs::OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

/// And so whoever writes to the command notices when nobody of the tree reads.
fn let_go_of_the_input() -> io::Result<()> {
    Ok(rustix::stdio::dup2_stdin(fs::File::open("/dev/null")?)?)
}
