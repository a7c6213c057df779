//! What a command sees of llmx's own home: what was there when it began, but for what llmx is logged in with.
//!
//! To mount something over `auth.json` does not keep it: such a mount is gone when another file takes the name, as every
//! renewal does, and its successor has a name of its own before. So the home within is a directory of the sandbox's
//! own, into which everything else is mounted. What comes to be in the home later is not in there.

use super::mounts::{HARMLESS, copy_of, put};
use crate::auth::{AUTH_FILE, holds_credentials};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, DirEntry, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A directory of the private `/dev`: one file system less to make.
const WITHIN: &str = "/dev/llmx";

/// Makes the directory, while `/dev` may be written.
///
/// # Errors
/// What the file system says. What vanishes meanwhile is no error.
pub(super) fn furnish(home: &Path) -> io::Result<()> {
    fs::create_dir(WITHIN)?;
    for entry in fs::read_dir(home)? {
        match take_over(&entry?) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

/// Mounts it over the home, read-only as `/dev` is by now; roots that are within stay as they are. What is mounted twice
/// is hidden twice.
///
/// # Errors
/// What the kernel says.
pub(super) fn lay(home: &Path) -> io::Result<()> {
    let mounts = mounts(&fs::read("/proc/self/mountinfo")?);
    let is_home = |path: &PathBuf| is_same(path, home);
    let others: Vec<PathBuf> = other_names(home, &mounts).into_iter().filter(is_home).collect();
    others
        .iter()
        .map(PathBuf::as_path)
        .chain([home])
        .try_for_each(|path| put(&copy_of(Path::new(WITHIN), HARMLESS)?, path))
}

/// What is mounted where: a line of `mountinfo` (`proc_pid_mountinfo(5)`).
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    device: Vec<u8>,
    /// Which directory of the device.
    root: PathBuf,
    at: PathBuf,
}

fn mounts(table: &[u8]) -> Vec<Mount> {
    let mount = |line: &[u8]| {
        let mut fields = line.split(|byte| *byte == b' ').skip(2);
        let device = fields.next()?.to_vec();
        Some(Mount { device, root: unescaped(fields.next()?), at: unescaped(fields.next()?) })
    };
    table.split(|byte| *byte == b'\n').filter_map(mount).collect()
}

/// Blanks and the like are three octal digits behind a backslash.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..3).filter(|_| *first == b'\\').and_then(|digits| str::from_utf8(digits).ok());
        let (byte, behind) = match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => (byte, &behind[3..]),
            None => (*first, behind),
        };
        bytes.push(byte);
        rest = behind;
    }
    OsString::from_vec(bytes).into()
}

/// Where the same directory may be as well.
fn other_names(path: &Path, mounts: &[Mount]) -> BTreeSet<PathBuf> {
    // Of those at the same place the last is on top.
    let Some(own) = mounts.iter().filter(|mount| path.starts_with(&mount.at)).max_by_key(|m| m.at.components().count())
    else {
        return BTreeSet::new();
    };
    let Ok(within) = path.strip_prefix(&own.at) else { return BTreeSet::new() };
    let on_device = own.root.join(within);
    let of_device = mounts.iter().filter(|mount| mount.device == own.device);
    let names = of_device.filter_map(|mount| Some(mount.at.join(on_device.strip_prefix(&mount.root).ok()?)));
    // Joining nothing leaves a slash at the end, which makes no difference to a path's components.
    names.map(|name| name.components().collect()).filter(|name: &PathBuf| name != path).collect()
}

fn is_same(one: &Path, other: &Path) -> bool {
    let (Ok(one), Ok(other)) = (fs::symlink_metadata(one), fs::symlink_metadata(other)) else { return false };
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

fn take_over(entry: &DirEntry) -> io::Result<()> {
    let (path, within) = (entry.path(), Path::new(WITHIN).join(entry.file_name()));
    let kind = entry.file_type()?;
    if holds_credentials(&entry.file_name()) {
        // Whoever reads it is told that he may not; an empty file would be taken for nobody logged in.
        return if entry.file_name() == AUTH_FILE { unreadable(&within) } else { Ok(()) };
    }
    if kind.is_symlink() {
        return symlink(fs::read_link(path)?, within);
    }
    if kind.is_dir() || kind.is_file() {
        let tree = copy_of(&path, HARMLESS)?;
        let place = if kind.is_dir() { fs::create_dir(&within) } else { File::create(&within).map(drop) };
        return place.and_then(|()| put(&tree, &within));
    }
    Ok(()) // sockets are nobody's business within
}

fn unreadable(path: &Path) -> io::Result<()> {
    File::create(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_a_directory_is_found() {
        let table = mounts(
            b"21 1 254:0 / / rw - ext4 /dev/vda rw\n\
            30 21 254:1 / /data rw - ext4 /dev/vdb rw\n\
            31 21 254:1 /home /home rw - ext4 /dev/vdb rw\n\
            32 21 254:1 /home/me/.llmx /a\\040b rw - ext4 /dev/vdb rw\n\
            33 21 254:1 /other /other rw - ext4 /dev/vdb rw\n\
            34 21 0:9 /home /tmpfs rw - tmpfs none rw\n",
        );
        let check = |path: &str, expected: &[&str]| {
            let found: Vec<PathBuf> = other_names(Path::new(path), &table).into_iter().collect();
            assert_eq!(found, expected.iter().map(PathBuf::from).collect::<Vec<_>>(), "{path}");
        };
        check("/home/me/.llmx", &["/a b", "/data/home/me/.llmx"]);
        check("/data/home/me/.llmx", &["/a b", "/home/me/.llmx"]);
        check("/a b", &["/data/home/me/.llmx", "/home/me/.llmx"]);
        check("/srv/.llmx", &[]);
    }
}
