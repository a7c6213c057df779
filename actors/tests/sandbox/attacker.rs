//! The attacks that a shell cannot carry out: this test program, started by the `attacker` script with the attack's
//! words in its environment. It prints what came of it.

#![expect(unsafe_code, reason = "attackers make raw system calls")]

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::Command;

#[test]
fn attack() {
    let Ok(words) = std::env::var("LLMX_ATTACK") else { return };
    let words: Vec<&str> = words.split(' ').collect();
    match carry_out(&words) {
        Ok(()) => println!("{words:?} succeeded"),
        Err(error) => println!("{words:?} failed with {error}"),
    }
}

fn carry_out(words: &[&str]) -> io::Result<()> {
    match *words {
        ["exchange", one, other] => Ok(rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?),
        ["tmpfile", directory] => link_a_temporary_file(directory),
        ["socket", path] => UnixListener::bind(path).map(drop),
        ["fchmod", path] => {
            let file = std::fs::File::open(path)?;
            Ok(rustix::fs::fchmod(&file, Mode::from_raw_mode(0o777))?)
        }
        ["tcp", address] => TcpStream::connect(address)?.write_all(b"leak"),
        ["udp", address] => UdpSocket::bind("127.0.0.1:0")?.send_to(b"leak", address).map(drop),
        ["listen", address] => TcpListener::bind(address).map(drop),
        ["unix", path] => UnixStream::connect(path)?.write_all(b"leak"),
        ["unix-datagram", path] => UnixDatagram::unbound()?.send_to(b"leak", path).map(drop),
        ["unix-pair", path] => UnixDatagram::pair()?.0.send_to(b"leak", path).map(drop),
        ["abstract", name] => UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?.write_all(b"leak"),
        ["sendmsg", path] => send_to_path(path),
        ["family", family, kind, protocol] => call(libc::SYS_socket, &[number(family), number(kind), number(protocol)]),
        ["call", name, ..] => call(numbered(name), &words[2..].iter().map(|word| number(word)).collect::<Vec<_>>()),
        ["int80"] => int80(),
        ["ptrace", pid] => attach(number(pid)),
        ["mem", pid] => std::fs::OpenOptions::new().write(true).open(format!("/proc/{pid}/mem")).map(drop),
        ["keep-socketpair"] => talk_over_a_pair(),
        ["without", ref walls @ ..] => Err(run_without(walls)),
        _ => panic!("no such attack: {words:?}"),
    }
}

fn number(word: &str) -> i64 {
    let parsed = word.strip_prefix("0x").map_or_else(|| word.parse(), |hex| i64::from_str_radix(hex, 16));
    parsed.unwrap_or_else(|_| panic!("{word} is no number"))
}

fn call(number: i64, arguments: &[i64]) -> io::Result<()> {
    let argument = |index: usize| arguments.get(index).copied().unwrap_or_default();
    // SAFETY: no test passes the address of anything; the kernel checks the rest.
    let result =
        unsafe { libc::syscall(number, argument(0), argument(1), argument(2), argument(3), argument(4), argument(5)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn numbered(name: &str) -> i64 {
    match name {
        "add_key" => libc::SYS_add_key,
        "bpf" => libc::SYS_bpf,
        "clone" => libc::SYS_clone,
        "clone3" => libc::SYS_clone3,
        "fanotify_init" => libc::SYS_fanotify_init,
        "fsopen" => libc::SYS_fsopen,
        "getpid" => libc::SYS_getpid,
        "getpid-x32" => libc::SYS_getpid | 0x4000_0000,
        "init_module" => libc::SYS_init_module,
        "io_uring_setup" => libc::SYS_io_uring_setup,
        "ioctl" => libc::SYS_ioctl,
        "kcmp" => libc::SYS_kcmp,
        "kexec_load" => libc::SYS_kexec_load,
        "keyctl" => libc::SYS_keyctl,
        "mount" => libc::SYS_mount,
        "mount_setattr" => libc::SYS_mount_setattr,
        "move_mount" => libc::SYS_move_mount,
        "openat2" => libc::SYS_openat2,
        "open_by_handle_at" => libc::SYS_open_by_handle_at,
        "open_tree" => libc::SYS_open_tree,
        "perf_event_open" => libc::SYS_perf_event_open,
        "pidfd_getfd" => libc::SYS_pidfd_getfd,
        "process_vm_readv" => libc::SYS_process_vm_readv,
        "process_vm_writev" => libc::SYS_process_vm_writev,
        "ptrace" => libc::SYS_ptrace,
        "request_key" => libc::SYS_request_key,
        "setns" => libc::SYS_setns,
        "swapon" => libc::SYS_swapon,
        "umount" => libc::SYS_umount2,
        "unshare" => libc::SYS_unshare,
        "userfaultfd" => libc::SYS_userfaultfd,
        _ => panic!("no such call: {name}"),
    }
}

fn link_a_temporary_file(directory: &str) -> io::Result<()> {
    let file = rustix::fs::open(directory, OFlags::TMPFILE | OFlags::WRONLY, Mode::RUSR)?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, path, CWD, format!("{directory}/new"), AtFlags::SYMLINK_FOLLOW)?)
}

/// An address that only `sendmsg` sees, on a socket that can take one.
fn send_to_path(path: &str) -> io::Result<()> {
    let raw = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_RAW, 0) };
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    let socket = UnixDatagram::from(unsafe { <OwnedFd as rustix::fd::FromRawFd>::from_raw_fd(raw) });
    let mut name: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    name.sun_family = libc::AF_UNIX as u16;
    for (to, from) in name.sun_path.iter_mut().zip(path.bytes()) {
        *to = from as libc::c_char;
    }
    let mut bytes = *b"leak";
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = (&raw mut name).cast();
    message.msg_namelen = size_of_val(&name) as u32;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    // SAFETY: everything that the message names is alive here.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Becomes a shell with the script in `$SCRIPT`, on a machine that has less to give.
fn run_without(walls: &[&str]) -> io::Error {
    for wall in walls {
        let (call, rules, errno) = match *wall {
            // As Docker's own filter does it.
            "namespaces" => (libc::SYS_clone, vec![asks_for(libc::CLONE_NEWUSER)], libc::EPERM),
            "networks" => (libc::SYS_clone, vec![asks_for(libc::CLONE_NEWNET)], libc::ENOSPC),
            "mounts" => (libc::SYS_mount_setattr, Vec::new(), libc::ENOSYS),
            "landlock" => (libc::SYS_landlock_create_ruleset, Vec::new(), libc::ENOSYS),
            "landlock-off" => (libc::SYS_landlock_create_ruleset, Vec::new(), libc::EOPNOTSUPP),
            "seccomp" => (libc::SYS_seccomp, Vec::new(), libc::EINVAL),
            _ => panic!("no such wall: {wall}"),
        };
        let filter = SeccompFilter::new(
            [(call, rules)].into(),
            SeccompAction::Allow,
            SeccompAction::Errno(errno as u32),
            std::env::consts::ARCH.try_into().unwrap(),
        );
        apply_filter(&BpfProgram::try_from(filter.unwrap()).unwrap()).unwrap();
    }
    Command::new("sh").args(["-c", &std::env::var("SCRIPT").unwrap()]).env_remove("LLMX_ATTACK").exec()
}

fn asks_for(namespace: i32) -> SeccompRule {
    let flag = namespace as u64;
    let condition = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(flag), flag).unwrap();
    SeccompRule::new(vec![condition]).unwrap()
}

fn attach(pid: i64) -> io::Result<()> {
    call(libc::SYS_ptrace, &[libc::PTRACE_SEIZE.into(), pid, 0, 0])
}

#[cfg(target_arch = "x86_64")]
fn int80() -> io::Result<()> {
    let result: i32;
    // SAFETY: getpid of the 32-bit table takes nothing and touches nothing.
    unsafe { std::arch::asm!("int 0x80", inlateout("eax") 20 => result) };
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(()) }
}

#[cfg(not(target_arch = "x86_64"))]
fn int80() -> io::Result<()> {
    Ok(())
}

/// What programs do with their children: this must work.
fn talk_over_a_pair() -> io::Result<()> {
    let (one, other) = UnixStream::pair()?;
    let flags = rustix::fs::fcntl_getfl(&one)?;
    (&one).write_all(b"x")?;
    one.shutdown(std::net::Shutdown::Write)?;
    let mut heard = String::new();
    io::Read::read_to_string(&mut &other, &mut heard)?;
    let error = other.take_error()?;
    if heard == "x" && error.is_none() && flags.contains(OFlags::RDWR) { Ok(()) } else { Err(io::Error::other(heard)) }
}
