//! Files outside the roots, and what is known about them.

use crate::ground::{Ground, Policy, Who, check_untouched, llmx, text};
use std::fs;

const BOTH: &[Policy] = &[Policy::ReadOnly, Policy::WorkspaceOnline];

#[test]
fn content_outside_the_roots_cannot_be_changed() {
    for attack in [
        "echo owned > $OUT/victim",
        "echo owned > ../out/victim",
        "echo owned > $OUT/new",
        "mkdir $OUT/new",
        "rm -f $OUT/victim",
        "truncate -s 0 $OUT/victim",
        "dd if=/dev/zero of=$OUT/victim count=1 conv=notrunc",
        "mv $OUT/victim $OUT/renamed",
        "mv $OUT ${OUT}2",
        "echo owned > /proc/self/root$OUT/victim",
        "echo owned > /proc/self/cwd/../out/victim",
        "cd $OUT && echo owned > /proc/self/cwd/victim",
        "mkfifo $OUT/pipe",
        "$ATTACKER tmpfile $OUT",
        "$ATTACKER socket $OUT/socket",
        "echo owned >> $HOME/.profile",
        "echo owned >> $LLMX_HOME/config.toml",
    ] {
        check_untouched(BOTH, "true", attack);
    }
}

#[test]
fn the_workspace_is_no_way_out() {
    for (setup, attack) in [
        ("ln -s $OUT/victim $WS/link", "echo owned > link"),
        ("ln -s $OUT $WS/link", "echo owned > link/new"),
        ("true", "ln -s $OUT link; echo owned > link/new"),
        ("true", "ln $OUT/victim hard && echo owned > hard"),
        ("echo mine > $WS/mine", "mv mine $OUT/mine"),
        ("echo mine > $WS/mine", "ln mine $OUT/mine"),
        ("echo mine > $WS/mine", "mv $OUT/victim mine"),
        ("echo mine > $WS/mine", "$ATTACKER exchange $WS/mine $OUT/victim"),
        ("true", "mv $WS ${WS}2; mkdir $WS"),
        ("true", "rm -rf $WS; ln -s $OUT $WS"),
    ] {
        check_untouched(&[Policy::Workspace], setup, attack);
    }
}

#[test]
fn what_is_known_about_a_file_cannot_be_changed() {
    for attack in [
        "chmod 777 $OUT/victim",
        "chmod 700 $OUT",
        "touch -d 2001-01-01 $OUT/victim",
        "touch -d 2001-01-01 $OUT",
        "chown $(id -u) $OUT/victim; touch -a -m $OUT/victim",
        "$ATTACKER fchmod $OUT/victim",
        "python3 -c 'import os; os.setxattr(os.environ[\"OUT\"] + \"/victim\", \"user.owned\", b\"1\")'",
        "chattr +d $OUT/victim",
    ] {
        check_untouched(BOTH, "true", attack);
    }
}

#[test]
fn an_open_file_is_not_a_way_to_write_it() {
    for &who in Who::everybody() {
        for (policy, expected) in
            [(Policy::Full, "owned\n"), (Policy::Workspace, "intact"), (Policy::ReadOnly, "intact")]
        {
            let ground = Ground::new(who);
            let mut command = ground.shell(policy, "echo owned > /proc/self/fd/0");
            command.stdin(fs::File::open(ground.at("out/victim")).unwrap());
            let output = command.output().unwrap();
            let content = fs::read_to_string(ground.at("out/victim")).unwrap();
            assert_eq!(content, expected, "{who:?}, {policy:?}: {}", text(&output));
        }
    }
}

/// The engine gives `/dev/null`, but whoever starts `llmx sandbox` may give anything.
#[test]
fn standard_input_leads_nowhere_that_a_path_does_not_lead() {
    for (input, attack) in [
        ("out/victim", "python3 -c 'import os; os.fchmod(0, 0o777)'"),
        ("out/victim", "python3 -c 'import os; os.utime(0, (0, 0))'"),
        ("out", "echo owned > /proc/self/fd/0/victim"),
        ("out", "chmod 777 /proc/self/fd/0/victim"),
        ("ws/.git/config", "echo owned >> /proc/self/fd/0"),
        ("ws/.git", "echo owned > /proc/self/fd/0/hooks/pre-commit"),
        ("ws", "echo owned > /proc/self/fd/0/.git/hooks/pre-commit"),
        (".", "mkdir /proc/self/fd/0/new"),
    ] {
        for &who in Who::everybody() {
            for (policy, harmed) in [(Policy::Full, true), (Policy::Workspace, false), (Policy::ReadOnly, false)] {
                let ground = Ground::new(who);
                ground.prepare("git init -q $WS");
                let before = ground.state();
                let mut command = ground.shell(policy, attack);
                let output = command.stdin(fs::File::open(ground.at(input)).unwrap()).output().unwrap();
                assert_eq!(
                    ground.state() != before,
                    harmed,
                    "{who:?}, {policy:?}, {input}: {attack}: {}",
                    text(&output)
                );
            }
        }
    }
}

/// Where llmx left off, the next program reads on.
#[test]
fn standard_input_is_shared_with_whoever_reads_on() {
    for &who in Who::everybody() {
        for policy in [Policy::Full, Policy::ReadOnly, Policy::Workspace] {
            let ground = Ground::new(who);
            fs::write(ground.at("out/lines"), "1\n2\n3\n4\n").unwrap();
            let mut input = fs::File::open(ground.at("out/lines")).unwrap();
            std::io::Seek::seek(&mut input, std::io::SeekFrom::Start(2)).unwrap();
            let mut command = ground.shell(policy, "read a; read b; echo $a $b");
            let output = command.stdin(input.try_clone().unwrap()).output().unwrap();
            let mut rest = String::new();
            std::io::Read::read_to_string(&mut input, &mut rest).unwrap();
            assert_eq!((text(&output).as_str(), rest.as_str()), ("2 3\n", "4\n"), "{who:?}, {policy:?}");
        }
    }
}

/// A mount that is read-only does not keep anybody from writing to a pipe.
#[test]
fn a_named_pipe_outside_takes_nothing() {
    for &who in Who::everybody() {
        for (policy, reached) in [(Policy::Full, true), (Policy::Workspace, false), (Policy::ReadOnly, false)] {
            let ground = Ground::new(who);
            ground.prepare("mkfifo $OUT/pipe");
            let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK;
            let reader = rustix::fs::open(ground.at("out/pipe"), flags, rustix::fs::Mode::empty()).unwrap();
            let output = ground.run(policy, "echo owned > $OUT/pipe");
            let read = rustix::io::read(&reader, &mut [0; 16]).unwrap_or_default();
            assert_eq!(read > 0, reached, "{who:?}, {policy:?}: {}", text(&output));
        }
    }
}

/// The mode that it has already, so that the machine is none the worse for it.
#[test]
fn the_machines_devices_keep_their_modes() {
    if !Who::everybody().contains(&Who::Root) {
        return;
    }
    for (policy, changed) in [(Policy::Full, true), (Policy::Workspace, false), (Policy::ReadOnly, false)] {
        for attack in
            ["chmod 666 /dev/null && echo changed", "python3 -c 'import os; os.fchmod(0, 0o666); print(\"changed\")'"]
        {
            let seen = text(&Ground::new(Who::Root).run(policy, attack));
            assert_eq!(seen.contains("changed"), changed, "{policy:?}: {attack}: {seen}");
        }
    }
}

/// Without descriptors there is nothing to prove under danger-full-access either: a plain shell proves the attack.
#[test]
fn an_inherited_directory_is_not_a_way_out() {
    for &who in Who::everybody() {
        for policy in [None, Some("danger-full-access"), Some("workspace-write")] {
            let ground = Ground::new(who);
            let attack = "sh -c 'echo owned > /proc/self/fd/9/new'";
            let within = |policy| format!("{} sandbox --policy {policy} --exclude-slash-tmp --", llmx().display());
            let within = policy.map(within).unwrap_or_default();
            let attack = format!("exec 9<\"$OUT\"; {within} {attack}");
            let mut shell = ground.as_user("sh".as_ref());
            let output = shell.args(["-c", &attack]).output().unwrap();
            assert_eq!(ground.at("out/new").exists(), policy.is_none(), "{who:?}, {policy:?}: {}", text(&output));
        }
    }
}

#[test]
fn a_read_only_command_writes_nothing_in_its_own_directory_either() {
    for &who in Who::everybody() {
        let ground = Ground::new(who);
        let output = ground.run(
            Policy::ReadOnly,
            "echo x > here; echo x > /tmp/llmx-never; echo x > /dev/shm/llmx-never; echo fine > /dev/null && echo null",
        );
        assert!(text(&output).contains("null"), "{}", text(&output));
        assert_eq!(fs::read_dir(ground.at("ws")).unwrap().count(), 0);
        assert!(!fs::exists("/tmp/llmx-never").unwrap() && !fs::exists("/dev/shm/llmx-never").unwrap());
    }
}

/// Who is told that it is written relies on it.
#[test]
fn nothing_is_written_that_vanishes() {
    for &who in Who::everybody() {
        for policy in [Policy::ReadOnly, Policy::Workspace, Policy::WorkspaceOnline] {
            let script = "for d in / /dev /dev/pts /etc /home /proc /root /run /run/user /sys /usr /var /var/tmp $HOME $OUT; do \
                echo x 2>/dev/null > $d/llmx-new && echo accepted in $d; mkdir $d/llmx-dir 2>/dev/null && echo accepted in $d; done; echo done";
            let seen = text(&Ground::new(who).run(policy, script));
            assert!(!seen.contains("accepted") && seen.contains("done"), "{who:?}, {policy:?}: {seen}");
        }
    }
}

#[test]
fn devices_cannot_be_made() {
    if !Who::everybody().contains(&Who::Root) {
        return;
    }
    for (policy, made) in [(Policy::Full, true), (Policy::Workspace, false)] {
        let ground = Ground::new(Who::Root);
        let output = ground.run(policy, "mknod device c 1 3");
        assert_eq!(ground.at("ws/device").exists(), made, "{}", text(&output));
    }
}

#[test]
fn further_roots_are_writable_and_nothing_beside_them() {
    for &who in Who::everybody() {
        let ground = Ground::new(who);
        ground.prepare("mkdir $OUT/root");
        let mut command = ground.llmx(Policy::Workspace);
        command.arg("--writable-root").arg(ground.at("out/root"));
        let output = command.args(["--", "sh", "-c", "echo x > $OUT/root/new; echo x > $OUT/new"]).output().unwrap();
        assert!(ground.at("out/root/new").exists(), "{}", text(&output));
        assert!(!ground.at("out/new").exists());
    }
}
