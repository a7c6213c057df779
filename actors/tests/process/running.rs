//! What a command sees, and how its own end is told.

use crate::world::{Scene, Seen, alone, eventually};
use llmx_actors::executor::process::{Drained, Ended, HelperPath, OutputStream, run, spawn};
use std::cell::Cell;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::Notify;

async fn check_end(script: &str, expected: Ended) {
    let seen = Scene::shell(script).run().await;
    assert_eq!(seen.end.ended, expected, "{script}");
    assert_eq!((seen.end.survivors, seen.end.out_of_reach, seen.alive.len()), (0, 0, 0), "{script}");
    assert_eq!(seen.output, Drained::ToTheEnd, "{script}");
}

#[tokio::test]
async fn the_way_a_command_ends_is_told_truthfully() {
    check_end("exit 0", Ended::Exited(0)).await;
    check_end("exit 7", Ended::Exited(7)).await;
    check_end("exit 137", Ended::Exited(137)).await;
    check_end("exit 255", Ended::Exited(255)).await;
    check_end("no-such-program-at-all", Ended::Exited(127)).await;
    check_end("kill -KILL $$", Ended::Signalled(9)).await;
    check_end("kill -TERM $$", Ended::Signalled(15)).await;
    check_end("kill -SEGV $$", Ended::Signalled(11)).await;
    check_end("kill -PIPE $$", Ended::Signalled(13)).await;
}

async fn check_failure(scene: Scene, expected: &str) {
    let seen = scene.run().await;
    let Ended::SpawnFailed(reason) = &seen.end.ended else { panic!("{:?} instead of {expected}", seen.end) };
    assert!(reason.text.starts_with(expected), "{reason}");
    assert_eq!((seen.stdout.as_slice(), seen.stderr.as_slice(), seen.alive.len()), (&b""[..], &b""[..], 0));
}

#[tokio::test]
async fn a_command_that_cannot_start_says_why() {
    check_failure(Scene::of(&["no-such-program"]), "cannot run no-such-program: No such file or directory").await;
    check_failure(Scene::of(&["/etc/hostname/x"]), "cannot run /etc/hostname/x: Not a directory").await;
    check_failure(Scene::of(&["/"]), "cannot run /: Permission denied").await;

    let mut elsewhere = Scene::of(&["true"]);
    elsewhere.launch.cwd = PathBuf::from("/no/such/dir");
    check_failure(elsewhere, "cannot enter /no/such/dir: No such file or directory").await;
}

#[tokio::test]
async fn a_helper_that_cannot_start_is_an_error() {
    let check = |change: &dyn Fn(&mut Scene), expected| {
        let mut scene = Scene::of(&["true"]);
        change(&mut scene);
        assert_eq!(spawn(&scene.launch).unwrap_err().kind(), expected);
    };
    check(&|scene| scene.launch.argv.clear(), std::io::ErrorKind::InvalidInput);
    check(&|scene| scene.launch.argv.push("a\0b".into()), std::io::ErrorKind::InvalidInput);
    check(&|scene| scene.launch.helper = HelperPath::at("/no/helper"), std::io::ErrorKind::NotFound);
    check(&|scene| scene.launch.argv.push("x".repeat(1 << 20).into()), std::io::ErrorKind::ArgumentListTooLong);
}

#[tokio::test]
async fn a_command_gets_its_arguments_directory_and_environment_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let odd = OsString::from_vec(b"\xff \"'$(id)\n".to_vec());
    let mut scene = Scene::of(&["sh", "-c", "pwd; printf '%s|' \"$@\"; echo; cat /proc/self/environ", "sh", "--", ""]);
    scene.launch.argv.push(odd.clone());
    scene.launch.cwd = dir.path().canonicalize().unwrap();
    scene.launch.env.push(("ODD".into(), odd));

    let seen = scene.run().await;

    let mut expected = scene.launch.cwd.clone().into_os_string().into_vec();
    expected.extend_from_slice(b"\n--||\xff \"'$(id)\n|\n");
    assert!(seen.stdout.starts_with(&expected), "{}", seen.text());
    let variables = seen.stdout[expected.len()..].split(|&byte| byte == 0).filter(|variable| !variable.is_empty());
    let names: Vec<_> = variables.map(|variable| variable.split(|&byte| byte == b'=').next().unwrap()).collect();
    // A shell sets PWD (and some set more) for its children; everything given is there.
    for name in ["PATH", "LLMX_TEST_MARK", "ODD"] {
        assert!(names.contains(&name.as_bytes()), "{name} is missing: {}", seen.text());
    }
    for name in std::env::vars_os().map(|(name, _)| name.into_vec()) {
        let is_given = [&b"PATH"[..], b"PWD", b"OLDPWD", b"SHLVL", b"_"].contains(&name.as_slice());
        assert!(is_given || !names.contains(&name.as_slice()), "{} leaked", String::from_utf8_lossy(&name));
    }
}

#[tokio::test]
async fn stdin_is_empty_and_not_the_control_socket() {
    let seen = Scene::shell("cat; readlink /proc/self/fd/0").run().await;
    assert_eq!(seen.text(), "/dev/null\n");
}

#[tokio::test]
async fn a_command_leads_a_session_without_terminal_and_writes_no_core() {
    let seen = Scene::shell("echo $$; cat /proc/$$/stat; ulimit -c; ulimit -Hc").run().await;
    let text = seen.text();
    let lines: Vec<&str> = text.lines().collect();
    let fields: Vec<&str> = lines[1].rsplit(')').next().unwrap().split_whitespace().collect();
    let (group, session, terminal) = (fields[2], fields[3], fields[4]);
    assert_eq!((group, session, terminal), (lines[0], lines[0], "0"));
    assert_eq!(lines[2..], ["0", "0"]);
}

/// Signals 32 and 33, which libc lets nobody touch.
const LIBCS_OWN_SIGNALS: u64 = 0b11 << 31;

#[test]
fn descriptors_and_ignored_signals_of_the_engine_stay_with_it() {
    alone("running::descriptors_and_ignored_signals_of_the_engine_stay_with_it", || {
        let inheritable = File::open("/etc/passwd").unwrap();
        rustix::io::fcntl_setfd(&inheritable, rustix::io::FdFlags::empty()).unwrap();
        let seen = block_on(async { Scene::shell("ls /proc/self/fd; grep SigIgn /proc/$$/status").run().await });
        let text = seen.text();
        let (descriptors, ignored) = text.split_once("SigIgn:").unwrap();
        assert_eq!(descriptors, "0\n1\n2\n3\n", "3 is the directory that ls reads");
        let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
        assert_eq!(ignored & !LIBCS_OWN_SIGNALS, 0, "{ignored:x}");
        drop(inheritable);
    });
}

fn block_on(test: impl Future<Output = Seen>) -> Seen {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

#[tokio::test]
async fn both_streams_arrive_byte_for_byte() {
    let seen = Scene::shell(r"printf '\000\377\n\200'; printf 'err\r\n' >&2").run().await;
    assert_eq!(seen.stdout, b"\x00\xff\n\x80");
    assert_eq!(seen.stderr, b"err\r\n");
}

#[tokio::test]
async fn large_output_on_both_streams_arrives_whole() {
    let seen = Scene::shell("head -c 3000000 /dev/zero & head -c 2000000 /dev/zero >&2; wait").run().await;
    assert_eq!((seen.stdout.len(), seen.stderr.len()), (3_000_000, 2_000_000));
    assert_eq!(seen.output, Drained::ToTheEnd);
}

#[tokio::test]
async fn output_written_right_before_the_end_is_not_lost() {
    for _ in 0..20 {
        let seen = Scene::shell("head -c 60000 /dev/zero").run().await;
        assert_eq!(seen.stdout.len(), 60_000);
    }
}

#[tokio::test]
async fn a_sink_that_waits_pauses_the_command_but_not_a_kill() {
    let scene = Scene::of(&["yes"]);
    let (command, output) = spawn(&scene.launch).unwrap();
    let (chunks, killed, release) = (Cell::new(0), Notify::new(), Notify::new());
    let kill_when_the_pipe_is_full = async {
        eventually("the command waits for its full pipe", || chunks.get() == 1 && is_asleep(&scene, "yes")).await;
        assert_eq!(chunks.get(), 1);
        killed.notify_one();
        Duration::from_secs(60)
    };
    let release_when_dead = async {
        killed.notified().await;
        scene.wait_until_nothing_is_alive().await;
        release.notify_one();
    };
    let running = run(command, output, kill_when_the_pipe_is_full, async |_, _| {
        chunks.set(chunks.get() + 1);
        if chunks.get() == 1 {
            release.notified().await;
        }
    });

    let (finished, ()) = tokio::join!(running, release_when_dead);

    assert_eq!(finished.end.ended, Ended::Signalled(15));
    assert_eq!(finished.output, Drained::ToTheEnd);
    assert!(chunks.get() > 1, "what was in the pipe is handed over after the end");
}

fn is_asleep(scene: &Scene, program: &str) -> bool {
    let ending = format!(": {program} ");
    let alive = scene.alive();
    let Some(process) = alive.iter().find_map(|process| process.strip_suffix(&ending)) else {
        return false;
    };
    let stat = fs::read_to_string(format!("{process}/stat")).unwrap_or_default();
    stat.contains(") S ")
}

#[tokio::test]
async fn a_pipe_held_outside_the_tree_holds_nothing_up() {
    let scene = Scene::shell("echo $$; sleep 1000");
    let (command, output) = spawn(&scene.launch).unwrap();
    let (held, ready) = (Cell::new(None), Notify::new());
    let kill = async {
        ready.notified().await;
        Duration::from_secs(60)
    };
    let finished = run(command, output, kill, async |stream, bytes| {
        assert_eq!(stream, OutputStream::Stdout);
        let shell = String::from_utf8(bytes.to_vec()).unwrap();
        let pipe = format!("/proc/{}/fd/1", shell.trim());
        held.set(Some(fs::OpenOptions::new().append(true).open(pipe).unwrap()));
        ready.notify_one();
    })
    .await;
    assert_eq!((finished.end.ended, finished.output), (Ended::Signalled(15), Drained::StillHeld));
    assert!(held.take().is_some());
}

#[tokio::test]
async fn a_script_without_permission_is_told_apart_from_a_missing_one() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("script");
    fs::write(&script, "#!/bin/sh\nexit 3\n").unwrap();
    let scene = || Scene::of(&[script.to_str().unwrap()]);
    check_failure(scene(), &format!("cannot run {}: Permission denied", script.display())).await;

    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(scene().run().await.end.ended, Ended::Exited(3));
}
