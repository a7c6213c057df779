//! A process in namespaces of its own.

use super::step::Step;
use crate::executor::process::NotStarted;
use rustix::process::{
    DumpableBehavior, Gid, Pid, Signal, Uid, getegid, geteuid, set_dumpable_behavior, set_parent_process_death_signal,
    setsid,
};
use std::{fs, io};

/// What root is within: `nobody`. A command that is not root to itself does not try what only root can do.
const NOBODY: u32 = 65534;

/// For `/proc/self/oom_score_adj`, of at most 1000.
const FIRST_TO_GO: &str = "500";

/// Which process returns from [`clone_into_new`].
pub(super) enum Side {
    /// The helper, outside; the pid is its child's.
    Helper(Pid),
    /// PID 1 of the new namespaces.
    Init,
}

/// Who the child is to the system outside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    uid: Uid,
    gid: Gid,
}

impl Identity {
    pub(super) fn of_this_process() -> Self {
        Self { uid: geteuid(), gid: getegid() }
    }
}

/// Forks a child into new user, mount, pid, ipc and uts namespaces, and into an empty network without `network`.
/// One step instead of unshare and fork: the helper stays outside, where it can see and clean up everything.
pub(super) fn clone_into_new(network: bool) -> Result<Side, NotStarted> {
    let isolated =
        libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    let flags = isolated | if network { 0 } else { libc::CLONE_NEWNET } | libc::SIGCHLD;
    #[expect(unsafe_code, reason = "rustix has no fork")]
    // SAFETY: without CLONE_VM and a stack this is fork(2). The helper has one thread, so the child finds no lock that
    // a thread left behind.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::c_long::from(flags), 0, 0, 0, 0) };
    match pid {
        ..0 => Err(io::Error::last_os_error()).step("create namespaces"),
        0 => Ok(Side::Init),
        _ => Pid::from_raw(pid as i32).map(Side::Helper).ok_or(io::ErrorKind::Other).step("create namespaces"),
    }
}

/// Runs in the child: a session of its own that dies with the helper.
pub(super) fn settle_in(outside: Identity) -> Result<(), NotStarted> {
    setsid().step("begin a session")?;
    set_parent_process_death_signal(Some(Signal::KILL)).step("ask for the death signal")?;
    let _ = rustix::thread::set_name(c"llmx-init");
    // The files of /proc/self belong to root while a process is not dumpable.
    set_dumpable_behavior(DumpableBehavior::Dumpable).step("become dumpable")?;
    // Should memory run out, the command goes and not the engine.
    write("oom_score_adj", FIRST_TO_GO)?;
    map(outside)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).step("become undumpable")
}

fn map(Identity { uid, gid }: Identity) -> Result<(), NotStarted> {
    let within = |id: u32| if id == 0 { NOBODY } else { id };
    let (uid, gid) = (uid.as_raw(), gid.as_raw());
    write("uid_map", &format!("{} {uid} 1", within(uid)))?;
    write("setgroups", "deny")?;
    write("gid_map", &format!("{} {gid} 1", within(gid)))
}

fn write(file: &str, text: &str) -> Result<(), NotStarted> {
    fs::write(format!("/proc/self/{file}"), text).step(format!("write /proc/self/{file}"))
}
