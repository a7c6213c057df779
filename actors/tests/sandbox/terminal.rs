//! The user's terminal.

use crate::ground::{Ground, Policy, Who, text};
use rustix::fs::{Mode, OFlags, fcntl_setfl};
use rustix::io::Errno;
use std::process::Stdio;

/// The terminal of somebody else: its path is known, its mode lets the user in.
#[test]
fn other_terminals_are_not_there() {
    for &who in Who::everybody() {
        for (policy, harmed) in [(Policy::Full, true), (Policy::ReadOnly, false), (Policy::Workspace, false)] {
            let (master, path) = terminal();
            let ground = Ground::new(who);
            if who == Who::Nobody {
                std::os::unix::fs::chown(&path, Some(crate::ground::NOBODY), None).unwrap();
            }
            let seen = text(&ground.run(policy, &format!("echo owned > {path}")));
            let got = match rustix::io::read(&master, &mut [0; 16]) {
                Ok(length) => length > 0,
                Err(Errno::AGAIN | Errno::IO) => false,
                Err(error) => panic!("{error}"),
            };
            assert_eq!(got, harmed, "{who:?}, {policy:?}: {seen}");
        }
    }
}

#[test]
fn a_command_has_no_controlling_terminal() {
    for &who in Who::everybody() {
        for policy in [Policy::Full, Policy::ReadOnly] {
            let (_master, path) = terminal();
            let ground = Ground::new(who);
            let open = || std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
            let mut command =
                ground.shell(policy, "test -t 0 && echo a terminal >&2; echo owned > /dev/tty && echo controlling >&2");
            let output = command.stdin(Stdio::from(open())).output().unwrap();
            let seen = text(&output);
            assert!(seen.contains("a terminal") && !seen.contains("controlling"), "{who:?}, {policy:?}: {seen}");
        }
    }
}

pub(crate) fn terminal() -> (rustix::fd::OwnedFd, String) {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = rustix::fs::open("/dev/ptmx", flags, Mode::empty()).unwrap();
    rustix::pty::grantpt(&master).unwrap();
    rustix::pty::unlockpt(&master).unwrap();
    let path = rustix::pty::ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    fcntl_setfl(&master, OFlags::NONBLOCK).unwrap();
    (master, path)
}
