//! Hides the sockets of other programs: whoever may connect to a container engine or a service manager runs anything
//! outside. Neither a read-only mount nor Landlock before ABI 9 keeps a process from connecting.

use super::mounts::{hide_directory, hide_file};
use super::plan::Plan;
use super::step::Step;
use crate::executor::process::NotStarted;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Directories of nothing but sockets, and well-known sockets. Those that only appear later are covered as well,
/// where the directory exists.
const WELL_KNOWN: [&str; 20] = [
    "/run/containerd",
    "/run/crio",
    "/run/dbus",
    "/run/docker",
    "/run/docker.sock",
    "/run/incus",
    "/run/libvirt",
    "/run/lxd",
    "/run/pcscd",
    "/run/podman",
    "/run/snapd.sock",
    "/run/snapd-snap.socket",
    "/run/systemd/private",
    "/run/systemd/notify",
    "/run/udisks2",
    "/run/user",
    "/var/lib/lxd/unix.socket",
    "/var/run/docker.sock",
    "/var/snap/lxd/common/lxd/unix.socket",
    "/tmp/.X11-unix",
];

/// Variables that name a socket, some with a scheme before the path.
const NAMED_BY: [&str; 4] = ["SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "DOCKER_HOST", "CONTAINER_HOST"];

/// Sockets that name look-ups need and that do nothing for anybody.
const HARMLESS: [&str; 4] =
    ["/run/nscd/", "/var/run/nscd/", "/run/systemd/resolve/io.systemd.Resolve", "/run/systemd/userdb/"];

/// What is there to hide. With a network commands may connect, so every socket that the kernel lists counts.
pub(super) fn find(network: bool) -> BTreeSet<PathBuf> {
    let known: BTreeSet<PathBuf> = WELL_KNOWN.iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
    let named = NAMED_BY.iter().filter_map(env::var_os).filter_map(|value| socket_path(value.to_str()?));
    let bound = if network { BoundSockets::now().files() } else { Vec::new() };
    let sockets = named.chain(bound).filter_map(|path| fs::canonicalize(path).ok()).filter(|path| is_socket(path));
    let found: BTreeSet<PathBuf> = sockets.chain(known).collect();
    let is_covered = |path: &Path| path.ancestors().skip(1).any(|above| found.contains(above));
    found.iter().filter(|path| !is_covered(path)).cloned().collect()
}

/// Mounts over each of them.
pub(super) fn lay(plan: &Plan) -> Result<(), NotStarted> {
    for path in &plan.masked {
        // Below a directory that became private, or gone since: then it cannot be reached either.
        let Ok(meta) = fs::symlink_metadata(path) else { continue };
        let hidden = if meta.is_dir() { hide_directory(path) } else { hide_file(path) };
        hidden.step(format!("hide {}", path.display()))?;
    }
    Ok(())
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
}

/// `/path`, `unix:///path` or `unix:path=/path,guid=…`.
fn socket_path(value: &str) -> Option<PathBuf> {
    let path = value.strip_prefix("unix:").unwrap_or(value);
    let path = path.strip_prefix("path=").or_else(|| path.strip_prefix("//")).unwrap_or(path);
    let path = path.split(',').next()?;
    path.starts_with('/').then(|| PathBuf::from(path))
}

/// The names under which sockets were bound; abstract ones are Landlock's business.
struct BoundSockets(BTreeSet<PathBuf>);

impl BoundSockets {
    fn now() -> Self {
        Self::listed(&fs::read("/proc/net/unix").unwrap_or_default())
    }

    /// The path is the eighth column, `@` begins an abstract one.
    fn listed(table: &[u8]) -> Self {
        let lines = table.split(|byte| *byte == b'\n').skip(1);
        let names = lines.filter_map(eighth_column).filter(|name| !name.is_empty() && !name.starts_with(b"@"));
        let harmless = |name: &[u8]| HARMLESS.iter().any(|harmless| name.starts_with(harmless.as_bytes()));
        Self(names.filter(|name| !harmless(name)).map(|name| OsStr::from_bytes(name).into()).collect())
    }

    /// Where they are now. A name may be relative to a directory that only its owner knows, and a socket may have been
    /// renamed: then whatever socket is beside the place counts.
    fn files(&self) -> Vec<PathBuf> {
        let (absolute, relative): (Vec<&PathBuf>, Vec<&PathBuf>) = self.0.iter().partition(|name| name.is_absolute());
        let directories = if relative.is_empty() { BTreeSet::new() } else { directories_of_processes() };
        let join = |name: &PathBuf| directories.iter().map(|directory| directory.join(name)).collect::<Vec<_>>();
        let joined = relative.into_iter().flat_map(join);
        absolute.into_iter().cloned().chain(joined).flat_map(at_or_beside).collect()
    }
}

fn at_or_beside(path: PathBuf) -> Vec<PathBuf> {
    if is_socket(&path) {
        return vec![path];
    }
    let beside = path.parent().into_iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten();
    beside.flatten().map(|entry| entry.path()).filter(|path| is_socket(path)).collect()
}

fn eighth_column(line: &[u8]) -> Option<&[u8]> {
    let mut rest = line;
    for _ in 0..7 {
        let start = rest.iter().position(|byte| *byte != b' ')?;
        let length = rest[start..].iter().position(|byte| *byte == b' ')?;
        rest = &rest[start + length..];
    }
    rest.strip_prefix(b" ")
}

fn directories_of_processes() -> BTreeSet<PathBuf> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = processes.filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit));
    processes.filter_map(|process| fs::read_link(process.path().join("cwd")).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_the_kernels_table() {
        let table = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/a b.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 78\n\
            0000000000000000: 00000002 00000000 00000000 0002 01   99 relative.sock\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 12346 @abstract\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 12347 /run/nscd/socket\n";
        let names: Vec<_> = BoundSockets::listed(table).0.into_iter().collect();
        assert_eq!(names, [PathBuf::from("/run/a b.sock"), "relative.sock".into()]);
    }

    #[test]
    fn a_socket_is_found_in_a_variable() {
        for (value, expected) in [
            ("/tmp/ssh-x/agent.1", Some("/tmp/ssh-x/agent.1")),
            ("unix:///run/docker.sock", Some("/run/docker.sock")),
            ("unix:path=/run/user/1000/bus,guid=1", Some("/run/user/1000/bus")),
            ("unix:abstract=/tmp/dbus", None),
            ("tcp://127.0.0.1:2375", None),
            ("", None),
        ] {
            assert_eq!(socket_path(value), expected.map(PathBuf::from), "{value}");
        }
    }
}
