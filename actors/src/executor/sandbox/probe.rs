//! What this machine can do, found out by doing it.

use super::{Errand, Sandbox, Status, Strength, start, walls_without_namespaces};
use crate::executor::process::{HELPER_NAME, HelperPath};
use llmx_protocol::machine::settings::{Confining, Enforcement};
use llmx_protocol::wire::policy::SandboxPolicy;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdout, Command, ExitCode, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const PROBE: &str = "--probe-sandbox";
const FULL: &str = "full";
const DEGRADED: &str = "degraded: ";
const NONE: &str = "none: ";
/// How long the helper may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// In bytes.
const LONGEST_ANSWER: usize = 4096;

/// Finds out once, when somebody first asks: the first session that is configured, not the start of the engine.
#[derive(Debug)]
pub struct Probe {
    helper: HelperPath,
    /// Whether the user lets `workspace-write` run without namespaces.
    degraded_writes: bool,
    found: OnceLock<Enforcement>,
}

impl Probe {
    /// By a helper process. `degraded_writes`: the user's word in `config.toml` for this very thing.
    #[must_use]
    pub fn new(helper: HelperPath, degraded_writes: bool) -> Self {
        Self { helper, degraded_writes, found: OnceLock::new() }
    }
}

impl Confining for Probe {
    /// Takes some milliseconds the first time.
    fn enforcement(&self) -> Enforcement {
        self.found.get_or_init(|| enforcement(&self.helper, self.degraded_writes)).clone()
    }
}

/// Builds every wall once in a process of its own and says how far that got.
#[must_use]
pub fn enforcement(helper: &HelperPath, degraded_writes: bool) -> Enforcement {
    if std::env::args_os().next().is_some_and(|name| name == HELPER_NAME) {
        // This is a helper that runs the program itself; another one would do the same, and so on without end.
        return Enforcement::None("this program does not call run_if_helper first thing in main".to_owned());
    }
    match ask(helper) {
        Ok(answer) => read(&answer, degraded_writes),
        Err(error) => Enforcement::None(format!("cannot ask a helper: {error}")),
    }
}

/// What the helper prints. A program that forgot [`run_if_helper`](crate::executor::process::run_if_helper) may print
/// or wait for anything.
fn ask(helper: &HelperPath) -> std::io::Result<String> {
    let mut command = Command::new(helper.as_path());
    command.arg0(HELPER_NAME).arg(PROBE).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut probe = command.spawn()?;
    let answer = probe.stdout.take().map(answer_in_time);
    let _ = probe.kill();
    probe.wait()?;
    answer.unwrap_or_else(|| Ok(String::new()))
}

fn answer_in_time(mut from: ChildStdout) -> std::io::Result<String> {
    let until = Instant::now() + PATIENCE;
    let mut answer = Vec::new();
    let mut chunk = [0; LONGEST_ANSWER];
    while answer.len() < LONGEST_ANSWER {
        let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).ok();
        if poll(&mut [PollFd::new(&from, PollFlags::IN)], left.as_ref())? == 0 {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        match from.read(&mut chunk)? {
            0 => break,
            length => answer.extend_from_slice(&chunk[..length]),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn read(answer: &str, degraded_writes: bool) -> Enforcement {
    let why = |prefix| answer.strip_prefix(prefix).map(str::to_owned);
    match (answer, why(DEGRADED), why(NONE)) {
        (FULL, ..) => Enforcement::Full,
        (_, Some(why), _) => Enforcement::Degraded { why, writes: degraded_writes },
        (.., Some(why)) => Enforcement::None(why),
        _ => Enforcement::None("the helper did not answer".to_owned()),
    }
}

/// Whether this is what [`enforcement`] asks of a helper.
pub(crate) fn is_probe(argument: &OsStr) -> bool {
    argument == PROBE
}

/// The helper's side.
pub(crate) fn run_probe() -> ExitCode {
    let answer = match with_namespaces() {
        Ok(()) => FULL.to_owned(),
        Err(why) => match without_namespaces() {
            Ok(()) => format!("{DEGRADED}{why}"),
            Err(worse) => format!("{NONE}{why}; {worse}"),
        },
    };
    ExitCode::from(u8::from(std::io::stdout().write_all(answer.as_bytes()).is_err()))
}

fn with_namespaces() -> Result<(), String> {
    let confined = start(&sandbox(Strength::Full), &Errand::Try).map_err(|failure| failure.to_string())?;
    match confined.status.read() {
        Some(Status::Exited(0)) => Ok(()),
        Some(Status::Failed(why)) => Err(why.text),
        other => Err(format!("PID 1 of the sandbox ended with {other:?}")),
    }
}

fn without_namespaces() -> Result<(), String> {
    let walls = walls_without_namespaces(&sandbox(Strength::WithoutNamespaces));
    walls.and_then(super::Walls::build).map_err(|failure| failure.to_string())
}

fn sandbox(strength: Strength) -> Sandbox {
    Sandbox {
        policy: SandboxPolicy::ReadOnly,
        session_cwd: "/".into(),
        llmx_home: None,
        user_home: None,
        spare_placeholders: None,
        tmpdir: None,
        strength,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_that_says_nothing_in_time_or_something_else_confines_nothing() {
        for (program, expected) in [
            ("/bin/true", "the helper did not answer"),
            ("/bin/echo", "the helper did not answer"),
            ("/nowhere", "cannot ask"),
        ] {
            let found = enforcement(&HelperPath::at(program), true);
            assert!(matches!(&found, Enforcement::None(why) if why.starts_with(expected)), "{program}: {found:?}");
        }
    }

    #[test]
    fn anything_but_a_clear_yes_is_a_no() {
        let none = |why: &str| Enforcement::None(why.into());
        let cases = [
            ("full", Enforcement::Full),
            ("degraded: no userns", Enforcement::Degraded { why: "no userns".into(), writes: false }),
            ("none: old", none("old")),
            ("", none("the helper did not answer")),
            ("fullest", none("the helper did not answer")),
        ];
        for (answer, expected) in cases {
            assert_eq!(read(answer, false), expected, "{answer}");
        }
    }
}
