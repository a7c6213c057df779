//! The processes of this machine, as `/proc` shows them. Everything that llmx starts inherits the mark that its world
//! has in the environment, daemons included; so nothing hides.

use super::{GLANCE, PATIENCE};
use std::{fs, time::Instant};
use tokio::time::sleep;

/// The variable that marks a world's processes.
pub const MARK: &str = "LLMX_TEST_WORLD";

/// A process that lives. Zombies do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// R, S, D, T, …
    pub state: char,
    /// Its words, with blanks between.
    pub command: String,
}

/// A process's memory, in kB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Resident now.
    pub now: u64,
    /// The most that ever was.
    pub peak: u64,
}

/// Every living process with this mark in its environment.
///
/// # Panics
/// If there is no `/proc`.
#[must_use]
pub fn marked(mark: &str) -> Vec<Process> {
    let entry = format!("{MARK}={mark}");
    let has_mark = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == entry.as_bytes())
    };
    pids().filter(has_mark).filter_map(process).collect()
}

/// Every living process with this text in its words.
///
/// # Panics
/// If there is no `/proc`.
#[must_use]
pub fn named(text: &str) -> Vec<Process> {
    pids().filter_map(process).filter(|p| p.command.contains(text)).collect()
}

/// Whether a process descends from another one.
#[must_use]
pub fn is_below(pid: i32, ancestor: i32) -> bool {
    let parent = |pid: i32| -> Option<i32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
    };
    std::iter::successors(Some(pid), |pid| parent(*pid).filter(|parent| *parent > 0)).any(|pid| pid == ancestor)
}

/// Waits until `look` finds no process, as it must where nobody tells when the last one has gone.
///
/// # Panics
/// If some stay.
pub async fn none_left(look: impl Fn() -> Vec<Process>) {
    let left = wait_for(&look, Vec::is_empty).await;
    assert!(left.is_empty(), "still there: {left:#?}");
}

/// Waits until `look` finds a process in this state, or any if it is blank, and gives it back.
///
/// # Panics
/// If none comes.
pub async fn one_appears(look: impl Fn() -> Vec<Process>, state: char) -> Process {
    let is_it = |p: &Process| state == ' ' || p.state == state;
    let found = wait_for(&look, |found| found.iter().any(is_it)).await;
    found.iter().find(|p| is_it(p)).unwrap_or_else(|| panic!("no process in state {state:?}: {found:#?}")).clone()
}

async fn wait_for(look: &impl Fn() -> Vec<Process>, enough: impl Fn(&Vec<Process>) -> bool) -> Vec<Process> {
    let start = Instant::now();
    loop {
        let found = look();
        if enough(&found) || start.elapsed() > PATIENCE {
            return found;
        }
        sleep(GLANCE).await;
    }
}

/// What a living process uses.
///
/// # Panics
/// If it does not live.
#[must_use]
pub fn memory(pid: i32) -> Memory {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let kb = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a living process has memory");
        line.trim_start_matches(':').trim_end_matches("kB").trim().parse().expect("a number of kB")
    };
    Memory { now: kb("VmRSS"), peak: kb("VmHWM") }
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").expect("there is a /proc");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn process(pid: i32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may itself hold anything.
    let state = stat.rsplit_once(')')?.1.trim_start().chars().next()?;
    let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&words).replace('\0', " ");
    (!matches!(state, 'Z' | 'X')).then_some(Process { pid, state, command })
}
