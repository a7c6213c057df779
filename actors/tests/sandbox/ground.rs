//! A piece of ground with a workspace and things outside of it, for each kind of user.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, fs};
use tempfile::TempDir;

/// An ordinary user that every system has.
pub(crate) const NOBODY: u32 = 65534;

/// How long a condition may take to come true on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whom llmx runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Root,
    Nobody,
    /// Where the tests themselves do not run as root.
    Myself,
}

impl Who {
    pub(crate) fn everybody() -> &'static [Self] {
        if rustix::process::geteuid().is_root() { &[Self::Root, Self::Nobody] } else { &[Self::Myself] }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Full,
    ReadOnly,
    Workspace,
    WorkspaceOnline,
}

impl Policy {
    pub(crate) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Full => &["--policy", "danger-full-access"],
            Self::ReadOnly => &["--policy", "read-only"],
            Self::Workspace => &["--policy", "workspace-write", "--exclude-slash-tmp"],
            Self::WorkspaceOnline => &["--policy", "workspace-write", "--exclude-slash-tmp", "--network"],
        }
    }
}

/// This test program, being what its words say.
const ATTACKER: &str = "#!/bin/sh\nLLMX_ATTACK=\"$*\" exec \"${0%er}s\" attacker::attack --exact --nocapture\n";

/// The programs, where everybody may execute them.
struct Programs(TempDir);

fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    let copied = PROGRAMS.get_or_init(|| {
        let directory = TempDir::with_prefix_in("llmx-programs-", "/var/tmp").unwrap();
        open_to_all(directory.path());
        fs::copy(llmx_as_built(), directory.path().join("llmx")).unwrap();
        fs::copy(env::current_exe().unwrap(), directory.path().join("attacks")).unwrap();
        let attacker = directory.path().join("attacker");
        fs::write(&attacker, ATTACKER).unwrap();
        open_to_all(&attacker);
        Programs(directory)
    });
    copied.0.path()
}

fn llmx_as_built() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
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
    env::current_exe().unwrap().ancestors().nth(2).unwrap().join("llmx")
}

pub(crate) fn llmx() -> PathBuf {
    programs().join("llmx")
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// `ws` is the session's directory, `out` is not; `home` is the user's.
pub(crate) struct Ground {
    directory: TempDir,
    pub(crate) who: Who,
}

impl Ground {
    pub(crate) fn new(who: Who) -> Self {
        let directory = TempDir::with_prefix_in("llmx-ground-", "/var/tmp").unwrap();
        open_to_all(directory.path());
        let ground = Self { directory, who };
        ground.own(ground.directory.path());
        for name in ["ws", "out", "home", "home/.llmx"] {
            fs::create_dir(ground.at(name)).unwrap();
            ground.own(&ground.at(name));
        }
        fs::write(ground.at("out/victim"), "intact").unwrap();
        ground.own(&ground.at("out/victim"));
        ground
    }

    fn own(&self, path: &Path) {
        if self.who == Who::Nobody {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a shell outside, as the user.
    pub(crate) fn prepare(&self, script: &str) {
        let mut shell = self.as_user(Path::new("sh"));
        let output = shell.args(["-ec", script]).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A program as the user, in the workspace.
    pub(crate) fn as_user(&self, program: &Path) -> Command {
        let mut command = match self.who {
            Who::Nobody => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]).arg(program);
                command
            }
            Who::Root | Who::Myself => Command::new(program),
        };
        command.current_dir(self.at("ws")).env_clear();
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", self.at("home")).env("LLMX_HOME", self.at("home/.llmx"));
        command.env("WS", self.at("ws")).env("OUT", self.at("out"));
        command.env("ATTACKER", programs().join("attacker"));
        command
    }

    /// `llmx sandbox` without the command to run.
    pub(crate) fn llmx(&self, policy: Policy) -> Command {
        let mut command = self.as_user(&llmx());
        command.arg("sandbox").args(policy.arguments());
        command
    }

    pub(crate) fn shell(&self, policy: Policy, script: &str) -> Command {
        let mut command = self.llmx(policy);
        command.args(["--", "sh", "-c", script]).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, policy: Policy, script: &str) -> Output {
        self.shell(policy, script).output().unwrap()
    }

    /// Everything but the ordinary content of the workspace: names, kinds, owners, modes, times and contents.
    pub(crate) fn state(&self) -> BTreeMap<PathBuf, String> {
        let mut state = BTreeMap::new();
        self.collect(self.directory.path(), &mut state);
        state
    }

    fn collect(&self, directory: &Path, state: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let path = entry.path();
            let below = path.strip_prefix(self.at("ws")).map(|p| p.components().count());
            let name = entry.file_name();
            if below == Ok(1) && ![".git", ".llmx", ".agents"].iter().any(|protected| name == *protected) {
                continue;
            }
            let meta = fs::symlink_metadata(&path).unwrap();
            // The workspace's own times change with its content.
            let times = if below == Ok(0) {
                ((0, 0), (0, 0))
            } else {
                ((meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec()))
            };
            let content = if meta.is_file() { fs::read(&path).unwrap_or_default() } else { Vec::new() };
            let identity = (meta.mode(), meta.uid(), meta.gid(), if meta.is_file() { meta.nlink() } else { 0 });
            state.insert(path.clone(), format!("{identity:?} {times:?} {}", String::from_utf8_lossy(&content)));
            if meta.is_dir() {
                self.collect(&path, state);
            }
        }
    }
}

/// An attack on files that are not the command's, for everybody: it works without a sandbox and changes nothing within.
pub(crate) fn check_untouched(policies: &[Policy], setup: &str, attack: &str) {
    for &who in Who::everybody() {
        let (harmed, seen) = harm(who, Policy::Full, setup, attack);
        assert!(harmed, "{who:?}: no attack at all: {attack}\n{seen}");
        for &policy in policies {
            let (harmed, seen) = harm(who, policy, setup, attack);
            assert!(!harmed, "{who:?}, {policy:?}: {attack}\n{seen}");
        }
    }
}

fn harm(who: Who, policy: Policy, setup: &str, attack: &str) -> (bool, String) {
    let ground = Ground::new(who);
    ground.prepare(setup);
    let before = ground.state();
    let output = ground.run(policy, attack);
    let after = ground.state();
    (before != after, format!("{}\n{before:#?}\n{after:#?}", text(&output)))
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What an attack prints decides: `leaks` must be there without a sandbox, and not within.
pub(crate) fn check_hidden(policies: &[Policy], attack: &str, leaks: &str) {
    for &who in Who::everybody() {
        let open = text(&Ground::new(who).run(Policy::Full, attack));
        assert!(open.contains(leaks), "{who:?}: no attack at all: {attack}\n{open}");
        for &policy in policies {
            let seen = text(&Ground::new(who).run(policy, attack));
            assert!(!seen.contains(leaks), "{who:?}, {policy:?}: {attack}\n{seen}");
        }
    }
}

pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::yield_now();
    }
}

/// Whether a process that is no zombie carries `mark` in its environment.
pub(crate) fn is_alive(mark: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes.into_iter().any(|process| {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes())
    })
}
