//! Who descends from whom, read from `/proc` (`proc(5)`).

use rustix::process::Pid;
use std::collections::{HashMap, VecDeque};
use std::fs;
use std::path::Path;

/// One walk ends after so many processes, also when they fork faster than it walks.
const MOST_VISITED: usize = 1 << 16;

/// How descendants are found. Both see the same tree; the first costs as much as the tree is large, the second as
/// much as the machine is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walk {
    /// `/proc/PID/task/TID/children`, a kernel built with `CONFIG_PROC_CHILDREN`.
    ChildrenFiles,
    /// The parent field of every `/proc/PID/stat`.
    StatFiles,
}

impl Walk {
    /// The cheapest that this kernel has.
    pub(super) fn detect() -> Self {
        if Path::new("/proc/thread-self/children").exists() { Self::ChildrenFiles } else { Self::StatFiles }
    }

    /// The children of one process, dead ones that nobody waited for included.
    pub(super) fn children(self, parent: Pid) -> Vec<Pid> {
        match self {
            Self::ChildrenFiles => children_in_files(parent),
            Self::StatFiles => families().remove(&parent).unwrap_or_default(),
        }
    }

    /// Shows `visit` everything below `root`, without `root`, each process before its children are looked up. It is a
    /// walk over something that moves: whoever needs all of it walks again until nothing is left.
    pub(super) fn visit_descendants(self, root: Pid, visit: impl FnMut(Pid)) {
        match self {
            Self::ChildrenFiles => breadth_first(root, children_in_files, visit),
            Self::StatFiles => {
                let mut families = families();
                breadth_first(root, |parent| families.remove(&parent).unwrap_or_default(), visit);
            }
        }
    }

    /// What [`visit_descendants`](Self::visit_descendants) sees.
    pub(super) fn descendants(self, root: Pid) -> Vec<Pid> {
        let mut found = Vec::new();
        self.visit_descendants(root, |pid| found.push(pid));
        found
    }
}

fn breadth_first(root: Pid, mut children: impl FnMut(Pid) -> Vec<Pid>, mut visit: impl FnMut(Pid)) {
    let mut waiting = VecDeque::from(children(root));
    for _ in 0..MOST_VISITED {
        let Some(pid) = waiting.pop_front() else {
            return;
        };
        visit(pid);
        waiting.extend(children(pid));
    }
}

fn children_in_files(parent: Pid) -> Vec<Pid> {
    let Ok(threads) = fs::read_dir(format!("/proc/{parent}/task")) else {
        return Vec::new();
    };
    let lists = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_ascii_whitespace().filter_map(parse_pid).collect::<Vec<_>>()).collect()
}

fn families() -> HashMap<Pid, Vec<Pid>> {
    let mut families: HashMap<Pid, Vec<Pid>> = HashMap::new();
    for (pid, stat) in all_stats() {
        if let Some(parent) = stat.parent {
            families.entry(parent).or_default().push(pid);
        }
    }
    families
}

/// The live members of a session, that is every process below the one that started it which did not call `setsid`.
pub(super) fn session_members(session: Pid) -> Vec<Pid> {
    let members = all_stats().filter(|(_, stat)| stat.session == Some(session) && !stat.is_dead());
    members.map(|(pid, _)| pid).collect()
}

/// Whether `pid` still is a live member of `session`.
pub(super) fn is_session_member(pid: Pid, session: Pid) -> bool {
    read_stat(pid).is_some_and(|stat| stat.session == Some(session) && !stat.is_dead())
}

fn all_stats() -> impl Iterator<Item = (Pid, Stat)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| parse_pid(entry.file_name().to_str()?));
    pids.filter_map(|pid| Some((pid, read_stat(pid)?)))
}

fn read_stat(pid: Pid) -> Option<Stat> {
    Stat::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_pid(text: &str) -> Option<Pid> {
    Pid::from_raw(i32::try_from(text.parse::<u32>().ok()?).ok()?)
}

/// The fields of `/proc/PID/stat` that kinship needs; a parent or session of 0 (the kernel's) is none.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: u8,
    parent: Option<Pid>,
    session: Option<Pid>,
}

impl Stat {
    /// The name is the process's own choice and may hold blanks and parentheses, so fields count from the last `)`.
    fn parse(line: &[u8]) -> Option<Self> {
        let end_of_name = line.iter().rposition(|&byte| byte == b')')?;
        let rest = std::str::from_utf8(line.get(end_of_name + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let parent = parse_pid(fields.next()?);
        let session = parse_pid(fields.nth(1)?);
        Some(Self { state, parent, session })
    }

    fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn check(line: &[u8], expected: Option<(u8, Option<i32>, Option<i32>)>) {
        let read = Stat::parse(line).map(|stat| {
            let raw = |pid: Option<Pid>| pid.map(Pid::as_raw_pid);
            (stat.state, raw(stat.parent), raw(stat.session))
        });
        assert_eq!(read, expected, "{}", String::from_utf8_lossy(line));
    }

    #[test]
    fn a_stat_line_is_read_behind_any_name() {
        check(b"12 (sleep) S 7 12 9 34816 12 4194304", Some((b'S', Some(7), Some(9))));
        check(b"12 (a b) Z 1 2 3", Some((b'Z', Some(1), Some(3))));
        check(b"12 () R 1 2 3) R 7 8 9", Some((b'R', Some(7), Some(9))));
        check(b"12 (\xff\n) T 7 8 9\n", Some((b'T', Some(7), Some(9))));
        check(b"1 (init) S 0 0 0", Some((b'S', None, None)));
        check(b"12 (sleep) S 7", None);
        check(b"12 sleep S 7 8 9", None);
        check(b"", None);
    }

    #[test]
    fn both_walks_see_the_same_tree() {
        let mut shell = std::process::Command::new("sh")
            .args(["-c", "(sleep 1000 & sleep 1000 & echo; wait) & wait"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = [0];
        std::io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut line).unwrap();
        let root = Pid::from_child(&shell);
        let by_children = Walk::ChildrenFiles.descendants(root);
        let by_stat = Walk::StatFiles.descendants(root);
        for &pid in &by_children {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
        shell.kill().unwrap();
        shell.wait().unwrap();

        assert_eq!(by_children.len(), 3);
        assert_eq!(by_children[0], by_stat[0]);
        assert_eq!(HashSet::<Pid>::from_iter(by_children), HashSet::from_iter(by_stat));
    }
}
