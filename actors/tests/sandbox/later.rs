//! What runs or is obeyed later, outside of the sandbox.

use crate::ground::{Ground, Policy, Who, check_untouched, text};
use std::fs;
use std::process::Command;

const WRITES: &[Policy] = &[Policy::Workspace];

const A_REPOSITORY: &str = "git init -q $WS";

#[test]
fn an_existing_repository_cannot_be_given_code() {
    for attack in [
        "echo evil > .git/hooks/pre-commit",
        "printf '[core]\\n\\tfsmonitor = evil\\n' >> .git/config",
        "git config core.hooksPath /evil",
        "rm -rf .git; mkdir .git",
        "mv .git old; mkdir .git; echo evil > .git/config",
        "chmod 777 .git/config",
        "ln .git/config mine && echo evil >> mine",
        "cd .git && mv config config2",
        "cp -a . ../ws2; mv $WS ${WS}3; mv ../ws2 $WS",
    ] {
        check_untouched(WRITES, A_REPOSITORY, attack);
    }
}

#[test]
fn a_missing_repository_cannot_be_created() {
    for attack in [
        "mkdir .git && echo evil > .git/config",
        "echo 'gitdir: /evil' > .git",
        "ln -s /evil .git",
        "git init -q .",
        "mkdir evil && mv evil .git",
        "rmdir .git; mkdir .git; touch .git/config",
        "mkdir -p .llmx && echo evil > .llmx/config.toml",
        "mkdir -p .agents && echo evil > .agents/skill",
    ] {
        check_untouched(WRITES, "true", attack);
    }
}

#[test]
fn a_pointer_file_and_its_target_are_read_only() {
    let worktree = "git init -q $WS/main; cd $WS/main; git -c user.name=a -c user.email=a commit -q --allow-empty -m a; git worktree add -q $WS/tree";
    for &who in Who::everybody() {
        for (policy, harmed) in [(Policy::Full, true), (Policy::Workspace, false)] {
            let ground = Ground::new(who);
            ground.prepare(worktree);
            // The session is in the worktree; what it points to is within another root.
            let mut command = ground.llmx(policy);
            command.arg("--cwd").arg(ground.at("ws/tree")).arg("--writable-root").arg(ground.at("ws"));
            let attack = "echo evil > ../main/.git/hooks/post-checkout; echo evil >> ../main/.git/worktrees/tree/config.worktree; echo 'gitdir: /evil' > .git";
            let output = command.args(["--", "sh", "-c", attack]).output().unwrap();
            let pointer = fs::read_to_string(ground.at("ws/tree/.git")).unwrap();
            assert_eq!(pointer.contains("evil"), harmed, "{who:?}: {}", text(&output));
            assert_eq!(ground.at("ws/main/.git/hooks/post-checkout").exists(), harmed, "{who:?}");
            assert_eq!(ground.at("ws/main/.git/worktrees/tree/config.worktree").exists(), harmed, "{who:?}");
        }
    }
}

/// Whoever can lead the way to the git directory elsewhere has a repository of his own there.
#[test]
fn a_way_to_the_repository_that_could_be_led_elsewhere_is_refused() {
    let plant = "mkdir -p evil/g && echo evil > evil/g/config";
    for (setup, attack, read) in [
        ("echo 'gitdir: store/g' > $WS/.git", "mkdir -p store/g && echo evil > store/g/config", "store/g/config"),
        (
            "mkdir -p $WS/real/g; ln -s real $WS/link; echo 'gitdir: link/g' > $WS/.git",
            &format!("{plant}; rm link; ln -s evil link"),
            "link/g/config",
        ),
        (
            "mkdir -p $WS/real/g $WS/a; echo 'gitdir: a/../real/g' > $WS/.git",
            &format!("{plant}; mkdir -p evil/real; mv evil/g evil/real; mkdir evil/b; rmdir a && ln -s evil/b a"),
            "a/../real/g/config",
        ),
        (
            "mkdir -p $WS/real/g; echo 'gitdir: real/g' > $WS/.git",
            &format!("{plant}; mv real old; mv evil real"),
            "real/g/config",
        ),
        (
            "mkdir -p $WS/real/g $WS/shared; echo 'gitdir: real/g' > $WS/.git; echo ../../shared > $WS/real/g/commondir",
            "echo evil > shared/config",
            "shared/config",
        ),
        (
            "git init -q $WS; rm -r $WS/.git/hooks; mkdir $WS/mine; ln -s ../mine $WS/.git/hooks",
            "echo evil > mine/pre-commit",
            "mine/pre-commit",
        ),
        (
            "git init -q $WS; mkdir -p $WS/.git/hooks $WS/mine; echo > $WS/mine/hook; ln -s ../../mine/hook $WS/.git/hooks/pre-commit",
            "echo evil > mine/hook; mv mine old; mkdir mine; echo evil > mine/hook",
            "mine/hook",
        ),
    ] {
        for &who in Who::everybody() {
            for (policy, harmed) in [(Policy::Full, true), (Policy::Workspace, false)] {
                let ground = Ground::new(who);
                ground.prepare(setup);
                let seen = text(&ground.run(policy, attack));
                let planted = fs::read_to_string(ground.at("ws").join(read)).unwrap_or_default();
                assert_eq!(planted.contains("evil"), harmed, "{who:?}, {policy:?}: {attack}: {seen}");
            }
        }
    }
}

#[test]
fn a_workspace_in_another_root_cannot_be_rebuilt_elsewhere() {
    for &who in Who::everybody() {
        for (policy, harmed) in [(Policy::Full, true), (Policy::Workspace, false)] {
            for attack in [
                "mv $WS/a $WS/b && mkdir -p $WS/a/inner/.git && echo evil > $WS/a/inner/.git/config",
                "mv $WS/a/inner $WS/a/b && mkdir -p $WS/a/inner/.git && echo evil > $WS/a/inner/.git/config",
                "mkdir $WS/a/.git && echo evil > $WS/a/.git/config",
                "mkdir $WS/.git && echo evil > $WS/.git/config",
            ] {
                let ground = Ground::new(who);
                ground.prepare("mkdir -p $WS/a/inner");
                let mut command = ground.llmx(policy);
                command.arg("--cwd").arg(ground.at("ws/a/inner")).arg("--writable-root").arg(ground.at("ws"));
                let output = command.args(["--", "sh", "-c", attack]).output().unwrap();
                let planted = ["ws/a/inner/.git/config", "ws/a/.git/config", "ws/.git/config"];
                let planted = planted.iter().any(|path| ground.at(path).exists());
                assert_eq!(planted, harmed, "{who:?}: {attack}: {}", text(&output));
            }
        }
    }
}

/// A command puts a link where the next one has a root: what it leads to would be writable.
#[test]
fn a_root_that_a_command_led_elsewhere_is_refused() {
    let plant = "mkdir -p $HOME/.ssh; mkdir $WS/real; ln -s $WS/real/b $WS/inner; ln -s $HOME/.ssh $WS/real/b; ln -s $HOME/.ssh $WS/b";
    for &who in Who::everybody() {
        for (root, tmpdir, leads) in [
            ("ws/b", None, "a writable root"),
            ("ws/inner", None, "a writable root"),
            ("ws/real/../b", None, "a writable root"),
            ("ws", Some("ws/b"), "$TMPDIR"),
        ] {
            let ground = Ground::new(who);
            ground.prepare("mkdir $HOME/.ssh");
            ground.run(Policy::Workspace, plant);
            let mut command = ground.llmx(Policy::Workspace);
            command.arg("--writable-root").arg(ground.at(root)).args(["--", "sh", "-c", "echo evil > $HOME/.ssh/new"]);
            let command = command.envs(tmpdir.map(|tmpdir| ("TMPDIR", ground.at(tmpdir))));
            let seen = text(&command.output().unwrap());
            assert!(seen.contains(leads) && seen.contains("which commands can change"), "{who:?}, {root}: {seen}");
            assert!(!ground.at("home/.ssh/new").exists(), "{who:?}, {root}");
        }
    }
}

#[test]
fn a_session_whose_directory_a_command_led_elsewhere_is_refused() {
    for &who in Who::everybody() {
        let ground = Ground::new(who);
        ground.prepare("mkdir -p $HOME/.ssh; ln -s $HOME/.ssh $WS/project");
        let mut command = ground.llmx(Policy::Workspace);
        command.arg("--cwd").arg(ground.at("ws/project")).arg("--writable-root").arg(ground.at("ws"));
        let seen = text(&command.args(["--", "sh", "-c", "echo evil > $HOME/.ssh/new"]).output().unwrap());
        assert!(seen.contains("the session's directory") && seen.contains("commands can change"), "{who:?}: {seen}");
        assert!(!ground.at("home/.ssh/new").exists(), "{who:?}");
    }
}

/// What other sessions can replace counts too: their commands write in `/tmp`.
#[test]
fn a_link_in_slash_tmp_is_no_root_and_links_that_stay_or_that_nobody_can_change_are() {
    for &who in Who::everybody() {
        let ground = Ground::new(who);
        ground.prepare("mkdir $WS/real $OUT/root; ln -s real $WS/link; ln -s $OUT/root $OUT/link");
        let shared = tempfile::TempDir::with_prefix_in("llmx-link-", "/tmp").unwrap();
        std::os::unix::fs::symlink(ground.at("out/root"), shared.path().join("link")).unwrap();
        fs::set_permissions(shared.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        for (root, runs) in
            [(ground.at("ws/link"), true), (ground.at("out/link"), true), (shared.path().join("link"), false)]
        {
            let mut command = ground.llmx(Policy::Workspace);
            command
                .arg("--writable-root")
                .arg(&root)
                .args(["--", "sh", "-c", "touch \"$0\"/new && echo ran"])
                .arg(&root);
            let seen = text(&command.output().unwrap());
            assert_eq!(seen.contains("ran"), runs, "{who:?}, {}: {seen}", root.display());
        }
    }
}

/// Of the dynamic linker's variables some name libraries, and this one makes it write a file by itself.
#[test]
fn the_libraries_of_the_command_are_not_loaded_outside() {
    for &who in Who::everybody() {
        for policy in [None, Some(Policy::Workspace), Some(Policy::ReadOnly)] {
            let ground = Ground::new(who);
            let trace = ground.at("out/trace").display().to_string();
            let mut command = match policy {
                None => ground.as_user("true".as_ref()),
                Some(policy) => {
                    let mut command = ground.as_user(&crate::ground::llmx());
                    let set = format!("shell_environment_policy.set={{LD_DEBUG='libs',LD_DEBUG_OUTPUT='{trace}'}}");
                    command.args(["-c", &set, "sandbox"]).args(policy.arguments());
                    command.args(["--", "sh", "-c", "echo to $LD_DEBUG_OUTPUT"]);
                    command
                }
            };
            if policy.is_none() {
                command.env("LD_DEBUG", "libs").env("LD_DEBUG_OUTPUT", &trace);
            }
            let seen = text(&command.output().unwrap());
            let written = fs::read_dir(ground.at("out")).unwrap().count() > 1;
            assert_eq!(written, policy.is_none(), "{who:?}, {policy:?}: {seen}");
            assert_eq!(seen.contains(&format!("to {trace}")), policy.is_some(), "{who:?}, {policy:?}: {seen}");
        }
    }
}

#[test]
fn the_engines_home_is_read_only_also_within_a_root() {
    for &who in Who::everybody() {
        for (policy, harmed) in [(Policy::Full, true), (Policy::Workspace, false)] {
            for home in ["ws/deep/home", "ws/deep/missing"] {
                let ground = Ground::new(who);
                ground.prepare("mkdir -p $WS/deep/home");
                let attack = "mkdir -p $LLMX_HOME; echo evil > $LLMX_HOME/config.toml; mv $WS/deep $WS/moved; mkdir -p $LLMX_HOME && echo evil > $LLMX_HOME/config.toml";
                let output = ground.shell(policy, attack).env("LLMX_HOME", ground.at(home)).output().unwrap();
                assert_eq!(ground.at(home).join("config.toml").exists(), harmed, "{who:?} {home}: {}", text(&output));
            }
        }
    }
}

#[test]
fn the_repository_of_every_root_is_read_only() {
    for &who in Who::everybody() {
        for (policy, harmed) in [(Policy::Full, true), (Policy::Workspace, false)] {
            let ground = Ground::new(who);
            ground.prepare("git init -q $OUT");
            let mut command = ground.llmx(policy);
            command.arg("--writable-root").arg(ground.at("out"));
            let output = command.args(["--", "sh", "-c", "echo evil > $OUT/.git/hooks/pre-commit; echo x > $OUT/new"]);
            let output = output.output().unwrap();
            assert_eq!(ground.at("out/.git/hooks/pre-commit").exists(), harmed, "{who:?}: {}", text(&output));
            assert!(ground.at("out/new").exists(), "{who:?}: {}", text(&output));
        }
    }
}

/// A helper that was killed could not take it away.
#[test]
fn what_a_killed_helper_left_is_taken_away_by_the_next() {
    for &who in Who::everybody() {
        let ground = Ground::new(who);
        ground.prepare("mkdir $WS/.git && chmod 1755 $WS/.git");
        let seen = text(&ground.run(Policy::Workspace, "mkdir .git/x || echo protected"));
        assert!(seen.contains("protected") && !ground.at("ws/.git").exists(), "{who:?}: {seen}");
    }
}

/// Only who names the repository itself lets commands commit.
#[test]
fn a_commit_is_denied_with_gits_own_words_unless_the_repository_is_a_root() {
    let commit = "git -c user.name=a -c user.email=a commit -q --allow-empty -m x; echo code $?";
    for &who in Who::everybody() {
        let ground = Ground::new(who);
        ground.prepare(A_REPOSITORY);
        let seen = text(&ground.run(Policy::Workspace, commit));
        assert!(seen.contains("Read-only file system") && seen.contains("code 128"), "{who:?}: {seen}");
        let mut command = ground.llmx(Policy::Workspace);
        command.arg("--writable-root").arg(ground.at("ws/.git")).args(["--", "sh", "-c", commit]);
        let seen = text(&command.output().unwrap());
        assert!(seen.contains("code 0"), "{who:?}: {seen}");
    }
}

#[test]
fn placeholders_are_gone_and_hide_no_repository_further_up() {
    for &who in Who::everybody() {
        let ground = Ground::new(who);
        ground.prepare("git init -q $WS; mkdir $WS/sub");
        let mut command = ground.llmx(Policy::Workspace);
        command.arg("--cwd").arg(ground.at("ws/sub"));
        let output = command.args(["--", "git", "rev-parse", "--show-toplevel"]).output().unwrap();
        let expected = ground.at("ws");
        assert_eq!(text(&output).trim(), expected.to_str().unwrap(), "{who:?}");
        assert_eq!(fs::read_dir(ground.at("ws/sub")).unwrap().count(), 0);
    }
}

#[test]
fn two_sandboxes_share_a_placeholder() {
    for &who in Who::everybody() {
        let ground = Ground::new(who);
        let slow = "touch started; while [ ! -e finish ]; do sleep 0.01; done; mkdir .git/x || echo still protected";
        let slow = ground.shell(Policy::Workspace, slow).stdout(std::process::Stdio::piped()).spawn().unwrap();
        crate::ground::eventually("the first runs", || ground.at("ws/started").exists());
        ground.run(Policy::Workspace, "true");
        assert!(ground.at("ws/.git").is_dir());
        ground.prepare("touch $WS/finish");
        let output = slow.wait_with_output().unwrap();
        assert!(text(&output).contains("still protected"), "{}", text(&output));
        assert!(!ground.at("ws/.git").exists());
    }
}

#[test]
fn the_way_that_git_is_used_by_reading_still_works() {
    for &who in Who::everybody() {
        let ground = Ground::new(who);
        ground.prepare("git init -q $WS; echo a > $WS/a; cd $WS; git add a; git -c user.name=a -c user.email=a commit -qm first; echo b > $WS/a");
        let output = ground.run(Policy::Workspace, "git status --short; git diff --stat; git log --format=%s");
        let seen = text(&output);
        assert!(seen.contains(" M a") && seen.contains("1 file changed") && seen.contains("first"), "{who:?}: {seen}");
    }
}

#[test]
fn git_is_there() {
    assert!(
        Command::new("git").arg("--version").output().is_ok_and(|output| output.status.success()),
        "these tests need git"
    );
}
