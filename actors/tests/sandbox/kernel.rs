//! The kernel and the settings of the machine.

use crate::ground::{Ground, Policy, Who, check_hidden, text};

const ALL: &[Policy] = &[Policy::ReadOnly, Policy::WorkspaceOnline];

/// What the kernel answers a filter's EPERM with, and what it says of a call that the filter hides.
const DENIED: &str = "Operation not permitted (os error 1)";
const ABSENT: &str = "Function not implemented (os error 38)";

/// Without arguments that mean anything none of these does harm, so they are also made outside: the answer must be
/// another one, or the filter would not be what answered.
#[test]
fn dangerous_calls_are_denied() {
    let denied = [
        "add_key",
        "bpf 99",
        "fanotify_init 0xffff",
        "fsopen 0",
        "keyctl 999",
        "kcmp 0 0 99",
        "mount_setattr 99 0 0xffff",
        "move_mount 99 0 99 0 0xffff",
        "open_by_handle_at 99",
        "open_tree 99 0 0xffffff",
        "perf_event_open 0",
        "pidfd_getfd 99",
        "process_vm_readv 0 0 0 0 0 99",
        "process_vm_writev 0 0 0 0 0 99",
        "ptrace 0x9999 0",
        "request_key",
        "userfaultfd 0xffff",
        "ioctl 1 0x5412",
        "ioctl 1 0x541c",
        "ioctl 1 0x100005412",
        "unshare 0x10000000",
        "unshare 0x110000000",
        "setns 99",
    ];
    if Who::everybody().contains(&Who::Root) {
        for (call, seen) in results(Who::Root, Policy::Full, &denied) {
            assert!(!seen.contains(DENIED), "no attack at all: {call}: {seen}");
        }
    }
    for &who in Who::everybody() {
        for &policy in ALL {
            for (call, seen) in results(who, policy, &denied) {
                assert!(seen.contains(DENIED), "{who:?}, {policy:?}: {call}: {seen}");
            }
        }
    }
}

/// What came of each call, all made in one sandbox.
fn results<'c>(who: Who, policy: Policy, calls: &[&'c str]) -> Vec<(&'c str, String)> {
    let script: Vec<String> = calls.iter().map(|call| format!("$ATTACKER call {call}")).collect();
    let seen = text(&Ground::new(who).run(policy, &script.join("; ")));
    let said: Vec<String> = seen.lines().filter(|line| line.starts_with("[\"call\"")).map(str::to_owned).collect();
    assert_eq!(said.len(), calls.len(), "{seen}");
    calls.iter().copied().zip(said).collect()
}

#[test]
fn calls_with_hidden_arguments_do_not_exist() {
    for &who in Who::everybody() {
        for (call, seen) in
            results(who, Policy::WorkspaceOnline, &["clone3", "io_uring_setup", "openat2", "getpid-x32"])
        {
            assert!(seen.contains(ABSENT), "{who:?}: {call}: {seen}");
        }
    }
}

#[test]
fn the_calls_of_another_architecture_end_the_process() {
    if cfg!(target_arch = "x86_64") {
        let seen = text(&Ground::new(Who::everybody()[0]).run(Policy::ReadOnly, "$ATTACKER int80"));
        assert!(!seen.contains("succeeded"), "{seen}");
    }
}

#[test]
fn no_process_gets_namespaces_of_its_own() {
    check_hidden(ALL, "unshare --user true && echo made", "made");
    check_hidden(
        ALL,
        "unshare --user --map-root-user --mount sh -c 'mount -t tmpfs none /mnt && echo mounted'",
        "mounted",
    );
    check_hidden(ALL, "unshare --user --map-root-user --net true && echo made", "made");
}

#[test]
fn nothing_can_be_mounted() {
    if Who::everybody().contains(&Who::Root) {
        let script = "unshare --mount sh -c 'mount --bind $OUT $WS && echo mounted'";
        check_only_root(script, "mounted");
        for &policy in ALL {
            let seen = text(&Ground::new(Who::Root).run(
                policy,
                "umount /dev/shm && echo gone; umount -l /proc && echo gone; mount -o remount,rw / && echo gone",
            ));
            assert!(!seen.contains("gone"), "{seen}");
        }
    }
}

/// The same value is written again, so the machine is none the worse for it.
#[test]
fn the_settings_of_the_kernel_are_out_of_reach_of_root() {
    if !Who::everybody().contains(&Who::Root) {
        return;
    }
    for file in ["/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory"] {
        check_only_root(&format!("V=$(cat {file}); echo \"$V\" > {file} && echo written"), "written");
    }
    if std::fs::exists("/proc/sysrq-trigger").unwrap() {
        check_only_root(": >> /proc/sysrq-trigger && echo opened", "opened");
    }
    check_only_root("for i in /proc/irq/*/smp_affinity_list; do : >> $i && echo opened; done", "opened");
}

/// A release agent in a control group of version 1 is a program that the host's root runs.
#[test]
fn control_groups_are_out_of_reach_of_root() {
    if !Who::everybody().contains(&Who::Root) || !std::fs::exists("/sys/fs/cgroup").unwrap() {
        return;
    }
    let name = format!("llmx-test-{}", std::process::id());
    let make = format!(
        "for g in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $g/{name} 2>/dev/null && echo made && rmdir $g/{name}; done"
    );
    check_only_root(&make, "made");
}

fn check_only_root(attack: &str, leaks: &str) {
    let seen = text(&Ground::new(Who::Root).run(Policy::Full, attack));
    assert!(seen.contains(leaks), "no attack at all: {attack}: {seen}");
    for &policy in ALL {
        let seen = text(&Ground::new(Who::Root).run(policy, attack));
        assert!(!seen.contains(leaks), "{policy:?}: {attack}: {seen}");
    }
}

#[test]
fn no_privilege_is_left_or_can_be_had() {
    for &who in Who::everybody() {
        for &policy in ALL {
            let seen = text(&Ground::new(who).run(policy, "grep -E '^(Cap|NoNewPrivs)' /proc/self/status"));
            let none =
                seen.lines().filter(|line| line.starts_with("Cap")).all(|line| line.ends_with("0000000000000000"));
            assert!(none && seen.contains("NoNewPrivs:\t1"), "{who:?}: {seen}");
        }
    }
}

/// Whoever starts such a program later, from anywhere, has the rights of its owner.
#[test]
fn no_program_is_given_its_owners_rights() {
    let mode_is_set = |who, policy, script: &str| {
        let ground = Ground::new(who);
        let seen = text(&ground.run(policy, script));
        let meta = std::fs::symlink_metadata(ground.at("ws/evil"));
        (meta.is_ok_and(|meta| std::os::unix::fs::MetadataExt::mode(&meta) & 0o4000 != 0), seen)
    };
    for script in [
        "cp /bin/true evil && chmod 4755 evil",
        "cp /bin/true evil && chmod u+s evil",
        "cp /bin/true evil && python3 -c 'import os; os.fchmod(os.open(\"evil\", 0), 0o4755)'",
        "python3 -c 'import os; os.open(\"evil\", os.O_CREAT | os.O_WRONLY, 0o4755)'",
        "python3 -c 'import os; os.mknod(\"evil\", 0o104755)'",
        "install -m 4755 /bin/true evil",
    ] {
        for &who in Who::everybody() {
            for (policy, harmed) in [(Policy::Full, true), (Policy::Workspace, false), (Policy::WorkspaceOnline, false)]
            {
                let (set, seen) = mode_is_set(who, policy, script);
                assert_eq!(set, harmed, "{who:?}, {policy:?}: {script}: {seen}");
            }
        }
    }
}

#[test]
fn devices_of_the_machine_are_not_there() {
    for &who in Who::everybody() {
        let seen = text(&Ground::new(who).run(Policy::Workspace, "ls /dev; find / -xdev -type b 2>/dev/null"));
        assert!(!seen.contains("vda") && !seen.contains("sda") && !seen.contains("kmsg"), "{seen}");
    }
}
