//! Whatever a command does, nothing of it is alive when its end is told.

use crate::world::{Scene, Seen, eventually};
use futures_util::FutureExt;
use llmx_actors::executor::process::{CommandEnd, Drained, Ended, spawn};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Long enough that no test waits for it: who ends within it was ended by SIGTERM.
const LONG: Duration = Duration::from_secs(60);
/// For those that do not end by SIGTERM.
const SHORT: Duration = Duration::from_millis(50);

fn assert_gone(seen: &Seen, ended: &Ended) {
    assert_eq!(seen.alive, Vec::<String>::new());
    assert_eq!(seen.end.ended, *ended);
    assert_eq!(seen.output, Drained::ToTheEnd);
}

async fn check_kill(script: &str, grace: Duration, ended: Ended) -> Seen {
    let seen = Scene::shell(script).kill_when_ready(grace).await;
    assert_gone(&seen, &ended);
    seen
}

#[tokio::test]
async fn sigterm_ends_what_heeds_it() {
    for (sleeps, script) in [
        (1, "exec sleep 1000"),
        (1, "sleep 1000; true"),
        (2, "sleep 1000 & sleep 1000 & wait"),
        (2, "setsid sleep 1000 & sleep 1000"),
        (2, "(sleep 1000 &) ; sleep 1000"),
        (2, "setsid sh -c '(setsid sleep 1000 &) &'; sleep 1000"),
    ] {
        let seen = Scene::shell(script).kill_when_asleep(sleeps, LONG).await;
        assert_gone(&seen, &Ended::Signalled(15));
        assert_eq!(seen.end.survivors, 0, "{script}");
    }
}

#[tokio::test]
async fn a_command_may_clean_up_and_choose_its_exit_code() {
    let seen = check_kill("sleep 1000 & trap 'echo bye; exit 3' TERM; echo ready; wait", LONG, Ended::Exited(3)).await;
    assert_eq!(seen.text(), "ready\nbye\n");
}

#[tokio::test]
async fn each_process_gets_sigterm_once() {
    let script = "trap 'echo term' TERM; echo ready; while :; do sleep 1000 & wait; done";
    let seen = check_kill(script, SHORT, Ended::Signalled(9)).await;
    assert_eq!(seen.text(), "ready\nterm\n");
}

#[tokio::test]
async fn what_ignores_sigterm_is_killed_after_the_grace() {
    let seen = check_kill("trap '' TERM; sleep 1000 & echo ready; wait", SHORT, Ended::Signalled(9)).await;
    assert_eq!(seen.end.survivors, 1);
    let seen = check_kill("trap '' TERM; echo ready; while :; do :; done", Duration::ZERO, Ended::Signalled(9)).await;
    assert_eq!(seen.end.survivors, 0);
    // The leader goes at once, a daemon of it does not want to.
    let daemon = "trap '' TERM; setsid sleep 1000 & trap - TERM; echo ready; exec sleep 1000";
    let seen = check_kill(daemon, SHORT, Ended::Signalled(15)).await;
    assert_eq!(seen.end.survivors, 1);
}

#[tokio::test]
async fn stopped_processes_die_too() {
    check_kill("sleep 1000 & kill -STOP $!; echo ready; wait", LONG, Ended::Signalled(15)).await;
    check_kill("setsid sleep 1000 & kill -STOP $!; echo ready; wait", LONG, Ended::Signalled(15)).await;
    check_kill("echo ready; kill -STOP $$", LONG, Ended::Signalled(15)).await;
    check_kill("trap '' TERM; echo ready; kill -STOP $$; sleep 1000", SHORT, Ended::Signalled(9)).await;
}

#[tokio::test]
async fn what_a_command_leaves_behind_ends_with_it() {
    for (script, survivors) in [
        ("sleep 1000 & exit 5", 1),
        ("setsid sleep 1000 & exit 5", 1),
        ("(setsid sleep 1000 &) ; sleep 1000 & exit 5", 2),
        ("(trap '' TERM HUP; sleep 1000) & exit 5", 2),
        ("sleep 1000 & kill -STOP $!; exit 5", 1),
        ("sleep 1000 >/dev/null 2>&1 & exit 5", 1),
    ] {
        let seen = Scene::shell(script).run().await;
        assert_gone(&seen, &Ended::Exited(5));
        assert!(seen.end.survivors <= survivors && seen.end.survivors > 0, "{script}: {:?}", seen.end);
    }
}

#[tokio::test]
async fn a_storm_of_forks_is_put_out() {
    let grow = "f() { [ $1 = 0 ] && sleep 1000; f $(($1-1)) & f $(($1-1)) & wait; }";
    check_kill(&format!("{grow}; echo ready; f 7"), SHORT, Ended::Signalled(15)).await;
    check_kill(&format!("trap '' TERM; {grow}; echo ready; f 7"), SHORT, Ended::Signalled(9)).await;
}

fn script_file(dir: &Path, body: &str) -> PathBuf {
    let file = dir.join("script");
    fs::write(&file, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file
}

#[tokio::test]
async fn a_storm_of_sessions_is_put_out() {
    let dir = tempfile::tempdir().unwrap();
    let grow = "[ $1 = 0 ] && exec sleep 1000; setsid \"$0\" $(($1-1)) & setsid \"$0\" $(($1-1)) & wait";
    let storm = script_file(dir.path(), &format!("trap '' TERM; {grow}"));
    let script = format!("{} 6 & echo ready; exec sleep 1000", storm.display());
    check_kill(&script, SHORT, Ended::Signalled(15)).await;
    check_kill(&script, Duration::ZERO, Ended::Signalled(15)).await;
}

#[tokio::test]
async fn a_daemon_that_keeps_forking_away_is_caught() {
    let dir = tempfile::tempdir().unwrap();
    let hop = script_file(dir.path(), "trap '' TERM; setsid \"$0\" & exit 0");
    let script = format!("{} & echo ready; sleep 1000", hop.display());
    check_kill(&script, SHORT, Ended::Signalled(15)).await;
    let seen = Scene::shell(&format!("{} ; exit 4", hop.display())).run().await;
    assert_gone(&seen, &Ended::Exited(4));
}

#[tokio::test]
async fn letting_go_of_a_command_kills_it() {
    let scene = Scene::shell("trap '' TERM; setsid sleep 1000 & sleep 1000");
    let (command, output) = spawn(&scene.launch).unwrap();
    eventually("both sleeps run", || scene.sleeps() == 2).await;
    drop((command, output));
    scene.wait_until_nothing_is_alive().await;
}

#[tokio::test]
async fn a_command_that_stops_its_helper_is_killed_all_the_same() {
    check_kill("kill -STOP $PPID; echo ready; sleep 1000", LONG, Ended::Signalled(15)).await;
}

#[tokio::test]
async fn a_command_that_kills_its_helper_is_lost_and_its_session_killed() {
    let seen = Scene::shell("sleep 1000 & setsid true; kill -KILL $PPID; sleep 1000").run().await;
    assert_gone(&seen, &Ended::Lost);
}

#[tokio::test]
async fn a_kill_can_be_sharpened_and_repeated_and_come_late() {
    let scene = Scene::shell("trap '' TERM; echo ready; sleep 1000");
    let (mut command, output) = spawn(&scene.launch).unwrap();
    eventually("the command runs", || scene.sleeps() == 1).await;
    command.kill(LONG);
    command.kill(Duration::ZERO);
    assert_eq!(command.ended().now_or_never(), None);
    command.kill_now();
    let end = command.ended().await;
    assert_eq!(end.ended, Ended::Signalled(9));
    assert_eq!(scene.alive(), Vec::<String>::new());

    command.kill(LONG);
    command.kill_now();
    assert_eq!(command.ended().await, end);
    drop(output);
}

#[tokio::test]
async fn waiting_for_the_end_may_be_given_up_and_taken_up_again() {
    let scene = Scene::shell("exit 9");
    let (mut command, output) = spawn(&scene.launch).unwrap();
    let mut end = None;
    eventually("the command has ended", || {
        end = command.ended().now_or_never();
        end.is_some()
    })
    .await;
    assert_eq!(end, Some(CommandEnd { ended: Ended::Exited(9), survivors: 0, out_of_reach: 0 }));
    drop(output);
}
