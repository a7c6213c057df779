//! The processes below the helper, and how they end.
//!
//! Why killing terminates and is complete: orphans of the tree become children of the helper, so the tree is gone
//! exactly when the helper has no children. Each round signals everything it can see, then sleeps until a child is
//! dead. A process that a round missed was forked by one that the round hit; that one dies, and either it is a child
//! of the helper or its parent was hit as well, and so on up. So some child's death always wakes the helper, and the
//! next round sees what was missed.

use super::super::control::Left;
use super::super::proc_tree::Walk;
use super::line::{EngineLine, Wake};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, getpgid, getpid, kill_process, kill_process_group, pidfd_open,
    wait,
};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// Most children watched at a time while they are asked to end; the others are noticed when one of these is dead.
const MOST_WATCHED: usize = 256;

/// How often daemons are looked for to be asked. One walk misses those whose parents die during it; those that still
/// appear after so many do not mean to end.
const MOST_WALKS: usize = 4;

/// How the leader ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaderEnd {
    Exited(i32),
    Signalled(i32),
    /// It became another user, and could not be killed.
    OutOfReach,
}

/// Whether anybody is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaped {
    Everybody,
    NotYet,
}

/// Whether all that was seen may be signalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    All,
    NotAll,
}

/// The leader and everything it started.
#[derive(Debug)]
pub(super) struct Tree {
    helper: Pid,
    leader: Pid,
    leader_end: Option<LeaderEnd>,
    walk: Walk,
    /// SIGKILL has been used: deaths by it are counted from here on.
    killing: bool,
    left: Left,
}

impl Tree {
    pub(super) fn of(leader: Pid) -> Self {
        Self { helper: getpid(), leader, leader_end: None, walk: Walk::detect(), killing: false, left: Left::default() }
    }

    /// Waits for everything that is dead already.
    pub(super) fn reap(&mut self) -> Reaped {
        loop {
            match retry_on_intr(|| wait(WaitOptions::NOHANG)) {
                Ok(Some((pid, status))) => self.note(pid, status),
                Ok(None) => return Reaped::NotYet,
                Err(_) => return Reaped::Everybody,
            }
        }
    }

    fn reap_the_next(&mut self) {
        if let Ok(Some((pid, status))) = retry_on_intr(|| wait(WaitOptions::empty())) {
            self.note(pid, status);
        }
    }

    fn note(&mut self, pid: Pid, status: WaitStatus) {
        let signal = status.terminating_signal();
        let is_leader = pid == self.leader && self.leader_end.is_none(); // its number may be used again later
        if is_leader {
            let code = status.exit_status().unwrap_or_default();
            self.leader_end = Some(signal.map_or(LeaderEnd::Exited(code), LeaderEnd::Signalled));
        } else if self.killing && signal == Some(Signal::KILL.as_raw()) {
            self.left.survivors += 1;
        }
    }

    /// SIGTERM to everything, then up to `grace` for it to end. Returns early when nothing is left, or when the
    /// engine loses its patience.
    pub(super) fn terminate(&mut self, grace: Duration, line: &mut EngineLine) {
        let deadline = Instant::now() + grace;
        self.ask_to_end();
        self.wait_until_nothing_is_left(deadline, line);
    }

    fn wait_until_nothing_is_left(&mut self, deadline: Instant, line: &mut EngineLine) {
        while self.reap() == Reaped::NotYet {
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() || self.wait_for_a_child(line, rest) == Wake::Kill {
                return;
            }
        }
    }

    /// The same for a command in its own PID namespace, where PID 1 passes the SIGTERM on to everybody at once: a storm
    /// of forks has no walk to outrun. A command that has not begun is not asked.
    pub(super) fn terminate_namespace(&mut self, grace: Duration, line: &mut EngineLine) {
        if self.walk.children(self.leader).is_empty() {
            return;
        }
        let _ = kill_process(self.leader, Signal::TERM);
        self.wait_until_nothing_is_left(Instant::now() + grace, line);
    }

    /// Once to each process: a second SIGTERM means "at once" to many programs. SIGCONT after it lets a stopped
    /// process hear it. The group comes first: whoever leaves it at this moment is found outside.
    fn ask_to_end(&self) {
        self.signal_leaders_group(Signal::TERM);
        self.signal_leaders_group(Signal::CONT);
        let mut asked = HashSet::new();
        for _ in 0..MOST_WALKS {
            let seen: HashSet<Pid> = self.walk.descendants(self.helper).into_iter().collect();
            // Whose parent dies during the walk moves up to the helper, from where it was looked for to where it was not.
            let has_seen_all = self.walk.children(self.helper).iter().all(|child| seen.contains(child));
            let outside = seen.into_iter().filter(|&pid| getpgid(Some(pid)) != Ok(self.leader));
            let missed: Vec<Pid> = outside.filter(|&pid| asked.insert(pid)).collect();
            if missed.is_empty() && has_seen_all {
                return;
            }
            for pid in missed {
                let _ = kill_process(pid, Signal::TERM);
                let _ = kill_process(pid, Signal::CONT);
            }
        }
    }

    /// All members at once, also one that is being forked at this moment. The number is the group's for certain only
    /// until the leader has been waited for.
    fn signal_leaders_group(&self, signal: Signal) {
        if self.leader_end.is_none() {
            let _ = kill_process_group(self.leader, signal);
        }
    }

    fn wait_for_a_child(&self, line: &mut EngineLine, timeout: Duration) -> Wake {
        let children = self.walk.children(self.helper);
        let open = |&pid: &Pid| pidfd_open(pid, PidfdFlags::empty()).ok();
        let handles: Vec<OwnedFd> = children.iter().take(MOST_WATCHED).filter_map(open).collect();
        line.wait(&handles.iter().map(AsFd::as_fd).collect::<Vec<_>>(), Some(timeout))
    }

    /// SIGKILL to PID 1 of the command's own PID namespace: the kernel ends everybody in it before it lets go of PID 1.
    pub(super) fn kill_namespace(mut self) -> (LeaderEnd, Left) {
        let _ = kill_process(self.leader, Signal::KILL);
        while self.reap() == Reaped::NotYet {
            self.reap_the_next();
        }
        (self.leader_end.unwrap_or(LeaderEnd::OutOfReach), self.left)
    }

    /// SIGKILL to everything, until the kernel says that nothing is left.
    pub(super) fn kill(mut self) -> (LeaderEnd, Left) {
        self.killing = true;
        self.signal_leaders_group(Signal::KILL);
        while self.reap() == Reaped::NotYet {
            if self.kill_what_is_seen() == Reach::NotAll && self.nobody_in_reach_is_left() {
                break;
            }
            self.reap_the_next();
        }
        (self.leader_end.unwrap_or(LeaderEnd::OutOfReach), self.left)
    }

    /// By process and by group: a group is hit as a whole, which a storm of forks does not outrun. A group of the
    /// tree has members of the tree only, because the leader began a session and groups do not span sessions.
    fn kill_what_is_seen(&self) -> Reach {
        let mut groups = HashSet::new();
        let mut reach = Reach::All;
        self.walk.visit_descendants(self.helper, |pid| {
            if let Ok(group) = getpgid(Some(pid))
                && group != self.helper
                && groups.insert(group)
            {
                let _ = kill_process_group(group, Signal::KILL);
            }
            if kill_process(pid, Signal::KILL) == Err(Errno::PERM) {
                reach = Reach::NotAll;
            }
        });
        reach
    }

    /// `sudo` and the like: what may not be killed is not waited for, the engine is told of it instead. Only deaths of
    /// children wake the helper, so children decide.
    fn nobody_in_reach_is_left(&mut self) -> bool {
        let children = self.walk.children(self.helper);
        let may_not_kill = |&pid: &Pid| kill_process(pid, Signal::KILL) == Err(Errno::PERM);
        if !children.iter().all(may_not_kill) {
            return false;
        }
        self.left.out_of_reach = u32::try_from(children.len()).unwrap_or(u32::MAX);
        true
    }
}
