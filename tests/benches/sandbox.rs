//! What it costs to run a command, confined and not, and to end it (DESIGN §5), as the engine does it, with the release
//! binary as the helper:
//!
//! ```text
//! cargo bench -p llmx-tests --bench sandbox [-- SECTION…]
//! ```
//!
//! Sections: launch kill remains. Other programs make every figure larger, so each is taken in turn with its floor and
//! shown with the ratio: `bash -c true`, which nobody can run a command in less than, and the same in bare namespaces.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench reports on standard output and breaks loudly")]

use llmx_actors::executor::{
    process::{Ended, HelperPath, Launch, run, spawn},
    sandbox::{Sandbox, Strength},
};
use llmx_protocol::wire::policy::SandboxPolicy;
use llmx_tests::world::llmx_binary;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::sync::Notify;

/// How often each thing is measured.
const ROUNDS: usize = 200;

/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_millis(100);

/// Calls after which nothing may be left.
const CALLS: usize = 1000;

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let directory = || TempDir::new().expect("a directory");
    let helper = HelperPath::at(llmx_binary());
    let bench = Bench { runtime, helper, ground: directory(), home: directory() };
    let sections: [Section; 3] = [("launch", launch), ("kill", kill), ("remains", remains)];
    for (name, section) in sections {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            section(&bench);
        }
    }
    ExitCode::SUCCESS
}

/// A name, and what to measure.
type Section = (&'static str, fn(&Bench));

struct Bench {
    runtime: tokio::runtime::Runtime,
    helper: HelperPath,
    ground: TempDir,
    home: TempDir,
}

/// Every kind of policy there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Confined {
    Not,
    ReadOnly,
    WorkspaceWrite,
}

const EVERY: [Confined; 3] = [Confined::Not, Confined::ReadOnly, Confined::WorkspaceWrite];

impl Bench {
    fn launch(&self, confined: Confined, argv: &[&str]) -> Launch {
        let cwd = self.ground.path().to_owned();
        let policy = match confined {
            Confined::Not => None,
            Confined::ReadOnly => Some(SandboxPolicy::ReadOnly),
            Confined::WorkspaceWrite => Some(SandboxPolicy::WorkspaceWrite {
                writable_roots: Vec::new(),
                network_access: false,
                exclude_tmpdir_env_var: false,
                exclude_slash_tmp: false,
            }),
        };
        let sandbox = policy.map(|policy| Sandbox {
            policy,
            session_cwd: cwd.clone(),
            llmx_home: Some(self.home.path().to_owned()),
            user_home: Some("/root".into()),
            tmpdir: None,
            spare_placeholders: Some(self.home.path().join("placeholders")),
            strength: Strength::Full,
        });
        let env = vec![("PATH".into(), std::env::var_os("PATH").unwrap_or_default()), mark()];
        let argv = argv.iter().map(OsString::from).collect();
        Launch { argv, cwd, env, helper: self.helper.clone(), sandbox }
    }

    /// To its end, output read.
    fn call(&self, confined: Confined, argv: &[&str]) {
        let launch = self.launch(confined, argv);
        let end = self.runtime.block_on(async {
            let (command, output) = spawn(&launch).expect("a helper starts");
            run(command, output, std::future::pending(), async |_, _| {}).await
        });
        assert_eq!(end.end.ended, Ended::Exited(0), "{confined:?} {argv:?}");
    }

    /// Killed when it has said something; how long that took.
    fn killed(&self, confined: Confined, script: &str) -> Duration {
        let launch = self.launch(confined, &["sh", "-c", script]);
        let (ready, mut asked) = (Notify::new(), None);
        let took = self.runtime.block_on(async {
            let (command, output) = spawn(&launch).expect("a helper starts");
            let kill = async {
                ready.notified().await;
                asked = Some(Instant::now());
                GRACE
            };
            run(command, output, kill, async |_, _| ready.notify_one()).await;
            asked.map(|asked| asked.elapsed()).expect("it was killed")
        });
        assert!(!something_is_left(), "{confined:?}: {script}");
        took
    }
}

fn launch(bench: &Bench) {
    let mut times: BTreeMap<(u8, String), Vec<Duration>> = BTreeMap::new();
    let mut time = |order: u8, what: String, act: &dyn Fn()| {
        let start = Instant::now();
        act();
        times.entry((order, what)).or_default().push(start.elapsed());
    };
    for _ in 0..ROUNDS {
        time(0, "floor: bash -c true".into(), &|| plain("bash", &["-c", "true"]));
        time(1, "floor: the same in bare namespaces (unshare)".into(), &|| {
            plain(
                "unshare",
                &["--user", "--mount", "--pid", "--ipc", "--net", "--uts", "--fork", "bash", "-c", "true"],
            );
        });
        for (order, confined) in (2..).zip(EVERY) {
            time(order, format!("true, confined: {confined:?}"), &|| bench.call(confined, &["true"]));
        }
    }
    let floor = median(&times[&(0, "floor: bash -c true".to_owned())]);
    for ((order, what), times) in times {
        let target = ["-", "-", "4 ms", "-", "8 ms"][usize::from(order)];
        let ratio = median(&times).as_secs_f64() / floor.as_secs_f64();
        report(&what, &format!("{}, {ratio:.1} floors", median_and_max(&times)), target);
    }
}

fn plain(program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    let status = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status().expect("it runs");
    assert!(status.success());
}

fn kill(bench: &Bench) {
    for confined in [Confined::Not, Confined::WorkspaceWrite] {
        for (what, script, grace) in [
            ("a process", "echo ready; exec sleep 1000", false),
            ("daemons", "for i in 1 2 3; do (setsid sleep 1000 &); done; echo ready; sleep 1000", false),
            ("stopped ones", "sh -c 'kill -STOP $$' & setsid sh -c 'kill -STOP $$' & echo ready; wait", false),
            (
                "a storm of 300 forks",
                "echo ready; i=0; while [ $i -lt 300 ]; do (setsid sleep 1000 &); i=$((i+1)); done; wait",
                false,
            ),
            ("what ignores SIGTERM", "trap '' TERM; setsid sleep 1000 & echo ready; sleep 1000; sleep 1000", true),
        ] {
            let grace = if grace { GRACE } else { Duration::ZERO };
            let times: Vec<_> = (0..ROUNDS).map(|_| bench.killed(confined, script).saturating_sub(grace)).collect();
            let beyond = if grace.is_zero() { "" } else { ", beyond the grace" };
            report(&format!("kill {what}, confined: {confined:?}{beyond}"), &median_and_max(&times), "10 ms");
        }
    }
}

/// Whatever a thousand calls could leave behind.
fn remains(bench: &Bench) {
    let count = |path: &str| fs::read_dir(path).map_or(0, Iterator::count);
    let state = || {
        BTreeMap::from([
            ("mounts", fs::read_to_string("/proc/self/mountinfo").expect("proc").lines().count()),
            ("descriptors", count("/proc/self/fd")),
            ("children", children()),
            ("control groups", control_groups(Path::new("/sys/fs/cgroup"))),
            ("files in the workspace", fs::read_dir(bench.ground.path()).expect("a directory").count()),
            (
                "placeholders in /tmp",
                [".git", ".llmx", ".agents"].iter().filter(|n| Path::new("/tmp").join(n).exists()).count(),
            ),
        ])
    };
    bench.call(Confined::WorkspaceWrite, &["true"]);
    let before = state();
    for _ in 0..CALLS {
        bench.call(Confined::WorkspaceWrite, &["sh", "-c", "(setsid sleep 1000 &); true"]);
    }
    assert_eq!(state(), before, "something is left");
    assert!(!something_is_left());
    report(&format!("left by {CALLS} calls"), "nothing", "nothing");
}

fn children() -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("proc").flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.map(|children| children.split_whitespace().count()).sum()
}

fn control_groups(group: &Path) -> usize {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    let groups = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    groups.map(|group| 1 + control_groups(&group.path())).sum()
}

fn mark() -> (OsString, OsString) {
    ("LLMX_BENCH".into(), std::process::id().to_string().into())
}

/// A process of a command of this bench; a zombie has no environment.
fn something_is_left() -> bool {
    let mark = format!("LLMX_BENCH={}", std::process::id());
    let processes = fs::read_dir("/proc").expect("proc").flatten().map(|process| process.path().join("environ"));
    let environments = processes.filter_map(|environ: PathBuf| fs::read(environ).ok());
    environments.into_iter().any(|environ| environ.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()))
}

fn report(what: &str, figure: &str, target: &str) {
    println!("{what:<62} {figure:>42}   target {target}");
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2]
}

fn median_and_max(times: &[Duration]) -> String {
    let most = times.iter().max().copied().unwrap_or_default();
    format!("median {:.2} ms, max {:.2} ms", ms(median(times)), ms(most))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
