//! Commands with a mark in their environment, so that every process they start can be found in `/proc`.

use llmx_actors::executor::process::{CommandEnd, Drained, HelperPath, Launch, OutputStream, run, spawn};
use std::cell::RefCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs};
use tokio::sync::Notify;

/// Set for a test that runs in a process of its own, see [`alone`].
const ALONE: &str = "LLMX_TEST_ALONE";
const HELPER: &str = "LLMX_TEST_HELPER";
const MARK: &str = "LLMX_TEST_MARK";

/// How long a condition may take to come true on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The `llmx` program, whose `main` calls `run_if_helper`.
pub(crate) fn helper() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| env::var_os(HELPER).map_or_else(build_llmx, PathBuf::from))
}

fn build_llmx() -> PathBuf {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "llmx", "--bin", "llmx"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    // What cargo tells this test of its package would make build scripts run anew.
    let is_told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    let told = env::vars_os().map(|(name, _)| name).filter(|name| name.to_str().is_some_and(is_told));
    for name in told {
        cargo.env_remove(name);
    }
    assert!(cargo.status().unwrap().success(), "llmx does not build");
    let test_program = env::current_exe().unwrap();
    test_program.ancestors().nth(2).unwrap().join("llmx")
}

/// Runs `test` (its path in this test program) in a process of its own, with SIGHUP and SIGINT ignored as under nohup.
/// Without parallel tests what is open in that process is what `test` opened.
pub(crate) fn alone(name: &str, test: impl FnOnce()) {
    if env::var_os(ALONE).is_some() {
        return test();
    }
    assert!(own_process(name).status().unwrap().success(), "{name} failed in its own process");
}

pub(crate) fn is_alone() -> bool {
    env::var_os(ALONE).is_some()
}

pub(crate) fn own_process(name: &str) -> std::process::Command {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' HUP INT; exec \"$0\" \"$@\""]).arg(env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture"]).env(ALONE, "1");
    command.env(HELPER, helper());
    command
}

/// A command to be, and the mark that all its processes carry.
pub(crate) struct Scene {
    pub(crate) launch: Launch,
    mark: String,
}

impl Scene {
    pub(crate) fn of(argv: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{}-{}-", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self::with_mark(argv, &mark)
    }

    pub(crate) fn with_mark(argv: &[&str], mark: &str) -> Self {
        let env = vec![("PATH".into(), env::var_os("PATH").unwrap()), (MARK.into(), mark.into())];
        let argv = argv.iter().map(OsString::from).collect();
        Self {
            launch: Launch { argv, cwd: PathBuf::from("/"), env, helper: HelperPath::at(helper()), sandbox: None },
            mark: mark.to_owned(),
        }
    }

    pub(crate) fn shell(script: &str) -> Self {
        Self::of(&["sh", "-c", script])
    }

    /// Runs it to its own end.
    pub(crate) async fn run(&self) -> Seen {
        self.run_with(Kill::Never).await
    }

    /// Kills it as soon as it has written something.
    pub(crate) async fn kill_when_ready(&self, grace: Duration) -> Seen {
        self.run_with(Kill::AtFirstOutput(grace)).await
    }

    /// Kills it as soon as so many `sleep 1000` run. A shell that has forked and not executed may still have the shell's own
    /// handlers: it forgets a SIGTERM.
    pub(crate) async fn kill_when_asleep(&self, sleeps: usize, grace: Duration) -> Seen {
        self.run_with(Kill::AtSleeps(sleeps, grace)).await
    }

    async fn run_with(&self, kill: Kill) -> Seen {
        let (command, output) = spawn(&self.launch).unwrap();
        let (stdout, stderr, ready) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()), Notify::new());
        let finished = run(command, output, kill.when(self, &ready), async |stream, bytes| {
            let kept = if stream == OutputStream::Stdout { &stdout } else { &stderr };
            kept.borrow_mut().extend_from_slice(&bytes);
            ready.notify_one();
        })
        .await;
        Seen {
            end: finished.end,
            output: finished.output,
            stdout: stdout.into_inner(),
            stderr: stderr.into_inner(),
            alive: self.alive(),
        }
    }

    /// The command lines of all processes of this command that are alive now (root sees its helper, too).
    pub(crate) fn alive(&self) -> Vec<String> {
        let mark = format!("{MARK}={}", self.mark);
        processes().filter(|process| carries(process, &mark)).map(|process| command_line(&process)).collect()
    }

    /// How many `sleep 1000` of this command run, forked and executed.
    pub(crate) fn sleeps(&self) -> usize {
        self.alive().iter().filter(|process| process.ends_with(": sleep 1000 ")).count()
    }

    pub(crate) async fn wait_until_nothing_is_alive(&self) {
        eventually("all processes are gone", || self.alive().is_empty()).await;
    }
}

enum Kill {
    Never,
    AtFirstOutput(Duration),
    AtSleeps(usize, Duration),
}

impl Kill {
    async fn when(self, scene: &Scene, ready: &Notify) -> Duration {
        match self {
            Self::Never => std::future::pending().await,
            Self::AtFirstOutput(grace) => {
                ready.notified().await;
                grace
            }
            Self::AtSleeps(sleeps, grace) => {
                eventually("all sleep", || scene.sleeps() == sleeps).await;
                grace
            }
        }
    }
}

/// What a run left to see. `alive` was looked up right after its end was reported.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) end: CommandEnd,
    pub(crate) output: Drained,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) alive: Vec<String>,
}

impl Seen {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Looks again and again until `condition` holds; a panic after [`PATIENCE`].
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "not in time: {what}");
        tokio::task::yield_now().await;
    }
}

fn processes() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok()).map(|entry| entry.path())
}

/// A zombie has no environment any more, so it is not alive here.
fn carries(process: &Path, mark: &str) -> bool {
    let environment = fs::read(process.join("environ")).unwrap_or_default();
    environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes())
}

fn command_line(process: &Path) -> String {
    let words = fs::read(process.join("cmdline")).unwrap_or_default();
    format!("{}: {}", process.display(), String::from_utf8_lossy(&words).replace('\0', " "))
}
