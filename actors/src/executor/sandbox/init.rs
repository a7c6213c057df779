//! PID 1 of the sandbox: it builds the walls, starts the command and waits for whatever becomes an orphan.
//!
//! It says once how the command ended and stays until nothing is left, or until the helper kills it: with PID 1 the
//! kernel kills every process of the namespace, however many there are and wherever they hide.

use super::description::Strength;
use super::masks;
use super::mounts::{self, MOST_PROCESSES, SHARED_MEMORY, SharedMemory};
use super::namespaces::{self, Identity};
use super::plan::Plan;
use super::standard_files::StandardFiles;
use super::status::{Status, StatusWriter};
use super::step::{Step, refused};
use super::syscalls::Limits;
use super::walls::Walls;
use super::{Errand, Sandbox};
use crate::executor::process::NotStarted;
use llmx_protocol::wire::policy::SandboxPolicy;
use rustix::io::retry_on_intr;
use rustix::process::{
    Pid, Resource, Rlimit, WaitOptions, WaitStatus, getrlimit, ioctl_tiocsctty, setrlimit, setsid, wait,
};
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Everything PID 1 needs to know.
pub(super) struct Orders<'o> {
    pub(super) sandbox: &'o Sandbox,
    pub(super) plan: &'o Plan,
    pub(super) errand: &'o Errand<'o>,
    pub(super) outside: Identity,
}

/// The life of PID 1. It never returns into the code of the helper that it is a copy of.
pub(super) fn run(orders: &Orders<'_>, status: &StatusWriter) -> ! {
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| live(orders, status)));
    if let Ok(Err(failure)) = &lived {
        status.write(&Status::Failed(failure.clone()));
    }
    #[expect(unsafe_code, reason = "std's exit would run what belongs to the helper")]
    // SAFETY: _exit ends the process and does nothing else.
    unsafe {
        libc::_exit(i32::from(!matches!(lived, Ok(Ok(())))))
    }
}

fn live(orders: &Orders<'_>, status: &StatusWriter) -> Result<(), NotStarted> {
    status.keep_only_this().step("close inherited files")?;
    namespaces::settle_in(orders.outside)?;
    pass_sigterm_on();
    limit_processes().step("limit the number of processes")?;
    if status.nobody_listens() {
        return Err(refused("the helper died")); // before the death signal was in place
    }
    let files = confine(orders.sandbox, orders.plan)?;
    match orders.errand {
        Errand::Try => {
            status.write(&Status::Exited(0));
            Ok(())
        }
        Errand::Run { program, arguments, cwd, terminal } => {
            std::env::set_current_dir(cwd)
                .map_err(|error| NotStarted::other(format!("cannot enter {}: {error}", cwd.display())))?;
            let leader = spawn(program.as_ref(), arguments, *terminal)?;
            let_go_of_the_output().step("let go of the output")?;
            reap_until_nothing_is_left(leader, &files, status);
            Ok(())
        }
    }
}

/// The helper's SIGTERM is for everybody here. A command may send it too: it could signal everybody by itself.
fn pass_sigterm_on() {
    extern "C" fn to_everybody_else(_: libc::c_int) {
        #[expect(unsafe_code, reason = "a signal handler may make system calls and nothing else")]
        // SAFETY: all of these are safe in a handler. From PID 1 kill(2) spares PID 1. SIGCONT lets the stopped ones
        // hear. Another process with this handler is the command just before its exec: to it SIGTERM is its end.
        unsafe {
            if libc::getpid() == 1 {
                libc::kill(-1, libc::SIGTERM);
                libc::kill(-1, libc::SIGCONT);
            } else {
                libc::signal(libc::SIGTERM, libc::SIG_DFL);
                libc::raise(libc::SIGTERM);
            }
        }
    }
    #[expect(unsafe_code, reason = "std has no way to handle a signal")]
    // SAFETY: the handler touches no memory, and exec takes it away from the command.
    unsafe {
        libc::signal(libc::SIGTERM, to_everybody_else as *const () as libc::sighandler_t)
    };
}

/// Counted within the sandbox's own user namespace, so what else the user runs does not matter. It does not bind root;
/// the PID namespace's own limit does.
fn limit_processes() -> rustix::io::Result<()> {
    let inherited = getrlimit(Resource::Nproc);
    let at_most = |limit: Option<u64>| Some(limit.map_or(MOST_PROCESSES, |limit| limit.min(MOST_PROCESSES)));
    setrlimit(Resource::Nproc, Rlimit { current: at_most(inherited.current), maximum: at_most(inherited.maximum) })
}

fn confine(sandbox: &Sandbox, plan: &Plan) -> Result<StandardFiles, NotStarted> {
    let writes = matches!(sandbox.policy, SandboxPolicy::WorkspaceWrite { .. });
    let shared_memory = if writes { SharedMemory::Writable } else { SharedMemory::ReadOnly };
    let network = sandbox.has_network();
    mounts::arrange(plan, shared_memory)?;
    masks::lay(plan)?;
    let files = StandardFiles::reopen()?;
    let mut writable: Vec<PathBuf> = plan.roots().map(Path::to_owned).collect();
    if writes {
        writable.push(SHARED_MEMORY.into());
    }
    Walls::prepare(&writable, Strength::Full, Limits { network, unix_sockets: true, fixed_metadata: false })?
        .build()?;
    Ok(files)
}

fn spawn(program: &Path, arguments: &[std::ffi::OsString], terminal: bool) -> Result<Pid, NotStarted> {
    let mut command = Command::new(program);
    command.args(arguments);
    #[expect(unsafe_code, reason = "between fork and exec is the only place to become a session of its own")]
    // SAFETY: the closure makes two system calls through rustix and allocates nothing; this process has one thread.
    unsafe {
        command.pre_exec(move || {
            setsid()?;
            Ok(if terminal { ioctl_tiocsctty(rustix::stdio::stdin()) } else { Ok(()) }?)
        })
    };
    let child = command.spawn().map_err(|error| NotStarted::of_program(program, &error))?;
    Ok(Pid::from_child(&child))
}

/// The pipes end with the command, not with PID 1.
fn let_go_of_the_output() -> std::io::Result<()> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(rustix::stdio::dup2_stderr(&null)?)
}

fn reap_until_nothing_is_left(leader: Pid, files: &StandardFiles, status: &StatusWriter) {
    loop {
        match retry_on_intr(|| wait(WaitOptions::empty())) {
            Ok(Some((pid, end))) if pid == leader => {
                files.hand_back_positions();
                status.write(&how(end));
            }
            Ok(_) => {}
            Err(_) => return, // ECHILD
        }
    }
}

fn how(end: WaitStatus) -> Status {
    end.terminating_signal().map_or_else(|| Status::Exited(end.exit_status().unwrap_or_default()), Status::Signalled)
}
