//! What becomes of the model's patches: who is asked, what is written, and what is left when somebody dies over one.

use llmx_tests::world::{Event, ModelServer, Response, Setup, Ui, Workspace, kinds, processes, responses::patch};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
    time::Duration,
};
use tempfile::TempDir;

/// A session whose model makes these calls and is then done.
async fn session(calls: Response, setup: impl FnOnce(Setup) -> Setup) -> (Ui, ModelServer) {
    let done = Response::of("resp_done").says(&["Done."]).completed();
    let server = ModelServer::start([calls.completed(), done]).await;
    (setup(Setup::with(&server)).start(), server)
}

/// Writable is only the workspace.
fn workspace_write() -> Value {
    json!({"mode": "workspace-write", "exclude_slash_tmp": true, "exclude_tmpdir_env_var": true})
}

fn patch_events(events: &[Event]) -> Vec<&str> {
    let is_named = |kind: &&str| kind.contains("patch") || kind.contains("approval") || *kind == "turn_diff";
    kinds(events).into_iter().filter(is_named).collect()
}

fn of_kind<'a>(events: &'a [Event], kind: &str) -> &'a Event {
    events.iter().find(|event| event.kind() == kind).unwrap_or_else(|| panic!("no {kind}: {events:?}"))
}

/// Every file below a directory, with its text.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap().display().to_string();
                found.insert(name, fs::read(&path).unwrap_or_default());
            }
        }
    }
    found
}

const EVERYTHING: &str = "*** Add File: new/deep/file.txt\n+new\n\
    *** Update File: a.txt\n@@\n one\n-two\n+2\n\
    *** Update File: b.txt\n*** Move to: moved.txt\n-b\n+B\n\
    *** Delete File: gone.txt\n";

fn ground() -> Workspace {
    let workspace = Workspace::empty();
    workspace.write("a.txt", "one\ntwo\n");
    workspace.write("b.txt", "b\n");
    workspace.write("gone.txt", "gone\n");
    workspace
}

#[tokio::test]
async fn a_patch_is_applied_under_every_policy_that_writes() {
    for sandbox in [workspace_write(), json!({"mode": "danger-full-access"})] {
        let calls = Response::of("resp_1").patches("call_1", EVERYTHING);
        let (mut ui, server) = session(calls, |setup| setup.workspace(ground())).await;
        fs::set_permissions(ui.workspace.at("a.txt"), fs::Permissions::from_mode(0o755)).unwrap();
        ui.configure(json!({"sandbox_policy": sandbox})).await;
        let events = ui.task("u1", "go").await;
        assert_eq!(patch_events(&events), ["patch_apply_begin", "patch_apply_end", "turn_diff"], "{}", ui.story());
        let begin = of_kind(&events, "patch_apply_begin");
        assert_eq!(begin.msg["auto_approved"], true);
        let changes = begin.msg["changes"].as_object().unwrap();
        assert_eq!(changes.len(), 4);
        assert_eq!(changes[ui.workspace.at("gone.txt").to_str().unwrap()], json!({"delete": {"content": "gone\n"}}));
        let said = "Success. Updated the following files:\nA new/deep/file.txt\nM a.txt\nM moved.txt\nD gone.txt\n";
        let end = of_kind(&events, "patch_apply_end");
        assert_eq!((end.text("stdout"), end.text("stderr"), &end.msg["success"]), (said, "", &json!(true)));
        let diff = of_kind(&events, "turn_diff");
        assert!(diff.text("unified_diff").contains("--- a/a.txt\n+++ b/a.txt\n"), "{diff:?}");

        let expected = [("a.txt", "one\n2\n"), ("moved.txt", "B\n"), ("new/deep/file.txt", "new\n")];
        let expected = expected.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
        assert_eq!(files(ui.workspace.path()), BTreeMap::from(expected));
        assert_eq!(fs::metadata(ui.workspace.at("a.txt")).unwrap().mode() & 0o777, 0o755);
        let output = server.request(2).await.command_output("call_1");
        assert_eq!((output["output"].as_str(), &output["metadata"]["exit_code"]), (Some(said), &json!(0)));
        ui.ends_with(0).await;
    }
}

#[tokio::test]
async fn a_patch_may_come_as_a_function_a_freeform_call_or_a_command() {
    let body = "*** Add File: new.txt\n+x\n";
    let heredoc = format!("cd sub && apply_patch <<'EOF'\n{}\nEOF\n", patch(body));
    for (calls, model, name) in [
        (Response::of("r").patches("call_1", body), "scripted", "new.txt"),
        (Response::of("r").calls_freeform("call_1", "apply_patch", &patch(body)), "gpt-5-llmx", "new.txt"),
        (Response::of("r").runs("call_1", &["apply_patch", &patch(body)]), "scripted", "new.txt"),
        (Response::of("r").runs("call_1", &["bash", "-lc", &heredoc]), "gpt-5-llmx", "sub/new.txt"),
    ] {
        let (mut ui, server) = session(calls, |setup| setup.setting("model", &format!("'{model}'"))).await;
        ui.workspace.write("sub/.keep", "");
        ui.configure(json!({"sandbox_policy": workspace_write()})).await;
        let events = ui.task("u1", "go").await;
        assert_eq!(patch_events(&events), ["patch_apply_begin", "patch_apply_end", "turn_diff"], "{}", ui.story());
        assert!(!kinds(&events).contains(&"exec_command_begin"));
        assert_eq!(ui.workspace.read(name), "x\n");
        let request = server.request(2).await;
        let tools = request.body["tools"].as_array().unwrap();
        let offered = tools.iter().find(|tool| tool["name"] == "apply_patch").unwrap();
        let output = request.output_of("call_1");
        if model == "scripted" {
            assert_eq!(offered["type"], "function");
            assert_eq!(request.command_output("call_1")["metadata"]["exit_code"], 0);
        } else {
            assert_eq!((&offered["type"], &offered["format"]["syntax"]), (&json!("custom"), &json!("lark")));
            assert!(output.starts_with("Exit code: 0\nWall time: "), "{output}");
            assert!(output.contains(" seconds\nOutput:\nSuccess. Updated the following files:\nA new.txt"), "{output}");
        }
        ui.ends_with(0).await;
    }
}

#[tokio::test]
async fn nothing_is_written_before_a_person_allows_it() {
    for (decision, end, expected) in [
        ("approved", "task_complete", "x\n"),
        ("approved_for_session", "task_complete", "x\n"),
        ("denied", "task_complete", ""),
        ("abort", "error", ""),
    ] {
        let calls = Response::of("resp_1").patches("call_1", "*** Add File: new.txt\n+x\n");
        let (mut ui, server) = session(calls, |setup| setup).await;
        ui.configure(json!({"approval_policy": "untrusted", "sandbox_policy": workspace_write()})).await;
        ui.say("u1", "go").await;
        let asked = ui.until("apply_patch_approval_request").await;
        assert_eq!((asked.id.as_str(), asked.text("call_id")), ("u1", "call_1"));
        let change = &asked.msg["changes"][ui.workspace.at("new.txt").to_str().unwrap()];
        assert_eq!(change, &json!({"add": {"content": "x\n"}}));
        assert_eq!(files(ui.workspace.path()), BTreeMap::new());
        // A command's answer is none for a patch.
        ui.decide("u1", "approved").await;
        assert_eq!(ui.until("error").await.id, "approved u1");
        assert_eq!(files(ui.workspace.path()), BTreeMap::new());
        ui.decide_patch("u1", decision).await;
        let events = ui.until_the_end_of("u1").await;
        assert_eq!(events.last().unwrap().kind(), end, "{decision}: {}", ui.story());
        assert_eq!(fs::read_to_string(ui.workspace.at("new.txt")).unwrap_or_default(), expected, "{decision}");
        if decision == "denied" {
            assert_eq!(patch_events(&events), [""; 0]);
            assert_eq!(server.request(2).await.output_of("call_1"), "patch rejected by user");
        }
        // Once more is too late.
        ui.decide_patch("u1", "approved").await;
        let late = ui.until("error").await;
        assert!(late.text("message").starts_with("no approval of a patch is open for `u1`"), "{late:?}");
        ui.ends_with(0).await;
    }
}

#[tokio::test]
async fn a_file_that_was_approved_for_the_session_is_not_asked_about_again() {
    let server = ModelServer::start([
        Response::of("resp_1").patches("call_1", "*** Add File: new.txt\n+x\n").completed(),
        Response::of("resp_2").patches("call_2", "*** Update File: new.txt\n-x\n+y\n").completed(),
        Response::of("resp_3").patches("call_3", "*** Add File: other.txt\n+x\n").completed(),
    ])
    .await;
    let mut ui = Setup::with(&server).start();
    ui.configure(json!({"approval_policy": "untrusted", "sandbox_policy": workspace_write()})).await;
    ui.say("u1", "go").await;
    ui.until("apply_patch_approval_request").await;
    ui.decide_patch("u1", "approved_for_session").await;
    let asked = ui.until("apply_patch_approval_request").await;
    assert_eq!(asked.text("call_id"), "call_3");
    assert_eq!(ui.workspace.read("new.txt"), "y\n");
    ui.interrupt().await;
    ui.until_the_end_of("u1").await;
    ui.ends_with(0).await;
}

/// A patch of this body under this approval policy, in a workspace with some ways out; what is asked, and what the model
/// is told if nothing is.
async fn check_way_out(outside: &Path, body: &str, ask: &str) -> Result<Event, String> {
    let (mut ui, server) =
        session(Response::of("resp_1").patches("call_1", body), |setup| setup.workspace(ground())).await;
    ui.workspace.write(".git/config", "[core]\n");
    ui.workspace.write("nested/.git/config", "[core]\n");
    symlink(outside, ui.workspace.at("out")).unwrap();
    symlink(outside.join("secret.txt"), ui.workspace.at("link.txt")).unwrap();
    let before = files(ui.workspace.path());
    ui.configure(json!({"approval_policy": ask, "sandbox_policy": workspace_write()})).await;
    ui.say("u1", "go").await;
    let mut asked = None;
    loop {
        let event = ui.next().await;
        if event.kind() == "apply_patch_approval_request" {
            asked = Some(event);
            ui.decide_patch("u1", "denied").await;
        } else if event.ends_a_task() {
            break;
        } else {
            assert!(!event.kind().contains("patch"), "{body}: {}", ui.story());
        }
    }
    assert_eq!(files(ui.workspace.path()), before, "{body}");
    let told = server.request(2).await.output_of("call_1").to_owned();
    ui.ends_with(0).await;
    asked.ok_or(told)
}

#[tokio::test]
async fn no_way_out_of_the_workspace_goes_unasked() {
    let outside = TempDir::with_prefix("llmx-outside-").unwrap();
    let outside = fs::canonicalize(outside.path()).map(|path| (path, outside)).unwrap();
    let (outside, _kept) = outside;
    fs::write(outside.join("secret.txt"), "secret\n").unwrap();
    let at = |name: &str| outside.join(name).display().to_string();
    let ways = [
        (format!("*** Add File: {}\n+x\n", at("new.txt")), at("new.txt")),
        (format!("*** Add File: ../{}/new.txt\n+x\n", outside.file_name().unwrap().display()), at("new.txt")),
        ("*** Add File: out/new.txt\n+x\n".into(), at("new.txt")),
        ("*** Add File: out/deep/new.txt\n+x\n".into(), at("deep/new.txt")),
        ("*** Update File: out/secret.txt\n-secret\n+x\n".into(), at("secret.txt")),
        ("*** Update File: link.txt\n-secret\n+x\n".into(), at("secret.txt")),
        ("*** Delete File: out/secret.txt\n".into(), at("secret.txt")),
        ("*** Update File: a.txt\n*** Move to: out/a.txt\n".into(), at("a.txt")),
        ("*** Update File: .git/config\n+x\n".into(), "/.git/config".into()),
        ("*** Add File: .git/hooks/pre-commit\n+x\n".into(), "/.git/hooks/pre-commit".into()),
        ("*** Update File: nested/.git/config\n+x\n".into(), "/nested/.git/config".into()),
        ("*** Add File: .llmx/config.toml\n+x\n".into(), "/.llmx/config.toml".into()),
    ];
    for (body, path) in ways {
        let asked = check_way_out(&outside, &body, "on-request").await.unwrap_or_else(|told| panic!("{body}: {told}"));
        let reason = asked.text("reason");
        assert!(reason.starts_with("writes where sandbox policy workspace-write does not let it: "), "{reason}");
        assert!(reason.ends_with(&path), "{body}: {reason}");
        let told = check_way_out(&outside, &body, "never").await.unwrap_err();
        assert_eq!(told, "patch rejected: writing outside of the project; rejected by user approval settings");
    }
    assert_eq!(files(&outside), BTreeMap::from([("secret.txt".into(), b"secret\n".to_vec())]));
}

/// What a patch would change is shown and kept in the journal, which commands read.
#[tokio::test]
async fn a_patch_shows_nothing_that_commands_cannot_read() {
    for (body, why) in [
        ("*** Delete File: home/auth.json\n", "it holds llmx's credentials"),
        ("*** Update File: home/auth.json\n*** Move to: copy\n@@\n+x\n", "it holds llmx's credentials"),
        ("*** Update File: auth.json\n@@\n+x\n", "it holds llmx's credentials"),
        ("*** Delete File: /proc/self/environ\n", "Failed to read file /proc/self/environ"),
    ] {
        let (mut ui, server) = session(Response::of("resp_1").patches("call_1", body), |setup| {
            setup.file("auth.json", "{\"OPENAI_API_KEY\": \"hunter2\"}").variable("WORK_PW", "hunter2")
        })
        .await;
        symlink(ui.home(), ui.workspace.at("home")).unwrap();
        symlink(ui.home().join("auth.json"), ui.workspace.at("auth.json")).unwrap();
        ui.configure(json!({"approval_policy": "on-request", "sandbox_policy": workspace_write()})).await;
        let events = ui.task("u1", "go").await;
        assert_eq!(events.last().unwrap().kind(), "task_complete", "{body}: {}", ui.story());
        let told = server.request(2).await.output_of("call_1").to_owned();
        assert!(told.contains(why), "{body}: {told}");
        let sessions = files(&ui.home().join("sessions"));
        assert!(sessions.values().all(|journal| !String::from_utf8_lossy(journal).contains("hunter2")), "{body}");
        assert!(!ui.story().contains("hunter2"), "{body}");
        ui.ends_with(0).await;
    }
}

#[tokio::test]
async fn what_a_person_allows_outside_of_the_workspace_is_done() {
    let outside = TempDir::with_prefix("llmx-outside-").unwrap();
    fs::write(outside.path().join("secret.txt"), "secret\n").unwrap();
    let calls = Response::of("resp_1").patches("call_1", "*** Update File: link.txt\n-secret\n+open\n");
    let (mut ui, _server) = session(calls, |setup| setup).await;
    symlink(outside.path().join("secret.txt"), ui.workspace.at("link.txt")).unwrap();
    ui.configure(json!({"approval_policy": "on-request", "sandbox_policy": workspace_write()})).await;
    ui.say("u1", "go").await;
    ui.until("apply_patch_approval_request").await;
    ui.decide_patch("u1", "approved").await;
    let events = ui.until_the_end_of("u1").await;
    assert_eq!(of_kind(&events, "patch_apply_begin").msg["auto_approved"], false);
    assert_eq!(fs::read_to_string(outside.path().join("secret.txt")).unwrap(), "open\n");
    assert!(ui.workspace.at("link.txt").is_symlink());
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_patch_that_does_not_fit_changes_nothing_and_says_where() {
    let cases = [
        ("*** Update File: a.txt\n@@\n-three\n+3\n", "Failed to find expected lines in a.txt:\nthree"),
        ("*** Update File: a.txt\n@@ nowhere\n-one\n+1\n", "Failed to find context 'nowhere' in a.txt"),
        ("*** Delete File: missing.txt\n", "Failed to delete file missing.txt"),
        ("*** Update File: latin1.txt\n+x\n", "it is not UTF-8 text"),
        ("*** Add File: a.txt\n+x\n", "it exists already"),
    ];
    for (last, words) in cases {
        let body = format!("*** Add File: first.txt\n+x\n*** Update File: b.txt\n-b\n+c\n{last}");
        let calls = Response::of("resp_1").patches("call_1", &body);
        let (mut ui, server) = session(calls, |setup| setup.workspace(ground())).await;
        fs::write(ui.workspace.at("latin1.txt"), b"caf\xe9\n").unwrap();
        let before = files(ui.workspace.path());
        ui.configure(json!({})).await;
        let events = ui.task("u1", "go").await;
        assert_eq!(patch_events(&events), [""; 0], "{body}");
        let told = server.request(2).await.output_of("call_1").to_owned();
        assert!(told.starts_with("apply_patch verification failed: ") && told.contains(words), "{told}");
        assert_eq!(files(ui.workspace.path()), before, "{body}");
        ui.ends_with(0).await;
    }
}

#[tokio::test]
async fn a_file_that_changes_while_a_person_thinks_is_not_overwritten() {
    let calls = Response::of("resp_1").patches("call_1", EVERYTHING);
    let (mut ui, server) = session(calls, |setup| setup.workspace(ground())).await;
    ui.configure(json!({"approval_policy": "untrusted", "sandbox_policy": workspace_write()})).await;
    ui.say("u1", "go").await;
    ui.until("apply_patch_approval_request").await;
    ui.workspace.write("a.txt", "one\ntwo\nthree\n");
    let before = files(ui.workspace.path());
    ui.decide_patch("u1", "approved").await;
    let end = ui.until("patch_apply_end").await;
    assert_eq!(end.msg["success"], false);
    assert!(end.text("stderr").contains("a.txt has changed since the patch was read"), "{end:?}");
    assert_eq!(files(ui.workspace.path()), before);
    let output = server.request(2).await.command_output("call_1");
    assert_eq!(output["metadata"]["exit_code"], 1);
    ui.until_the_end_of("u1").await;
    ui.ends_with(0).await;
}

/// In the sandbox nobody has root's power over a directory that may not be written.
#[tokio::test]
async fn a_write_that_fails_half_way_leaves_every_byte() {
    let body = "*** Update File: a.txt\n-one\n+1\n*** Update File: locked/b.txt\n-b\n+B\n*** Delete File: gone.txt\n";
    let calls = Response::of("resp_1").patches("call_1", body);
    let (mut ui, server) = session(calls, |setup| setup.workspace(ground())).await;
    ui.workspace.write("locked/b.txt", "b\n");
    fs::set_permissions(ui.workspace.at("locked"), fs::Permissions::from_mode(0o555)).unwrap();
    let before = files(ui.workspace.path());
    ui.configure(json!({"sandbox_policy": workspace_write()})).await;
    let events = ui.task("u1", "go").await;
    let end = of_kind(&events, "patch_apply_end");
    assert_eq!(end.msg["success"], false);
    assert!(end.text("stderr").contains("locked/b.txt: Permission denied"), "{end:?}");
    assert_eq!(files(ui.workspace.path()), before);
    assert!(server.request(2).await.output_of("call_1").contains("no file was changed"));
    ui.ends_with(0).await;
}

/// What fails in the sandbox is asked about under `on-failure`, and then done without, or left.
#[tokio::test]
async fn a_denied_patch_is_tried_again_only_by_a_persons_word() {
    let outside = TempDir::with_prefix("llmx-outside-").unwrap();
    let new = outside.path().join("new.txt");
    for (decision, success) in [("approved", true), ("denied", false)] {
        let calls = Response::of("resp_1").patches("call_1", &format!("*** Add File: {}\n+x\n", new.display()));
        let (mut ui, server) = session(calls, |setup| setup).await;
        ui.configure(json!({"approval_policy": "on-failure", "sandbox_policy": workspace_write()})).await;
        ui.say("u1", "go").await;
        assert_eq!(ui.until("patch_apply_begin").await.msg["auto_approved"], true);
        let asked = ui.next().await;
        assert_eq!((asked.kind(), &asked.msg["command"]), ("exec_approval_request", &json!(["apply_patch"])));
        assert_eq!(asked.text("reason"), "command failed; retry without sandbox?");
        assert!(!new.exists());
        ui.decide("u1", decision).await;
        assert_eq!(ui.until("patch_apply_end").await.msg["success"], success);
        ui.until_the_end_of("u1").await;
        assert_eq!(new.exists(), success);
        let output = server.request(2).await.command_output("call_1");
        assert_eq!(output["metadata"]["exit_code"], i32::from(!success));
        ui.ends_with(0).await;
        let _ = fs::remove_file(&new);
    }
}

const MANY: usize = 60;

fn many_files() -> Workspace {
    let workspace = Workspace::empty();
    for n in 0..MANY {
        workspace.write(&format!("d{}/f{n}", n % 7), &format!("{n}\nold\n").repeat(20));
    }
    workspace
}

/// Changes a third of the files, moves a third, removes a third, and adds as many, some in new directories.
fn patch_of_many_files() -> String {
    let sections = (0..MANY).map(|n| {
        let path = format!("d{}/f{n}", n % 7);
        let section = match n % 3 {
            0 => format!("*** Update File: {path}\n-{n}\n+new {n}\n"),
            1 => format!("*** Update File: {path}\n*** Move to: moved/{n}/f\n-{n}\n+new {n}\n"),
            _ => format!("*** Delete File: {path}\n"),
        };
        format!("{section}*** Add File: d{}/n{n}\n+added {n}\n", n % 11)
    });
    sections.collect()
}

async fn many_files_before_and_after() -> [BTreeMap<String, Vec<u8>>; 2] {
    let calls = Response::of("resp_1").patches("call_1", &patch_of_many_files());
    let (mut ui, _server) = session(calls, |setup| setup.workspace(many_files())).await;
    let before = files(ui.workspace.path());
    ui.configure(json!({"sandbox_policy": workspace_write()})).await;
    let events = ui.task("u1", "go").await;
    assert_eq!(of_kind(&events, "patch_apply_end").msg["success"], true, "{}", ui.story());
    let after = files(ui.workspace.path());
    ui.ends_with(0).await;
    [before, after]
}

/// The moments are spread over the time that it takes, and every one of them must do: none is waited for.
#[tokio::test]
async fn an_engine_that_dies_over_a_patch_leaves_all_of_it_or_nothing_to_the_next() {
    let states = many_files_before_and_after().await;
    let mut journals = 0;
    let mut seen = [0, 0];
    for n in 0..20 {
        let calls = Response::of("resp_1").patches("call_1", &patch_of_many_files());
        let (mut ui, _server) = session(calls, |setup| setup.workspace(many_files())).await;
        ui.configure(json!({"sandbox_policy": workspace_write()})).await;
        ui.say("u1", "go").await;
        ui.until("patch_apply_begin").await;
        tokio::time::sleep(Duration::from_micros(1000 * n)).await;
        let remains = ui.dies().await;
        journals += usize::from(remains.hold_a_journal());

        let calls = Response::of("resp_2").runs("call_2", &["true"]);
        let (mut ui, _server) = session(calls, |setup| setup.in_place_of(remains)).await;
        ui.configure(json!({"sandbox_policy": workspace_write()})).await;
        ui.task("u2", "go").await;
        let found = files(ui.workspace.path());
        let state = states.iter().position(|state| *state == found);
        seen[state.unwrap_or_else(|| panic!("death {n}: neither the one nor the other: {:?}", found.keys()))] += 1;
        let remains = ui.dies().await;
        assert!(!remains.hold_a_journal(), "death {n}");
    }
    assert!(journals > 0, "no death was in time: {seen:?}");
}

#[tokio::test]
async fn an_engine_that_lives_makes_the_best_of_a_patch_whose_process_is_killed() {
    let states = many_files_before_and_after().await;
    let mut killed = 0;
    for n in 0..10 {
        let calls = Response::of("resp_1").patches("call_1", &patch_of_many_files());
        let (mut ui, _server) = session(calls, |setup| setup.workspace(many_files())).await;
        ui.configure(json!({"sandbox_policy": workspace_write()})).await;
        ui.say("u1", "go").await;
        ui.until("patch_apply_begin").await;
        tokio::time::sleep(Duration::from_micros(1500 * n)).await;
        let below = |process: &processes::Process| processes::is_below(process.pid, ui.pid());
        for process in processes::named("--llmx-apply-patch-journal").into_iter().filter(below) {
            killed += usize::from(kill_process(Pid::from_raw(process.pid).unwrap(), Signal::KILL).is_ok());
        }
        let events = ui.until_the_end_of("u1").await;
        let success = of_kind(&events, "patch_apply_end").msg["success"] == true;
        assert_eq!(events.last().unwrap().kind(), "task_complete");
        assert!(files(ui.workspace.path()) == states[usize::from(success)], "kill {n}: {}", ui.story());
        assert!(!ui.dies().await.hold_a_journal());
    }
    assert!(killed > 0, "no kill was in time");
}

#[tokio::test]
async fn an_interrupt_during_a_patch_ends_cleanly() {
    let states = many_files_before_and_after().await;
    for n in 0..5 {
        let calls = Response::of("resp_1").patches("call_1", &patch_of_many_files());
        let (mut ui, _server) = session(calls, |setup| setup.workspace(many_files())).await;
        ui.configure(json!({"sandbox_policy": workspace_write()})).await;
        ui.say("u1", "go").await;
        ui.until("patch_apply_begin").await;
        tokio::time::sleep(Duration::from_micros(2000 * n)).await;
        ui.interrupt().await;
        let events = ui.until_the_end_of("u1").await;
        let success = of_kind(&events, "patch_apply_end").msg["success"] == true;
        assert!(files(ui.workspace.path()) == states[usize::from(success)], "interrupt {n}: {}", ui.story());
        ui.ends_with(0).await;
    }
}
