//! The command's view of the file system: everything read-only, the roots writable, what matters in them shielded.
//!
//! Mounts are changed in place, in a mount namespace of the sandbox's own: nothing is mounted over `/`, so there is no
//! old root to leave, and without capabilities nobody within can take a mount away.

use super::own_home;
use super::plan::{Cover, Plan};
use super::step::Step;
use crate::executor::process::NotStarted;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_change, mount_remount, move_mount,
    open_tree,
};
use std::ffi::CStr;
use std::fs::Permissions;
use std::io::{self, IsTerminal};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The devices that a command gets.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// An empty directory of the private `/dev`, laid over each that is to be hidden: one file system less to make for each.
const NOTHING_IN_HERE: &str = "/dev/mqueue";

/// What programs expect in `/dev` beside devices.
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Where POSIX shared memory is.
pub(super) const SHARED_MEMORY: &str = "/dev/shm";

/// Whether [`SHARED_MEMORY`] takes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SharedMemory {
    Writable,
    ReadOnly,
}

/// The terminal of standard input, output or error, under the name that containers give it.
pub(super) const CONSOLE: &str = "/dev/console";

/// Changes the mounts of this process' namespace.
pub(super) fn arrange(plan: &Plan, shared_memory: SharedMemory) -> Result<(), NotStarted> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).step("make mounts private")?;
    let devices = Devices::take()?;
    let roots = take_roots(plan)?;
    set_attributes(CWD, c"/", libc::MOUNT_ATTR_RDONLY | HARMLESS).step("make the file system read-only")?;
    let mut roots = roots.into_iter();
    for (path, cover) in &plan.covers {
        let tree = if *cover == Cover::Root { roots.next() } else { None };
        lay(path, *cover, tree)?;
    }
    devices.install(shared_memory, plan.llmx_home.as_deref())?;
    mount_proc()
}

/// No set-user-ID programs and no devices.
pub(super) const HARMLESS: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// Copies of the roots as they are before everything becomes read-only: a mount below a root that is read-only for
/// the user stays so.
fn take_roots(plan: &Plan) -> Result<Vec<OwnedFd>, NotStarted> {
    plan.roots().map(|root| copy_of(root, HARMLESS).step(format!("open the root {}", root.display()))).collect()
}

fn lay(path: &Path, cover: Cover, root: Option<OwnedFd>) -> Result<(), NotStarted> {
    let tree = match (cover, root) {
        (Cover::Root, Some(root)) => Ok(root),
        (Cover::Shield, _) => copy_of(path, libc::MOUNT_ATTR_RDONLY | HARMLESS),
        _ => copy_of(path, HARMLESS),
    };
    tree.and_then(|tree| put(&tree, path)).step(format!("mount {}", path.display()))
}

/// A detached copy of what is mounted at and below a path.
pub(super) fn copy_of(path: &Path, attributes: u64) -> io::Result<OwnedFd> {
    let at = open_path(path)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    let tree = open_tree(&at, c"", flags)?;
    set_attributes(&tree, c"", attributes)?;
    Ok(tree)
}

pub(super) fn put(tree: &OwnedFd, path: &Path) -> io::Result<()> {
    let at = open_path(path)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(tree, c"", &at, c"", flags)?)
}

/// Paths were made canonical; a link that shows up now was put there by someone else.
fn open_path(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?)
}

/// `mount_setattr(2)`, for the mount and all below it.
fn set_attributes(at: impl AsFd, path: &CStr, set: u64) -> io::Result<()> {
    let attributes = libc::mount_attr { attr_set: set, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    #[expect(unsafe_code, reason = "rustix has no mount_setattr")]
    // SAFETY: the kernel reads the string and as much of the structure as it is told; both outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            at.as_fd().as_raw_fd(),
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of_val(&attributes),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The few devices of the machine that a command gets, taken before they are out of reach. Their mounts are read-only,
/// which a device does not mind; but whose it is and who may use it cannot be changed.
struct Devices(Vec<(PathBuf, OwnedFd)>);

impl Devices {
    fn take() -> Result<Self, NotStarted> {
        let path = |name: &str| Path::new("/dev").join(name);
        let devices = DEVICES.into_iter().map(|name| (path(name), path(name)));
        let console = terminal().map(|terminal| (PathBuf::from(CONSOLE), terminal));
        let take = |(within, outside): (PathBuf, PathBuf)| Ok((within, copy_of(&outside, DEVICE)?));
        devices.chain(console).map(take).collect::<io::Result<_>>().map(Self).step("open the devices")
    }

    /// A `/dev` that nobody else sees. It is read-only once it is furnished: what a command writes there by mistake
    /// must fail, not vanish.
    fn install(&self, shared_memory: SharedMemory, llmx_home: Option<&Path>) -> Result<(), NotStarted> {
        mount_new("tmpfs", "/dev", MountFlags::NOSUID, Some(c"mode=755"))?;
        self.furnish().step("furnish /dev")?;
        llmx_home.map(own_home::furnish).transpose().step("furnish llmx's home")?;
        mount_new(
            "devpts",
            "/dev/pts",
            MountFlags::NOSUID | MountFlags::NOEXEC,
            Some(c"newinstance,ptmxmode=0666,mode=620"),
        )?;
        if shared_memory == SharedMemory::Writable {
            let shared_memory = copy_of(Path::new(SHARED_MEMORY), HARMLESS);
            shared_memory.and_then(|tree| put(&tree, Path::new(SHARED_MEMORY))).step("mount /dev/shm")?;
        }
        let read_only = MountFlags::RDONLY | MountFlags::BIND | MountFlags::NOSUID | MountFlags::NOEXEC;
        mount_remount("/dev", read_only, c"").step("make /dev read-only")?;
        llmx_home.map(own_home::lay).transpose().step("mount llmx's home").map(drop)
    }

    fn furnish(&self) -> io::Result<()> {
        for (path, device) in &self.0 {
            std::fs::File::create(path)?;
            put(device, path)?;
        }
        for (name, target) in DEVICE_LINKS {
            symlink(target, Path::new("/dev").join(name))?;
        }
        std::fs::create_dir("/dev/pts")?;
        std::fs::create_dir(NOTHING_IN_HERE)?;
        std::fs::create_dir(SHARED_MEMORY)?;
        std::fs::set_permissions(SHARED_MEMORY, Permissions::from_mode(0o1777))
    }
}

const DEVICE: u64 = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;

/// The first that standard input, output or error is, where it has a name here.
fn terminal() -> Option<PathBuf> {
    let files = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    let terminal = files.into_iter().find(IsTerminal::is_terminal)?;
    std::fs::canonicalize(format!("/proc/self/fd/{}", terminal.as_raw_fd())).ok()
}

/// For what is only to be looked at.
const NOTHING: MountFlags =
    MountFlags::RDONLY.union(MountFlags::NOSUID).union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// All of it read-only: to the kernel the user's root is root, also in here, and `/proc/sys/kernel/core_pattern` is
/// a way to run a program outside.
fn mount_proc() -> Result<(), NotStarted> {
    mount_new("proc", "/proc", NOTHING.difference(MountFlags::RDONLY), None)?;
    limit_processes();
    mount_remount("/proc", NOTHING | MountFlags::BIND, c"").step("make /proc read-only")
}

/// Far more than any build starts, far less than it takes to bring a machine to a stand.
pub(super) const MOST_PROCESSES: u64 = 4096;

/// Of the PID namespace, which binds root as well. Before Linux 6.14 the number is the whole machine's and not to be
/// written from here: then `RLIMIT_NPROC` is what there is.
fn limit_processes() {
    let _ = std::fs::write("/proc/sys/kernel/pid_max", MOST_PROCESSES.to_string());
}

fn mount_new(kind: &str, path: &str, flags: MountFlags, data: Option<&CStr>) -> Result<(), NotStarted> {
    mount(kind, path, kind, flags, data).step(format!("mount a {kind} on {path}"))
}

/// An empty directory over one that is to be hidden. Read-only: what is written there must not vanish.
pub(super) fn hide_directory(path: &Path) -> io::Result<()> {
    put(&copy_of(Path::new(NOTHING_IN_HERE), libc::MOUNT_ATTR_RDONLY | HARMLESS)?, path)
}

/// `/dev/null` over a file that is to be hidden.
pub(super) fn hide_file(path: &Path) -> io::Result<()> {
    put(&copy_of(Path::new("/dev/null"), libc::MOUNT_ATTR_RDONLY)?, path)
}
