//! The network, and the sockets of other programs on this machine.

use crate::ground::{Ground, Policy, Who, check_hidden, text};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::{fs, io};

const OFFLINE: &[Policy] = &[Policy::ReadOnly, Policy::Workspace];
const ALL: &[Policy] = &[Policy::ReadOnly, Policy::Workspace, Policy::WorkspaceOnline];

/// Runs the attack and says whether `heard` got something.
fn reached(ground: &Ground, policy: Policy, attack: &str, heard: impl FnOnce() -> io::Result<()>) -> bool {
    let seen = text(&ground.run(policy, attack));
    match heard() {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => panic!("{error}: {seen}"),
    }
}

fn check(policies: &[Policy], mut reached: impl FnMut(Who, Policy) -> bool) {
    for &who in Who::everybody() {
        assert!(reached(who, Policy::Full), "{who:?}: no attack at all");
        for &policy in policies {
            assert!(!reached(who, policy), "{who:?}, {policy:?}");
        }
    }
}

fn accept(listener: &UnixListener) -> io::Result<()> {
    listener.accept()?.0.read_exact(&mut [0; 4])
}

#[test]
fn nobody_is_reached_over_ip() {
    check(OFFLINE, |who, policy| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let attack = format!("$ATTACKER tcp {}", listener.local_addr().unwrap());
        reached(&Ground::new(who), policy, &attack, || listener.accept().map(drop))
    });
    check(OFFLINE, |who, policy| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let attack = format!("$ATTACKER udp {}", socket.local_addr().unwrap());
        reached(&Ground::new(who), policy, &attack, || socket.recv(&mut [0; 4]).map(drop))
    });
    check_hidden(OFFLINE, "$ATTACKER listen 127.0.0.1:0", "succeeded");
}

/// Passed on by a shell, as a supervisor may do it.
#[test]
fn an_open_connection_is_not_passed_on() {
    check(ALL, |who, policy| {
        let ground = Ground::new(who);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let within = match policy {
            Policy::Full => String::new(),
            policy => format!("{} sandbox {} --", crate::ground::llmx().display(), policy.arguments().join(" ")),
        };
        let script = format!("exec 9<>/dev/tcp/127.0.0.1/{port}; {within} sh -c 'echo leak >&9'");
        let seen = text(&ground.as_user("bash".as_ref()).args(["-c", &script]).output().unwrap());
        let mut heard = String::new();
        listener.accept().unwrap().0.read_to_string(&mut heard).unwrap();
        assert!(heard.is_empty() || heard == "leak\n", "{seen}");
        !heard.is_empty()
    });
}

#[test]
fn with_a_network_both_ends_work() {
    for &who in Who::everybody() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let ground = Ground::new(who);
        let attack = format!("$ATTACKER tcp {}; $ATTACKER listen 127.0.0.1:0", listener.local_addr().unwrap());
        let seen = text(&ground.run(Policy::WorkspaceOnline, &attack));
        assert_eq!(seen.matches("succeeded").count(), 2, "{seen}");
        listener.accept().unwrap();
    }
}

/// A socket file that everybody may connect to, such as that of a container engine.
fn open_to_all(path: &std::path::Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
}

#[test]
fn the_sockets_of_other_programs_are_out_of_reach() {
    for place in ["out/engine.sock", "ws/engine.sock"] {
        check(ALL, |who, policy| {
            let ground = Ground::new(who);
            let path = ground.at(place);
            let listener = UnixListener::bind(&path).unwrap();
            open_to_all(&path);
            listener.set_nonblocking(true).unwrap();
            reached(&ground, policy, &format!("$ATTACKER unix {}", path.display()), || accept(&listener))
        });
        for attack in ["unix-datagram", "unix-pair", "sendmsg"] {
            check(ALL, |who, policy| {
                let ground = Ground::new(who);
                let path = ground.at(place);
                let socket = UnixDatagram::bind(&path).unwrap();
                open_to_all(&path);
                socket.set_nonblocking(true).unwrap();
                let attack = format!("$ATTACKER {attack} {}", path.display());
                reached(&ground, policy, &attack, || socket.recv(&mut [0; 4]).map(drop))
            });
        }
    }
}

/// The kernel knows a socket by the name under which it was bound.
#[test]
fn a_socket_that_is_not_where_it_was_bound_is_out_of_reach() {
    for (bind, path) in [("renamed", "out/renamed.sock"), ("relative", "out/relative.sock")] {
        check(&[Policy::WorkspaceOnline], |who, policy| {
            let ground = Ground::new(who);
            let serve = "import os, socket, sys\n\
                s = socket.socket(socket.AF_UNIX)\n\
                s.bind('relative.sock' if sys.argv[1] == 'relative' else os.getcwd() + '/bound.sock')\n\
                if sys.argv[1] == 'renamed': os.rename('bound.sock', 'renamed.sock')\n\
                s.listen(); print('ready', flush=True)\n\
                said = ''\n\
                while said != 'done': said = s.accept()[0].recv(4).decode(); print(said, flush=True)";
            let mut server = ground.as_user("python3".as_ref());
            server.args(["-c", serve, bind]).current_dir(ground.at("out")).stdout(std::process::Stdio::piped());
            let mut server = server.spawn().unwrap();
            let mut said = io::BufReader::new(server.stdout.take().unwrap());
            let mut line = String::new();
            io::BufRead::read_line(&mut said, &mut line).unwrap();
            let seen = text(&ground.run(policy, &format!("$ATTACKER unix {}", ground.at(path).display())));
            UnixStream::connect(ground.at(path)).unwrap().write_all(b"done").unwrap();
            let mut heard = String::new();
            said.read_to_string(&mut heard).unwrap();
            assert!(server.wait().unwrap().success() && heard.ends_with("done\n"), "{heard}: {seen}");
            heard.contains("leak")
        });
    }
}

#[test]
fn abstract_sockets_are_out_of_reach() {
    check(ALL, |who, policy| {
        let name = format!("llmx-test-{}-{who:?}-{policy:?}", std::process::id());
        let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        listener.set_nonblocking(true).unwrap();
        reached(&Ground::new(who), policy, &format!("$ATTACKER abstract {name}"), || accept(&listener))
    });
}

/// By number: AF_NETLINK 16 (15 is the kernel's events), AF_ALG 38, AF_VSOCK 40, AF_PACKET 17, MPTCP 262.
#[test]
fn families_that_nobody_needs_are_refused() {
    let usual = ["2 1 0", "2 1 262", "10 2 0", "16 3 0", "16 2 15", "1 2 0"];
    let unusual = ["38 5 0", "40 1 0", "17 3 0", "16 2 15", "0x100000028 1 0"];
    for &who in Who::everybody() {
        let made = |policy, families: &[&str]| {
            let script: Vec<String> = families.iter().map(|family| format!("$ATTACKER family {family}")).collect();
            let seen = text(&Ground::new(who).run(policy, &script.join("; ")));
            (seen.matches("succeeded").count(), seen.matches("Operation not permitted").count(), seen)
        };
        let (succeeded, _, seen) = made(Policy::Full, &usual);
        assert_eq!(succeeded, usual.len(), "{who:?}: no attack at all: {seen}");
        for &policy in OFFLINE {
            let (_, denied, seen) = made(policy, &usual);
            assert_eq!(denied, usual.len(), "{who:?}, {policy:?}: {seen}");
        }
        let (_, denied, seen) = made(Policy::WorkspaceOnline, &unusual);
        assert_eq!(denied, unusual.len(), "{who:?}: {seen}");
    }
}

#[test]
fn a_program_may_talk_to_its_children() {
    for &who in Who::everybody() {
        let seen = text(&Ground::new(who).run(Policy::ReadOnly, "$ATTACKER keep-socketpair"));
        assert!(seen.contains("succeeded"), "{seen}");
    }
}

#[test]
fn a_command_can_tell_that_it_has_no_network() {
    for (policy, told) in
        [(Policy::Full, ""), (Policy::ReadOnly, "1"), (Policy::Workspace, "1"), (Policy::WorkspaceOnline, "")]
    {
        let seen = text(&Ground::new(Who::everybody()[0]).run(policy, "echo $LLMX_SANDBOX_NETWORK_DISABLED"));
        assert_eq!(seen.trim(), told, "{policy:?}");
    }
}
