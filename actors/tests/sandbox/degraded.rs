//! Machines that have less to give: containers, old kernels, Landlock switched off. llmx is started below a seccomp
//! filter that makes them so.

use crate::ground::{Ground, NOBODY, Who, eventually, llmx, text};
use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::process::{Output, Stdio};
use std::{fs, process};

const READ_ONLY: &str = "--policy read-only";
const WRITES: &str = "--policy workspace-write --exclude-slash-tmp";
const ONLINE: &str = "--policy workspace-write --exclude-slash-tmp --network";
const BY_NAME: &str = "-c allow_degraded_sandbox=true";

/// `llmx ARGUMENTS` where the walls are missing; without arguments `$ATTACK` itself.
fn run(ground: &Ground, missing: &str, arguments: &str, attack: &str) -> Output {
    let confined = format!("{} {arguments}", llmx().display());
    let script = match arguments {
        "" => attack.to_owned(),
        arguments if arguments.contains("--policy") => format!("exec {confined} -- sh -c \"$ATTACK\""),
        _ => format!("exec {confined}"),
    };
    let mut shell = ground.as_user("sh".as_ref());
    shell.args(["-c", &format!("exec $ATTACKER without {missing}")]).stdin(Stdio::null());
    shell.env("SCRIPT", script).env("ATTACK", attack).output().unwrap()
}

#[test]
fn each_missing_wall_has_its_level_and_nothing_runs_by_itself_with_less() {
    for (missing, level, why, read_only, writes, writes_by_name) in [
        ("namespaces", "degraded", "cannot create namespaces: Operation not permitted", true, false, true),
        ("networks", "degraded", "cannot create namespaces: No space left", true, false, true),
        ("mounts", "degraded", "cannot open the devices: Function not implemented", true, false, true),
        ("landlock", "none", "Landlock", false, false, false),
        ("landlock-off", "none", "Landlock", false, false, false),
        ("namespaces landlock", "none", "Landlock", false, false, false),
        ("seccomp", "none", "seccomp", false, false, false),
    ] {
        for &who in Who::everybody() {
            let ground = Ground::new(who);
            let told = text(&run(&ground, missing, "sandbox", ""));
            let line = told.lines().find(|line| line.starts_with(level)).unwrap_or_default();
            assert!(line.contains(why), "{who:?}, {missing}: {told}");
            let doctor = text(&run(&ground, missing, "-c model_provider=oss doctor", ""));
            assert!(doctor.contains(&format!("sandbox           {level}: ")), "{who:?}, {missing}: {doctor}");
            for (arguments, runs) in [
                (format!("sandbox {READ_ONLY}"), read_only),
                (format!("sandbox {WRITES}"), writes),
                (format!("{BY_NAME} sandbox {WRITES}"), writes_by_name),
                (format!("{BY_NAME} sandbox {ONLINE}"), writes_by_name),
            ] {
                // With a network it takes no network namespace: then that wall is not missing at all.
                let is_whole = missing == "networks" && arguments.contains("--network");
                let output = run(&ground, missing, &arguments, "echo this ran");
                let seen = text(&output);
                assert_eq!(seen.contains("this ran"), runs, "{who:?}, {missing}, {arguments}: {seen}");
                assert_eq!(seen.contains("degraded sandbox: "), runs && !is_whole, "{missing}, {arguments}: {seen}");
                assert_eq!(output.status.code(), Some(if runs { 0 } else { 125 }), "{missing}, {arguments}: {seen}");
            }
        }
    }
}

/// As some distributions and sysctls do it, without any filter.
#[test]
fn a_machine_whose_namespaces_are_used_up_is_degraded() {
    let ground = Ground::new(Who::everybody()[0]);
    let script = format!("echo 0 > /proc/sys/user/max_user_namespaces && exec {} sandbox", llmx().display());
    let mut unshare = ground.as_user("unshare".as_ref());
    let output = unshare.args(["--user", "--map-root-user", "sh", "-c", &script]).output().unwrap();
    assert!(text(&output).starts_with("degraded: sandbox: cannot create namespaces"), "{}", text(&output));
}

/// Each attack works without llmx where namespaces are missing, and not within either degraded sandbox.
fn check(attack: impl Fn(&Ground) -> String, harm: impl Fn(&Ground, &str) -> bool) {
    for &who in Who::everybody() {
        let try_it = |arguments: &str| {
            let ground = Ground::new(who);
            let attack = attack(&ground);
            let seen = text(&run(&ground, "namespaces", arguments, &attack));
            (harm(&ground, &seen), format!("{who:?}, {arguments}: {attack}: {seen}"))
        };
        let (harmed, seen) = try_it("");
        assert!(harmed, "no attack at all: {seen}");
        for arguments in [format!("sandbox {READ_ONLY}"), format!("{BY_NAME} sandbox {ONLINE}")] {
            let (harmed, seen) = try_it(&arguments);
            assert!(!harmed, "{seen}");
        }
    }
}

#[test]
fn files_outside_the_roots_stay_as_they_are() {
    for attack in
        ["echo owned > $OUT/victim", "truncate -s 0 $OUT/victim", "ln $OUT/victim $OUT/second", "mkdir $OUT/new"]
    {
        check(
            |_| attack.to_owned(),
            |ground, _| {
                fs::read(ground.at("out/victim")).unwrap() != b"intact"
                    || fs::read_dir(ground.at("out")).unwrap().count() > 1
            },
        );
    }
}

#[test]
fn sockets_of_other_programs_are_out_of_reach() {
    let reached = std::cell::RefCell::new(None);
    check(
        |ground| {
            let path = ground.at("out/engine.sock");
            let listener = UnixListener::bind(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
            listener.set_nonblocking(true).unwrap();
            reached.replace(Some(listener));
            format!("$ATTACKER unix {}", path.display())
        },
        |_, _| reached.take().unwrap().accept().is_ok(),
    );
}

#[test]
fn other_processes_are_neither_ended_nor_looked_into() {
    let victim = |ground: &Ground| {
        let mut sleep = ground.as_user("sleep".as_ref());
        let child = sleep.arg("1000").env("SECRET", "hunter2").stdout(Stdio::null()).spawn().unwrap();
        let cmdline = format!("/proc/{}/cmdline", child.id());
        eventually("the victim sleeps", || fs::read(&cmdline).unwrap_or_default().starts_with(b"sleep"));
        child
    };
    let alive = std::cell::RefCell::new(None);
    for (attack, leak) in
        [("kill -9", "-"), ("cat /proc/PID/environ; true", "hunter2"), ("$ATTACKER ptrace", "succeeded")]
    {
        check(
            |ground| {
                let child = victim(ground);
                let pid = child.id().to_string();
                alive.replace(Some(child));
                if attack.contains("PID") {
                    attack.replace("PID", &pid)
                } else {
                    format!("{attack} {pid} && echo sent")
                }
            },
            |_, seen| {
                let mut child: process::Child = alive.take().unwrap();
                if attack.starts_with("kill") && seen.contains("sent") {
                    child.wait().unwrap();
                }
                let is_dead = child.try_wait().unwrap().is_some();
                let _ = child.kill();
                child.wait().unwrap();
                is_dead || seen.contains(leak)
            },
        );
    }
}

#[test]
fn terminals_of_other_programs_take_nothing() {
    let master = std::cell::RefCell::new(None);
    check(
        |ground| {
            let (terminal, path) = crate::terminal::terminal();
            if ground.who == Who::Nobody {
                std::os::unix::fs::chown(&path, Some(NOBODY), None).unwrap();
            }
            master.replace(Some(terminal));
            format!("echo owned > {path}")
        },
        |_, _| rustix::io::read(master.take().unwrap(), &mut [0; 16]).is_ok_and(|length| length > 0),
    );
}

/// Under read-only alone: with a network a command may connect.
#[test]
fn nobody_is_reached_over_ip() {
    for &who in Who::everybody() {
        for (arguments, reached) in [("", true), ("sandbox --policy read-only", false)] {
            let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
            tcp.set_nonblocking(true).unwrap();
            udp.set_nonblocking(true).unwrap();
            let (to_tcp, to_udp) = (tcp.local_addr().unwrap(), udp.local_addr().unwrap());
            let attack = format!("$ATTACKER tcp {to_tcp}; $ATTACKER udp {to_udp}");
            let seen = text(&run(&Ground::new(who), "namespaces", arguments, &attack));
            let is_nobody = |kind| kind == ErrorKind::WouldBlock;
            assert_eq!(tcp.accept().map_err(|e| e.kind()).map_or_else(is_nobody, |_| false), !reached, "{seen}");
            assert_eq!(
                udp.recv(&mut [0; 4]).map_err(|e| e.kind()).map_or_else(is_nobody, |_| false),
                !reached,
                "{seen}"
            );
        }
    }
}

#[test]
fn read_only_keeps_the_metadata_of_files() {
    let metadata = |ground: &Ground| {
        let meta = fs::metadata(ground.at("ws/mine")).unwrap();
        (meta.mode(), meta.mtime(), meta.uid())
    };
    for &who in Who::everybody() {
        for (arguments, harmed) in [("", true), ("sandbox --policy read-only", false)] {
            for attack in ["chmod 777 mine", "touch -d 2001-01-01 mine", "$ATTACKER fchmod mine"] {
                let ground = Ground::new(who);
                ground.prepare("echo x > $WS/mine");
                let before = metadata(&ground);
                let seen = text(&run(&ground, "namespaces", arguments, attack));
                assert_eq!(metadata(&ground) != before, harmed, "{who:?}, {arguments}: {attack}: {seen}");
            }
        }
    }
}
