//! Where the sandbox cannot be what it promises, nothing runs, and the reason is said.

use crate::ground::{Ground, Policy, Who, text};
use std::process::Output;

/// `llmx sandbox` did not run the command.
const NOT_CONFINED: Option<i32> = Some(125);

fn assert_refused(output: &Output, why: &str) {
    let seen = text(output);
    assert!(output.status.code() == NOT_CONFINED && seen.contains(why) && !seen.contains("ran"), "{why}: {seen}");
}

#[test]
fn a_root_that_gives_everything_away_is_refused() {
    for &who in Who::everybody() {
        let ground = Ground::new(who);
        let home = ground.at("home").display().to_string();
        for (name, value, why) in [
            ("TMPDIR", "/".to_owned(), "$TMPDIR (/) holds the user's home"),
            ("TMPDIR", home.clone(), "holds the user's home"),
            ("TMPDIR", format!("{home}/../home/."), "holds the user's home"),
            ("TMPDIR", "/proc/self".to_owned(), "belongs to the kernel"),
            ("TMPDIR", "/dev".to_owned(), "belongs to the kernel"),
        ] {
            assert_refused(&ground.shell(Policy::Workspace, "echo ran").env(name, &value).output().unwrap(), why);
        }
        for cwd in ["home", "", "home/.llmx"] {
            let mut command = ground.llmx(Policy::Workspace);
            command.arg("--cwd").arg(ground.at(cwd)).args(["--", "echo", "ran"]);
            assert_refused(&command.output().unwrap(), "home");
        }
        let mut command = ground.llmx(Policy::Workspace);
        assert_refused(&command.args(["--cwd", "/", "--", "echo", "ran"]).output().unwrap(), "holds the user's home");
    }
}

#[test]
fn a_home_in_slash_tmp_stays_read_only_and_a_workspace_in_it_does_not() {
    for &who in Who::everybody() {
        let home = tempfile::TempDir::with_prefix_in("llmx-home-", "/tmp").unwrap();
        let ground = Ground::new(who);
        let uid = if who == Who::Nobody { Some(crate::ground::NOBODY) } else { None };
        std::fs::create_dir(home.path().join("project")).unwrap();
        for path in [home.path().to_owned(), home.path().join("project")] {
            std::os::unix::fs::chown(path, uid, uid).unwrap();
        }
        let mut command = ground.as_user(&crate::ground::llmx());
        command.args(["sandbox", "--policy", "workspace-write", "--cwd"]).arg(home.path().join("project"));
        command.args(["--", "sh", "-c", "echo x > file; echo evil > $HOME/.profile; mv $HOME ${HOME}2"]);
        let output = command.env("HOME", home.path()).output().unwrap();
        assert!(home.path().join("project/file").exists(), "{who:?}: {}", text(&output));
        assert!(!home.path().join(".profile").exists(), "{who:?}");
    }
}

#[test]
fn what_cannot_be_protected_is_refused() {
    for &who in Who::everybody() {
        for setup in
            ["ln -s ../out $WS/.git", "ln -s /nowhere $WS/.git", "ln -s ../out $WS/.llmx", "ln -s ../out $WS/.agents"]
        {
            let ground = Ground::new(who);
            ground.prepare(setup);
            assert_refused(&ground.run(Policy::Workspace, "echo ran"), "symbolic link");
            assert!(text(&ground.run(Policy::ReadOnly, "echo ran")).contains("ran"));
        }
        let ground = Ground::new(who);
        ground.prepare("echo nonsense > $WS/.git");
        assert_refused(&ground.run(Policy::Workspace, "echo ran"), "cannot read");
    }
}

/// A command can put these in a directory that becomes a session's later: llmx must not wait for whoever left them.
#[test]
fn a_pipe_or_a_lock_that_is_lain_in_wait_is_refused() {
    for &who in Who::everybody() {
        for setup in [
            "mkdir $WS/g; mkfifo $WS/g/commondir; echo 'gitdir: g' > $WS/.git",
            "mkdir $WS/g; mkfifo $WS/p; ln -s ../p $WS/g/commondir; echo 'gitdir: g' > $WS/.git",
        ] {
            let ground = Ground::new(who);
            ground.prepare(setup);
            assert_refused(&ground.run(Policy::Workspace, "echo ran"), "it is no regular file");
        }
        let ground = Ground::new(who);
        ground.prepare("mkdir $WS/.git; chmod 1755 $WS/.git");
        let placeholder = std::fs::File::open(ground.at("ws/.git")).unwrap();
        placeholder.lock().unwrap();
        assert_refused(&ground.run(Policy::Workspace, "echo ran"), "cannot reserve");
        drop(placeholder);
        assert!(text(&ground.run(Policy::Workspace, "echo ran")).contains("ran"), "{who:?}");
    }
}

#[test]
fn this_machine_gives_the_whole_sandbox() {
    for &who in Who::everybody() {
        let output = Ground::new(who).as_user(&crate::ground::llmx()).arg("sandbox").output().unwrap();
        assert_eq!(text(&output), "full\n", "{who:?}");
    }
}
