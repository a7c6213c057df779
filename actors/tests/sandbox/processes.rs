//! The engine and other processes.

use crate::ground::{Ground, Policy, Who, eventually, text};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

const ALL: &[Policy] = &[Policy::ReadOnly, Policy::Workspace, Policy::WorkspaceOnline];

/// Does nothing unless it runs in a PID namespace of its own, with few processes around it.
const ONLY_WITHIN: &str = "test $$ = 2 && kill -9 -1";

/// A process of the same user outside, as the engine is one.
struct Victim(Child);

impl Victim {
    fn of(ground: &Ground) -> Self {
        let mut sleep = ground.as_user("sleep".as_ref());
        let child = sleep.arg("1000").env("SECRET", "hunter2").stdout(Stdio::null()).spawn().unwrap();
        let victim = Self(child);
        eventually("the victim sleeps", || victim.read("cmdline").starts_with("sleep"));
        victim
    }

    fn read(&self, file: &str) -> String {
        String::from_utf8_lossy(&fs::read(format!("/proc/{}/{file}", self.0.id())).unwrap_or_default()).into_owned()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn check(attack: &str, harmed: impl Fn(&mut Victim, &str) -> bool) {
    for &who in Who::everybody() {
        let ground = Ground::new(who);
        let try_it = |policy| {
            let mut victim = Victim::of(&ground);
            let seen = text(&ground.shell(policy, attack).env("VICTIM", victim.0.id().to_string()).output().unwrap());
            (harmed(&mut victim, &seen), seen)
        };
        let (harm, seen) = try_it(Policy::Full);
        assert!(harm, "{who:?}: no attack at all: {attack}: {seen}");
        for &policy in ALL {
            let (harm, seen) = try_it(policy);
            assert!(!harm, "{who:?}, {policy:?}: {attack}: {seen}");
        }
    }
}

#[test]
fn nobody_outside_is_signalled() {
    check("kill -9 $VICTIM && echo sent", |victim, seen| {
        // Where the attack says that it worked, the death may take a moment.
        if seen.contains("sent") {
            victim.0.wait().unwrap();
        }
        victim.0.try_wait().unwrap().is_some()
    });
}

/// It was a helper of llmx a moment ago, and knows how the command will be judged.
#[test]
fn pid_1_is_out_of_reach_of_its_children() {
    for &who in Who::everybody() {
        for &policy in ALL {
            let script = "test $$ = 2 || exit 1; for f in environ maps mem; do head -c 1 /proc/1/$f && echo read $f; done; \
                for f in 0 1 2 3 4 5 6; do readlink /proc/1/fd/$f && echo read $f; : >> /proc/1/fd/$f && echo read $f; done; $ATTACKER ptrace 1; kill -9 1; kill -STOP 1; kill -TERM 1; echo still there";
            let seen = text(&Ground::new(who).run(policy, script));
            assert!(!seen.contains("read ") && !seen.contains("succeeded"), "{seen}");
        }
    }
}

/// Never without a sandbox: it would end everything of the user.
#[test]
fn a_signal_to_everybody_stays_within() {
    for &who in Who::everybody() {
        for &policy in ALL {
            let ground = Ground::new(who);
            let mut victim = Victim::of(&ground);
            let seen = text(&ground.run(policy, ONLY_WITHIN));
            assert!(victim.0.try_wait().unwrap().is_none(), "{who:?}, {policy:?}: {seen}");
        }
    }
}

#[test]
fn nobody_outside_is_looked_into() {
    check("cat /proc/$VICTIM/environ", |_, seen| seen.contains("hunter2"));
    check("for p in /proc/[0-9]*; do cat $p/environ; done", |_, seen| seen.contains("hunter2"));
    check("cat /proc/$VICTIM/cmdline", |_, seen| seen.contains("sleep"));
    check("$ATTACKER ptrace $VICTIM", |_, seen| seen.contains("succeeded"));
    check("$ATTACKER mem $VICTIM", |_, seen| seen.contains("succeeded"));
    check("ls /proc/$VICTIM/fd && echo seen", |_, seen| seen.contains("seen"));
}

#[test]
fn nobody_outside_is_slowed_or_limited() {
    let nice = |victim: &Victim| victim.read("stat").rsplit(") ").next().unwrap().split(' ').nth(16) == Some("19");
    // The tests themselves may be as nice as can be.
    if rustix::process::getpriority_process(None).unwrap() < 19 {
        check("renice -n 19 -p $VICTIM", move |victim, _| nice(victim));
    }
    check("chrt --idle --pid 0 $VICTIM; chrt --pid $VICTIM", |_, seen| seen.contains("SCHED_IDLE"));
    check("ionice --class 3 --pid $VICTIM && echo slowed", |_, seen| seen.contains("slowed"));
    check("prlimit --pid $VICTIM --nofile=7:7", |victim, _| {
        victim.read("limits").contains("Max open files            7 ")
    });
    check("echo 777 > /proc/$VICTIM/oom_score_adj", |victim, _| victim.read("oom_score_adj").trim() == "777");
}

/// Who opens a file waits for whoever has a lease of it.
#[test]
fn nobody_waits_for_a_file_that_a_command_reads() {
    for &who in Who::everybody() {
        for (policy, waits) in [
            (Policy::Full, true),
            (Policy::ReadOnly, false),
            (Policy::Workspace, false),
            (Policy::WorkspaceOnline, false),
        ] {
            let ground = Ground::new(who);
            let take = "import fcntl, os, signal, sys\n\
                signal.signal(signal.SIGIO, signal.SIG_IGN)\n\
                file = os.open(os.environ['OUT'] + '/victim', os.O_RDONLY)\n\
                try: fcntl.fcntl(file, 1024, fcntl.F_WRLCK)\n\
                except OSError as error: print(error)\n\
                print('ready', flush=True); sys.stdin.read()";
            let mut command = ground.llmx(policy);
            command.args(["--", "python3", "-c", take]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut said = String::new();
            let mut output = BufReader::new(child.stdout.take().unwrap());
            while !said.ends_with("ready\n") {
                assert!(output.read_line(&mut said).unwrap() > 0, "{who:?}, {policy:?}: {said}");
            }
            let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK;
            let opened = rustix::fs::open(ground.at("out/victim"), flags, rustix::fs::Mode::empty());
            assert_eq!(opened.is_err(), waits, "{who:?}, {policy:?}: {said}");
            assert_eq!(said.contains("not permitted"), !waits, "{who:?}, {policy:?}: {said}");
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }
}

#[test]
fn shared_memory_and_queues_are_private() {
    for &who in Who::everybody() {
        for (policy, harmed) in [(Policy::Full, true), (Policy::Workspace, false)] {
            let ground = Ground::new(who);
            let name = format!("/dev/shm/llmx-test-{}-{who:?}", std::process::id());
            let seen = text(&ground.run(policy, &format!("touch {name}; ipcmk -Q")));
            let queue = seen.rsplit(' ').next().unwrap_or_default().trim().to_owned();
            let queues = fs::read_to_string("/proc/sysvipc/msg").unwrap();
            let there = queues.lines().any(|line| line.split_whitespace().nth(1) == Some(queue.as_str()));
            let file = fs::exists(&name).unwrap();
            if harmed {
                ground.prepare(&format!("ipcrm -q {queue}; rm {name}"));
            }
            assert_eq!(file, harmed, "{who:?}, {policy:?}: {seen}");
            assert!(there || !harmed, "{who:?}: no attack at all: {seen}");
        }
    }
}
