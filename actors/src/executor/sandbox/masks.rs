//! Hides the sockets of other programs: whoever may connect to a container engine or a service manager runs anything
//! outside. Neither a read-only mount nor Landlock before ABI 9 keeps a process from connecting.

use super::mounts::{hide_directory, hide_file};
use super::step::{Failure, Step};
use std::collections::BTreeSet;
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
    let named = NAMED_BY.iter().filter_map(env::var_os).filter_map(|value| socket_path(value.to_str()?));
    let bound = if network { bound_sockets() } else { Vec::new() };
    let candidates = WELL_KNOWN.iter().map(PathBuf::from).chain(named).chain(bound);
    let found: BTreeSet<PathBuf> = candidates.filter_map(|path| fs::canonicalize(path).ok()).collect();
    let is_covered = |path: &Path| path.ancestors().skip(1).any(|above| found.contains(above));
    found.iter().filter(|path| is_hideable(path) && !is_covered(path)).cloned().collect()
}

/// Mounts over each of them.
pub(super) fn lay(masked: &BTreeSet<PathBuf>) -> Result<(), Failure> {
    for path in masked {
        // Below a directory that became private, or gone since: then it cannot be reached either.
        let Ok(meta) = fs::symlink_metadata(path) else { continue };
        let hidden = if meta.is_dir() { hide_directory(path) } else { hide_file(path) };
        hidden.step(format!("hide {}", path.display()))?;
    }
    Ok(())
}

fn is_hideable(path: &Path) -> bool {
    let is_well_known = WELL_KNOWN.iter().any(|known| fs::canonicalize(known).is_ok_and(|known| known == path));
    let is_socket = |path: &Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    is_socket(path) || is_well_known
}

/// `/path`, `unix:///path` or `unix:path=/path,guid=…`.
fn socket_path(value: &str) -> Option<PathBuf> {
    let path = value.strip_prefix("unix:").unwrap_or(value);
    let path = path.strip_prefix("path=").or_else(|| path.strip_prefix("//")).unwrap_or(path);
    let path = path.split(',').next()?;
    path.starts_with('/').then(|| PathBuf::from(path))
}

/// The paths in `/proc/net/unix`; abstract names begin with `@` and are Landlock's business.
fn bound_sockets() -> Vec<PathBuf> {
    let table = fs::read("/proc/net/unix").unwrap_or_default();
    let paths = String::from_utf8_lossy(&table);
    let paths = paths.lines().filter_map(|line| line.find(" /").map(|at| &line[at + 1..]));
    paths.filter(|path| !HARMLESS.iter().any(|harmless| path.starts_with(harmless))).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
