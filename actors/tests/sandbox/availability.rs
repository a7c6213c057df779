//! Nothing outlives a command, and nothing of the sandbox is left.

use crate::ground::{Ground, Policy, Who, eventually, is_alive, llmx, text};
use llmx_actors::executor::process::{Ended, HelperPath, Launch, run, spawn};
use llmx_actors::executor::sandbox::{Sandbox, Strength};
use llmx_protocol::wire::policy::SandboxPolicy;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

const ALL: &[Policy] = &[Policy::Full, Policy::ReadOnly, Policy::WorkspaceOnline];

/// Long enough that no test waits for it: who ends within it was ended by SIGTERM.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

fn mark() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}-", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn nothing_of(mark: &str) -> bool {
    !is_alive(&format!("MARK={mark}"))
}

#[test]
fn daemons_end_with_their_command() {
    for &who in Who::everybody() {
        for &policy in ALL {
            for script in [
                "sleep 1000 & true",
                "setsid sleep 1000 & true",
                "(setsid sh -c 'trap \"\" TERM HUP; sleep 1000; sleep 1000' &) ; true",
                "setsid sh -c 'kill -STOP $$' & sleep 0.05",
                "for i in 1 2 3 4 5 6 7 8 9; do (setsid sleep 1000 &) ; done",
            ] {
                let (ground, mark) = (Ground::new(who), mark());
                // Output is read to its end, so a survivor that holds it would hang this test.
                let output = ground.shell(policy, script).env("MARK", &mark).output().unwrap();
                assert!(output.status.success(), "{who:?}, {policy:?}: {script}: {}", text(&output));
                assert!(nothing_of(&mark), "{who:?}, {policy:?}: {script}");
            }
        }
    }
}

fn start(ground: &Ground, policy: Policy, script: &str, mark: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut command = ground.shell(policy, script);
    let mut child = command.env("MARK", mark).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    (child, output)
}

/// The child may be `setpriv`, which becomes llmx: the number is the same.
fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn when_llmx_dies_so_does_the_tree() {
    for &who in Who::everybody() {
        for &policy in ALL {
            let (ground, mark) = (Ground::new(who), mark());
            let script = "trap '' TERM INT HUP; setsid sleep 1000 & echo ready; sleep 1000";
            let (mut child, _output) = start(&ground, policy, script, &mark);
            signal(&child, Signal::KILL);
            assert_eq!(child.wait().unwrap().signal(), Some(9));
            eventually("the tree is gone", || nothing_of(&mark));
            eventually("placeholders are gone", || fs::read_dir(ground.at("ws")).unwrap().count() == 0);
        }
    }
}

#[test]
fn signals_reach_the_command_and_its_end_is_passed_on() {
    for &who in Who::everybody() {
        for &policy in ALL {
            for (kind, name) in
                [(Signal::TERM, "TERM"), (Signal::INT, "INT"), (Signal::USR1, "USR1"), (Signal::HUP, "HUP")]
            {
                let ground = Ground::new(who);
                let script = format!("trap 'exit 42' {name}; echo ready; while :; do sleep 0.01; done");
                let (mut child, _output) = start(&ground, policy, &script, &mark());
                signal(&child, kind);
                assert_eq!(child.wait().unwrap().code(), Some(42), "{who:?}, {policy:?}: {name}");
            }
        }
    }
}

/// As `timeout` sends it, once, whatever llmx is doing: before it hears signals it ends of it, later it passes it on.
#[test]
fn no_signal_is_lost_while_the_command_is_being_started() {
    for &policy in ALL {
        for turns in 0..40 {
            let ground = Ground::new(Who::everybody()[0]);
            let mut child = ground.llmx(policy).args(["--", "sleep", "60"]).stdin(Stdio::null()).spawn().unwrap();
            let is_under_way = || fs::read_to_string(format!("/proc/{}/stat", child.id())).is_ok();
            assert!((0..turns * 5).all(|_| is_under_way()));
            signal(&child, Signal::TERM);
            let end = child.wait().unwrap();
            assert!(end.code() == Some(143) || end.signal() == Some(15), "{policy:?}, {turns}: {end:?}");
        }
    }
}

#[test]
fn exit_codes_and_streams_pass_through() {
    for &who in Who::everybody() {
        for &policy in ALL {
            let ground = Ground::new(who);
            for (script, code) in
                [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -KILL $$", 137)]
            {
                assert_eq!(ground.run(policy, script).status.code(), Some(code), "{who:?}, {policy:?}: {script}");
            }
            let mut cat = ground.shell(policy, "cat; echo err >&2");
            cat.stdin(fs::File::open(ground.at("out/victim")).unwrap());
            let output = cat.output().unwrap();
            assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"intact"[..], &b"err\n"[..]));
        }
    }
}

/// The bench has a thousand of them, and looks at the descriptors and children of who made them as well.
#[test]
fn many_calls_leave_nothing_behind() {
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count();
    for &who in Who::everybody() {
        let (ground, mark) = (Ground::new(who), mark());
        let before = mounts();
        for _ in 0..30 {
            let output =
                ground.shell(Policy::Workspace, "(setsid sleep 1000 &) ; true").env("MARK", &mark).output().unwrap();
            assert!(output.status.success(), "{}", text(&output));
        }
        assert!(nothing_of(&mark));
        assert_eq!((mounts(), fs::read_dir(ground.at("ws")).unwrap().count()), (before, 0));
    }
}

fn launch(ground: &Ground, policy: SandboxPolicy, script: &str, mark: &str) -> Launch {
    let path = std::env::var_os("PATH").unwrap();
    Launch {
        argv: ["sh", "-c", script].map(Into::into).to_vec(),
        cwd: ground.at("ws"),
        env: vec![("PATH".into(), path), ("MARK".into(), mark.into())],
        helper: HelperPath::at(llmx()),
        sandbox: Some(Sandbox {
            policy,
            session_cwd: ground.at("ws"),
            llmx_home: None,
            user_home: None,
            spare_placeholders: None,
            tmpdir: None,
            strength: Strength::Full,
        }),
    }
}

/// As the engine runs it: kills `script` as soon as it says something.
async fn kill_when_ready(policy: SandboxPolicy, script: &str, grace: Duration) -> (Ended, String, String) {
    let (ground, mark) = (Ground::new(Who::everybody()[0]), mark());
    let (command, output) = spawn(&launch(&ground, policy, script, &mark)).unwrap();
    let (ready, mut said) = (Notify::new(), Vec::new());
    let kill = async {
        ready.notified().await;
        grace
    };
    let finished = run(command, output, kill, async |_, bytes| {
        said.extend_from_slice(&bytes);
        ready.notify_one();
    })
    .await;
    assert!(nothing_of(&mark), "{script}: something lives");
    (finished.end.ended, String::from_utf8_lossy(&said).into_owned(), mark)
}

fn workspace() -> SandboxPolicy {
    SandboxPolicy::WorkspaceWrite {
        writable_roots: Vec::new(),
        network_access: false,
        exclude_tmpdir_env_var: true,
        exclude_slash_tmp: true,
    }
}

#[tokio::test]
async fn an_interrupt_ends_every_kind_of_process() {
    for policy in [SandboxPolicy::ReadOnly, workspace()] {
        for script in [
            "echo ready; exec sleep 1000",
            "setsid sleep 1000 & echo ready; sleep 1000",
            "(setsid sh -c 'setsid sleep 1000 & sleep 1000' &) ; echo ready; sleep 1000",
        ] {
            let (ended, ..) = kill_when_ready(policy.clone(), script, LONG).await;
            assert_eq!(ended, Ended::Signalled(15), "{script}");
        }
        for script in [
            "trap '' TERM; echo ready; sleep 1000; sleep 1000",
            "trap '' TERM; (setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' &) ; echo ready; while :; do sleep 1; done",
            "trap '' TERM; echo ready; while :; do (setsid sleep 1000 &) & done",
        ] {
            let (ended, ..) = kill_when_ready(policy.clone(), script, SHORT).await;
            assert_eq!(ended, Ended::Signalled(9), "{script}");
        }
    }
}

/// It ends at once, with nobody to be asked first: a grace of a minute would be noticed.
#[tokio::test]
async fn a_command_that_has_not_begun_is_ended_at_once() {
    let ground = Ground::new(Who::everybody()[0]);
    for _ in 0..20 {
        let (command, output) = spawn(&launch(&ground, workspace(), "exec sleep 1000", &mark())).unwrap();
        let finished = run(command, output, std::future::ready(LONG), async |_, _| {}).await;
        assert!(matches!(finished.end.ended, Ended::Signalled(9 | 15)), "{:?}", finished.end);
    }
}

#[tokio::test]
async fn a_command_may_clean_up_before_it_ends() {
    // The shell itself has a word for each child that a signal ends.
    let script = "exec 2> /dev/null; trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done";
    let (ended, said, _) = kill_when_ready(workspace(), script, LONG).await;
    assert_eq!((ended, said.as_str()), (Ended::Exited(3), "ready\nbye\n"));
}

#[tokio::test]
async fn children_get_the_grace_too_when_their_parent_ends_at_once() {
    let child = "exec 2> /dev/null; trap 'sleep 0.05; echo saved; exit' TERM; echo ready; while :; do sleep 0.01; done";
    let (ended, said, _) =
        kill_when_ready(workspace(), &format!("setsid sh -c \"{child}\" & exec sleep 1000"), LONG).await;
    assert_eq!((ended, said.as_str()), (Ended::Signalled(15), "ready\nsaved\n"));
}

#[test]
fn should_memory_run_out_the_command_goes_first() {
    for &who in Who::everybody() {
        let seen = |policy| text(&Ground::new(who).run(policy, "cat /proc/self/oom_score_adj"));
        assert_eq!((seen(Policy::ReadOnly), seen(Policy::Workspace)), ("500\n".into(), "500\n".into()), "{who:?}");
    }
}

/// Since Linux 6.14 this is the PID namespace's limit, which binds root too; before, the user's.
#[test]
fn a_command_cannot_fork_without_end() {
    let script = "i=0; while [ $i -lt 4200 ]; do sleep 1000 & i=$((i+1)); done; echo all of them";
    for &who in Who::everybody() {
        if who == Who::Root && !limits_belong_to_namespaces() {
            eprintln!("skipped for root: this kernel's pid_max is the whole machine's");
            continue;
        }
        let seen = text(&Ground::new(who).run(Policy::ReadOnly, script));
        assert!(seen.contains("ork") && !seen.contains("all of them"), "{who:?}: {seen}");
    }
}

fn limits_belong_to_namespaces() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap(), numbers.next().unwrap()) >= (6, 14)
}
