//! seccomp: the system calls that a command does not get, whatever the other walls say.
//!
//! Three filters are stacked; the strictest answer wins. The first one knows the ways around a list of numbers, the
//! second denies, and the third pretends that a call does not exist, for which programs have a second way.

use super::step::Step;
use crate::executor::process::NotStarted;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter, sock_filter,
};
use std::collections::BTreeMap;
use std::io;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;
type Made<T> = Result<T, seccompiler::Error>;

/// What a filter is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Whether there is a network.
    pub(super) network: bool,
    /// Whether, with a network, there are sockets in the file system and abstract ones.
    pub(super) unix_sockets: bool,
    /// Whether the owner, mode, times and attributes of files are out of bounds: for read-only without a mount
    /// namespace, because Landlock does not know them.
    pub(super) fixed_metadata: bool,
}

/// The filters for this process and all that it starts.
#[derive(Debug)]
pub(super) struct Filters(Vec<BpfProgram>);

impl Filters {
    pub(super) fn new(limits: Limits) -> Result<Self, NotStarted> {
        compile(limits).map(Self).map_err(io::Error::other).step("make the seccomp filters")
    }

    /// For ever. It is the last wall: the others need system calls that are denied afterwards.
    pub(super) fn apply(&self) -> Result<(), NotStarted> {
        for program in &self.0 {
            apply_filter(program).map_err(io::Error::other).step("apply seccomp")?;
        }
        Ok(())
    }
}

fn compile(limits: Limits) -> Made<Vec<BpfProgram>> {
    let errno = |number: i32| SeccompAction::Errno(number.unsigned_abs());
    let arch: TargetArch = std::env::consts::ARCH.try_into().map_err(seccompiler::Error::Backend)?;
    let filter = |rules: Rules, action| -> Made<BpfProgram> {
        let filter =
            SeccompFilter::new(rules, SeccompAction::Allow, action, arch).map_err(seccompiler::Error::Backend)?;
        filter.try_into().map_err(seccompiler::Error::Backend)
    };
    Ok(vec![no_second_table(), filter(denied(limits)?, errno(libc::EPERM))?, filter(absent(), errno(libc::ENOSYS))?])
}

/// On x86-64 every call exists once more under another number (the x32 ABI): all of those are absent. The other
/// architectures have no such table, and another architecture's calls are refused by the filters that follow.
fn no_second_table() -> BpfProgram {
    const LOAD_NUMBER: sock_filter = sock_filter { code: 0x20, jt: 0, jf: 0, k: 0 };
    const SKIP_ONE_BELOW_X32: sock_filter = sock_filter { code: 0x35, jt: 0, jf: 1, k: 0x4000_0000 };
    const ABSENT: sock_filter = sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x0005_0000 | 38 };
    const ALLOW: sock_filter = sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 };
    vec![LOAD_NUMBER, SKIP_ONE_BELOW_X32, ABSENT, ALLOW]
}

/// clone3 and openat2 hide their flags in memory; io_uring does what the filter would deny, without a system call for
/// each.
fn absent() -> Rules {
    let calls = [
        libc::SYS_clone3,
        libc::SYS_openat2,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
    ];
    calls.into_iter().map(|call| (call, Vec::new())).collect()
}

fn denied(limits: Limits) -> Made<Rules> {
    let mut rules: Rules = ALWAYS.iter().map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_ioctl, ioctls(limits)?);
    rules.insert(libc::SYS_fcntl, LEASES.iter().map(|command| all_of([is(1, *command)?])).collect::<Made<_>>()?);
    rules.insert(libc::SYS_clone, namespaces(NEW_BY_CLONE)?);
    rules.insert(libc::SYS_unshare, namespaces(NEW_BY_UNSHARE)?);
    rules.extend(if limits.network { online(limits.unix_sockets)? } else { offline()? });
    rules.extend(set_user_id()?);
    if limits.fixed_metadata {
        rules.extend(METADATA.iter().map(|call| (*call, Vec::new())));
    }
    Ok(rules)
}

/// Other processes, the kernel, mounts and keys.
const ALWAYS: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    OPEN_TREE_ATTR,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

/// `open_tree_attr(2)` of Linux 6.15, the same number on every architecture.
const OPEN_TREE_ATTR: i64 = 467;

/// `setxattrat(2)`, `removexattrat(2)` and `file_setattr(2)`, the same numbers on every architecture.
const SETXATTRAT: i64 = 463;
const REMOVEXATTRAT: i64 = 466;
const FILE_SETATTR: i64 = 469;

const METADATA: &[i64] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    SETXATTRAT,
    REMOVEXATTRAT,
    FILE_SETATTR,
];

/// A program in the workspace that gives whoever starts it, outside and later, the rights of this user, root maybe.
fn set_user_id() -> Made<Rules> {
    let by_mode = [
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_chmod, 1),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_creat, 1),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_mknod, 1),
        (libc::SYS_fchmod, 1),
        (libc::SYS_fchmodat, 2),
        (libc::SYS_fchmodat2, 2),
        (libc::SYS_mknodat, 2),
    ];
    let by_flags_and_mode = [
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, 1),
        (libc::SYS_openat, 2),
    ];
    let sets = |mode| has_bits(mode, u64::from(libc::S_ISUID));
    let creating = [libc::O_CREAT, libc::O_TMPFILE & !libc::O_DIRECTORY];
    let mut rules = Rules::new();
    for (call, mode) in by_mode {
        rules.insert(call, vec![all_of([sets(mode)?])?]);
    }
    for (call, flags) in by_flags_and_mode {
        let creates = |flag: i32| all_of([has_bits(flags, u64::from(flag.unsigned_abs()))?, sets(flags + 1)?]);
        rules.insert(call, creating.into_iter().map(creates).collect::<Made<_>>()?);
    }
    Ok(rules)
}

/// Typing into a terminal that somebody else uses.
const TERMINAL_INPUT: [u64; 2] = [libc::TIOCSTI, libc::TIOCLINUX];

/// `F_SETLEASE`, and `F_SETDELEG` of Linux 6.19: whoever holds a lease of a file, which takes no more than reading it, lets
/// everybody wait 45 seconds who opens it.
const LEASES: [u64; 2] = [1024, 1040];

/// `FS_IOC_SETFLAGS` (chattr), its 32-bit twin, and `FS_IOC_FSSETXATTR`.
const FILE_FLAGS: [u64; 3] = [0x4008_6602, 0x4004_6602, 0x401c_5820];

fn ioctls(limits: Limits) -> Made<Vec<SeccompRule>> {
    let fixed: &[u64] = if limits.fixed_metadata { &FILE_FLAGS } else { &[] };
    TERMINAL_INPUT.iter().chain(fixed).map(|command| all_of([is(1, *command)?])).collect()
}

const NEW_BY_CLONE: &[i32] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// The flag of time namespaces means a signal number to clone, and nothing to anybody else.
const CLONE_NEWTIME: i32 = 0x80;

const NEW_BY_UNSHARE: &[i32] = &[
    CLONE_NEWTIME,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

fn namespaces(flags: &[i32]) -> Made<Vec<SeccompRule>> {
    flags.iter().map(|flag| all_of([has_bits(0, u64::from(flag.unsigned_abs()))?])).collect()
}

/// Sockets of the usual families, and of netlink the part that asks about addresses and routes.
fn online(unix_sockets: bool) -> Made<Rules> {
    let usual = [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK].into_iter();
    let usual = usual.chain(unix_sockets.then_some(libc::AF_UNIX));
    let unusual = usual.map(|family| is_not(0, family)).collect::<Made<Vec<_>>>()?;
    let other_netlink = [is(0, libc::AF_NETLINK as u64)?, is_not(2, libc::NETLINK_ROUTE)?];
    let mut rules = Rules::from([(libc::SYS_socket, vec![all_of(unusual)?, all_of(other_netlink)?])]);
    if !unix_sockets {
        rules.insert(libc::SYS_socketpair, not_to_an_address()?);
    }
    Ok(rules)
}

/// Only what a program needs to talk to its own children: stream socket pairs. A datagram socket could be told an
/// address by `sendmsg`, which no filter can look into; `SOCK_RAW` is its other name.
fn offline() -> Made<Rules> {
    let to_an_address = SeccompCondition::new(4, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0);
    let to_an_address = to_an_address.map_err(seccompiler::Error::Backend)?;
    let never = [libc::SYS_connect, libc::SYS_bind, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4];
    let mut rules: Rules = never.into_iter().map(|call| (call, Vec::new())).collect();
    rules.insert(libc::SYS_socket, not_to_an_address()?);
    rules.insert(libc::SYS_socketpair, not_to_an_address()?);
    rules.insert(libc::SYS_sendto, vec![all_of([to_an_address])?]);
    Ok(rules)
}

fn not_to_an_address() -> Made<Vec<SeccompRule>> {
    Ok(vec![
        all_of([is_not(0, libc::AF_UNIX)?])?,
        all_of([has_type(libc::SOCK_DGRAM)?])?,
        all_of([has_type(libc::SOCK_RAW)?])?,
    ])
}

fn all_of(conditions: impl Into<Vec<SeccompCondition>>) -> Made<SeccompRule> {
    SeccompRule::new(conditions.into()).map_err(seccompiler::Error::Backend)
}

/// The kernel looks at 32 bits of these arguments; so must the filter, or a high bit gets past it.
fn is(argument: u8, value: u64) -> Made<SeccompCondition> {
    condition(argument, SeccompCmpOp::Eq, value)
}

fn is_not(argument: u8, value: i32) -> Made<SeccompCondition> {
    condition(argument, SeccompCmpOp::Ne, u64::from(value.unsigned_abs()))
}

fn has_bits(argument: u8, bits: u64) -> Made<SeccompCondition> {
    condition(argument, SeccompCmpOp::MaskedEq(bits), bits)
}

/// The type of a socket is in the low four bits of the argument.
fn has_type(kind: i32) -> Made<SeccompCondition> {
    condition(1, SeccompCmpOp::MaskedEq(0xf), u64::from(kind.unsigned_abs()))
}

fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> Made<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value).map_err(seccompiler::Error::Backend)
}
