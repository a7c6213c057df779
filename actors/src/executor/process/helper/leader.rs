//! Starts the command's first process, its leader, so that it inherits nothing but what it was given.

use super::super::control::Report;
use super::super::launch::Order;
use super::line::EngineLine;
use rustix::fd::{AsFd, BorrowedFd, RawFd};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, Signal, getpid, getppid, set_child_subreaper, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit, setsid,
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

/// Returns the leader's pid, its own until it is waited for. The error is the sentence for the user. The helper has
/// changed by then, so this is good for one start only.
pub(super) fn start(order: &Order, line: &EngineLine) -> Result<Pid, String> {
    become_a_helper().map_err(|error| format!("cannot prepare the command's process: {error}"))?;
    enter(&order.cwd).map_err(|error| format!("cannot enter {}: {error}", order.cwd.display()))?;
    let leader =
        fork_and_exec(order, line).map_err(|error| format!("cannot run {}: {error}", order.program.display()))?;
    // Should this fail the engine still does not hang: it does not wait for the end of the output.
    let _ = let_go_of_the_output();
    Ok(leader)
}

fn become_a_helper() -> io::Result<()> {
    setsid()?;
    set_child_subreaper(Some(getpid()))?;
    let _ = rustix::thread::set_name(c"llmx-exec");
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    take_back_ignored_signals();
    close_inherited_on_exec()?;
    // The command runs as the same user; without this it could attach to the helper with ptrace.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
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

fn fork_and_exec(order: &Order, line: &EngineLine) -> io::Result<Pid> {
    let helper = getpid();
    let socket = line.socket().try_clone_to_owned()?;
    let mut command = Command::new(&order.program);
    command.args(&order.arguments);
    #[expect(unsafe_code, reason = "between fork and exec is the only place to become a session of its own")]
    // SAFETY: the closure only makes system calls through rustix and allocates nothing, and its errors are plain
    // error numbers; the helper is single-threaded besides, so fork leaves no lock behind in the child.
    unsafe {
        command.pre_exec(move || become_the_leader(helper, socket.as_fd()))
    };
    Ok(Pid::from_child(&command.spawn()?))
}

/// Runs in the child, before the command: no allocation, no panic.
fn become_the_leader(helper: Pid, socket: BorrowedFd<'_>) -> io::Result<()> {
    let leader = setsid()?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(helper) {
        return Err(rustix::io::Errno::SRCH.into()); // the helper died before the death signal was in place
    }
    // The engine needs this number should the command kill its helper, so it is told before the command exists.
    rustix::io::write(socket, &Report::encode_started(leader.as_raw_pid().unsigned_abs()))?;
    Ok(())
}

/// From here on the pipes belong to the tree: they end when it does.
fn let_go_of_the_output() -> io::Result<()> {
    let null = fs::OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}
