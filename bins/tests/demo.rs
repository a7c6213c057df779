//! `llmx demo`, from outside: what it shows, what it proves, and what it leaves behind.
#![expect(clippy::unwrap_used, reason = "a set-up that fails must fail its test")]

use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

fn demo() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llmx"));
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    command.arg("demo");
    command
}

/// What it printed, if it ended with this code.
#[track_caller]
fn printed(output: &Output, exit_code: i32) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit_code), "{text}\n{errors}");
    text
}

/// A directory in which a program of this name is found before the real one.
fn shim(name: &str, script: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(name);
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

fn path_with(directory: &Path) -> String {
    format!("{}:{}", directory.display(), std::env::var("PATH").unwrap())
}

/// The directory that a run says it works in.
fn directory_in(text: &str) -> &Path {
    let (_, rest) = text.split_once("They work in ").unwrap();
    Path::new(rest.split_once(',').unwrap().0)
}

#[track_caller]
fn assert_in_order(text: &str, expected: &[&str]) {
    let mut rest = text;
    for words in expected {
        let Some((_, after)) = rest.split_once(words) else {
            panic!("`{words}` is missing, or too early, in\n{text}");
        };
        rest = after;
    }
}

#[test]
fn both_flows_are_played_and_every_check_holds() {
    let text = printed(&demo().output().unwrap(), 0);
    assert_in_order(
        &text,
        &[
            "The model is replayed",
            "They work in",
            "1. Approve a command",
            "sh test.sh: exit code 1",
            "→ c1   configure_session         approval untrusted",
            "← c1   session_configured",
            "→ u1   user_input",
            "← u1   task_started",
            "← u1   exec_approval_request     sh test.sh",
            "→ a1   exec_approval             approved_for_session",
            "← u1   exec_command_begin        sh test.sh",
            "← u1   exec_command_output_delta FAIL: expected 'Hello, world!'",
            "← u1   exec_command_end          exit code 1",
            "← u1   turn_complete             bookmark resp_1",
            "← u1   apply_patch_approval_request greet.sh ?",
            "→ a2   patch_approval            approved",
            "← u1   patch_apply_begin         greet.sh",
            "← u1   patch_apply_end           applied",
            "← u1   turn_diff",
            "← u1   turn_complete             bookmark resp_2",
            "← u1   exec_command_begin        sh test.sh",
            "← u1   exec_command_output_delta PASS",
            "← u1   agent_message             Fixed",
            "← u1   task_complete",
            "sh test.sh: exit code 0",
            "2. Interrupt a long command",
            "→ c1   configure_session         approval never",
            "← u1   turn_complete             bookmark resp_1",
            "← u1   exec_command_begin        sh soak.sh",
            "→ i1   interrupt",
            "← u1   turn_aborted              interrupted",
            "← u1   error                     interrupted",
            "→ u2   user_input",
            "going on from resp_1",
            "← u2   task_started",
            "← u2   exec_command_end          exit code 0",
            "← u2   agent_message",
            "← u2   task_complete",
            "Checks",
            "All 15 checks hold.",
        ],
    );
    assert!(!text.contains('✗') && !text.contains('\x1b'), "{text}");
    assert!(!directory_in(&text).exists(), "{text}");
}

#[test]
fn raw_lines_are_json_and_colours_can_be_asked_for() {
    let output = demo().args(["--raw", "--fast"]).env("CLICOLOR_FORCE", "1").output().unwrap();
    let text = printed(&output, 0);
    assert!(text.contains("\x1b[32m✓"), "{text}");
    let plain = ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m"]
        .iter()
        .fold(text, |text, code| text.replace(code, ""));
    assert!(!plain.contains('\x1b'), "{plain}");
    let lines = |arrow: &str| plain.lines().filter_map(|line| line.strip_prefix(arrow)).collect::<Vec<_>>();
    let (sent, heard) = (lines("→ {"), lines("← {"));
    let is_json = |line: &&str| serde_json::from_str::<serde_json::Value>(&format!("{{{line}")).is_ok();
    assert!(sent.iter().chain(&heard).all(is_json), "{plain}");
    assert_eq!(sent.len(), 4 + 4, "{sent:?}");
    assert!(heard.iter().filter(|line| line.contains("agent_message_delta")).count() > 10, "{heard:?}");
}

/// To the engine's commands, and not to the demo's own, the test fails whatever is fixed: the model's recording ends.
#[test]
fn a_fix_that_does_not_fix_is_reported() {
    let fails = "echo \"FAIL: expected 'Hello, world!', got 'Hello, !'\"; exit 1";
    let lazy = shim("sh", &format!("if [ -n \"$LLMX_HOME\" ]; then {fails}; fi; exec /bin/sh \"$@\""));
    let text = printed(&demo().env("PATH", path_with(lazy.path())).output().unwrap(), 1);
    assert_in_order(
        &text,
        &[
            "expects a request that contains",
            "PASS: Hello, world!",
            "✓ the test fails at first",
            "✗ the test failed and then passed for the model, too",
            "✓ greet.sh is changed",
            "✓ the test passes now",
        ],
    );
    assert!(text.contains("checks do not hold."), "{text}");
}

/// The engine's test never ends: the demo is in the middle of something when the signal comes.
#[test]
fn nothing_is_left_when_the_demo_is_terminated() {
    let stuck = shim("sh", "if [ -n \"$LLMX_HOME\" ]; then sleep 300; fi; exec /bin/sh \"$@\"");
    let mut child = demo().env("PATH", path_with(stuck.path())).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut text = String::new();
    while !text.contains("exec_command_begin        sh test.sh") {
        text += &(lines.next().unwrap().unwrap() + "\n");
    }
    let shim = stuck.path().join("sh").display().to_string();
    wait_until("the command runs", || is_running(&shim));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    wait_until("the command is gone", || !is_running(&shim));
    assert!(!directory_in(&text).exists(), "{text}");
}

/// Whether a process has this among its words.
fn is_running(word: &str) -> bool {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let words = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    words.into_iter().any(|words| words.split(|byte| *byte == 0).any(|found| found == word.as_bytes()))
}

#[track_caller]
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
