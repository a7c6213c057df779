//! Which directories become writable, and what within them does not.

use super::description::Sandbox;
use super::git;
use super::placeholder;
use super::step::{Step, refused};
use super::way::{End, Way, follow};
use crate::executor::process::NotStarted;
use llmx_protocol::wire::policy::SandboxPolicy;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What the engine, git and agents run or obey later, outside of any sandbox: read-only in each root.
const PROTECTED: [&str; 3] = [".git", ".llmx", ".agents"];

/// Where the kernel's own file systems are: never writable, the private `/dev` is made otherwise.
const KERNELS: [&str; 3] = ["/proc", "/sys", "/dev"];

const SLASH_TMP: &str = "/tmp";

/// What is mounted on a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cover {
    /// Itself, so that it cannot be renamed away.
    Pin,
    /// Itself, read-only.
    Shield,
    /// Itself, writable.
    Root,
}

/// The file system as a command will see it. Paths are canonical.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// What to mount, the outer before the inner.
    pub(super) covers: Vec<(PathBuf, Cover)>,
    /// Protected names that do not exist. Someone has to reserve them, or the command could create them.
    pub(super) missing: Vec<PathBuf>,
    /// Sockets of other programs, and directories of such, to hide.
    pub(super) masked: BTreeSet<PathBuf>,
    /// llmx's own home, where there is one: nobody within reads its credentials.
    pub(super) llmx_home: Option<PathBuf>,
}

impl Plan {
    pub(super) fn of(sandbox: &Sandbox) -> Result<Self, NotStarted> {
        let roots = roots(sandbox)?;
        let mut builder = Builder { roots: &roots, covers: BTreeMap::new(), missing: BTreeSet::new() };
        for directory in builder.guarded() {
            builder.guard(&directory)?;
        }
        if let Some(home) = sandbox.user_home.as_ref().and_then(|home| fs::canonicalize(home).ok()) {
            builder.shield(home);
        }
        let mut llmx_home = None;
        if let Some(home) = &sandbox.llmx_home {
            builder.guard_home(home)?;
            llmx_home = fs::canonicalize(home).ok();
        }
        Ok(Self { llmx_home, ..builder.finish() })
    }

    /// Once the missing names are reserved. A name that is missing still is one that the user may not create.
    pub(super) fn shield_what_was_missing(&mut self) {
        let reserved = self.missing.drain(..).filter(|path| fs::symlink_metadata(path).is_ok());
        self.covers.extend(reserved.map(|path| (path, Cover::Shield)));
        self.covers.sort();
    }

    /// The roots, the outer before the inner.
    pub(super) fn roots(&self) -> impl Iterator<Item = &Path> {
        self.covers.iter().filter(|(_, cover)| *cover == Cover::Root).map(|(path, _)| path.as_path())
    }
}

struct Builder<'r> {
    roots: &'r BTreeSet<PathBuf>,
    covers: BTreeMap<PathBuf, Cover>,
    missing: BTreeSet<PathBuf>,
}

impl Builder<'_> {
    /// The roots and what lies between a root and one that encloses it: git looks upwards, so a repository planted
    /// there would be found from the inner root.
    fn guarded(&self) -> BTreeSet<PathBuf> {
        let between = self.roots.iter().flat_map(|root| self.within_a_root(root));
        self.roots.iter().cloned().chain(between).collect()
    }

    /// The ancestors of `path` that a root encloses.
    fn within_a_root(&self, path: &Path) -> Vec<PathBuf> {
        let enclosed = |a: &Path| self.roots.iter().any(|root| a != root && a.starts_with(root));
        path.ancestors().skip(1).filter(|a| enclosed(a)).map(Path::to_owned).collect()
    }

    fn guard(&mut self, directory: &Path) -> Result<(), NotStarted> {
        for name in PROTECTED {
            let path = directory.join(name);
            match fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_dir() && is_placeholder(&path) => {
                    self.missing.insert(path);
                }
                Ok(meta) if meta.is_symlink() => {
                    let path = path.display();
                    return Err(refused(format!("{path} is a symbolic link, which cannot be protected")));
                }
                Ok(meta) if name == ".git" && meta.is_file() => self.guard_pointer(&path)?,
                Ok(meta) if meta.is_dir() => self.guard_directory(&path)?,
                Ok(_) => self.shield(path),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.missing.insert(path);
                }
                Err(error) => return Err(error).step(format!("look at {}", path.display())),
            }
        }
        Ok(())
    }

    /// A `.git` file is as good as the directory that it names.
    fn guard_pointer(&mut self, pointer: &Path) -> Result<(), NotStarted> {
        for way in git::ways_from(pointer).step(format!("read {}", pointer.display()))? {
            let end = self.guard_way(pointer, way)?;
            if end.is_dir() {
                self.guard_directory(&end)?;
            }
        }
        self.shield(pointer.to_owned());
        Ok(())
    }

    /// What its links lead to is a part of it, wherever that is.
    fn guard_directory(&mut self, directory: &Path) -> Result<(), NotStarted> {
        for way in git::ways_out_of(directory).step(format!("look at {}", directory.display()))? {
            self.guard_way(directory, way)?;
        }
        self.shield(directory.to_owned());
        Ok(())
    }

    /// Nobody may lead the way elsewhere: neither by another directory on it, nor by another link.
    fn guard_way(&mut self, of: &Path, way: Way) -> Result<PathBuf, NotStarted> {
        let is_in_git = |path: &Path| path.starts_with(of) && path != of;
        let changeable = way.links.into_iter().find(|link| self.is_writable(link) && !is_in_git(link));
        let (end, changeable) = match way.end {
            End::At(end) => (end, changeable),
            End::Missing(end) => (end.clone(), changeable.or_else(|| self.is_writable(&end).then_some(end))),
        };
        if let Some(changeable) = changeable {
            let (of, changeable) = (of.display(), changeable.display());
            return Err(refused(format!("{of} leads to {changeable}, which cannot be protected")));
        }
        for directory in way.through {
            if self.is_writable(&directory) && !self.roots.contains(&directory) {
                self.covers.entry(directory).or_insert(Cover::Pin);
            }
        }
        self.shield(end.clone());
        Ok(end)
    }

    fn guard_home(&mut self, home: &Path) -> Result<(), NotStarted> {
        let way = std::path::absolute(home).and_then(|home| follow(&home));
        let way = way.step(format!("find {}", home.display()))?;
        if let Some(link) = way.links.iter().find(|link| self.is_writable(link)) {
            return Err(refused(leads_elsewhere("llmx's own home", home, link)));
        }
        let (home, exists) = match way.end {
            End::At(home) => (home, true),
            End::Missing(home) => (home, false),
        };
        if self.roots.contains(&home) {
            return Err(refused(format!("llmx's own home {} cannot be a writable root", home.display())));
        }
        if home == Path::new("/") || KERNELS.iter().any(|kernels| home.starts_with(kernels)) {
            return Err(refused(format!("{} cannot be llmx's own home", home.display())));
        }
        if exists {
            self.shield(home);
        } else if self.is_writable(&home) {
            self.missing.insert(home);
        }
        Ok(())
    }

    /// What no root encloses is read-only already.
    fn shield(&mut self, path: PathBuf) {
        if self.is_writable(&path) {
            self.covers.insert(path, Cover::Shield);
        }
    }

    fn is_writable(&self, path: &Path) -> bool {
        self.roots.iter().any(|root| path.starts_with(root))
    }

    fn finish(mut self) -> Plan {
        self.covers.extend(self.roots.iter().map(|root| (root.clone(), Cover::Root)));
        let targets: Vec<PathBuf> = self.covers.keys().chain(&self.missing).cloned().collect();
        let between: Vec<PathBuf> = targets.iter().flat_map(|target| self.within_a_root(target)).collect();
        for between in between {
            self.covers.entry(between).or_insert(Cover::Pin);
        }
        // The order of paths is by component, so a directory comes before what is in it.
        Plan {
            covers: self.covers.into_iter().collect(),
            missing: self.missing.into_iter().collect(),
            ..Plan::default()
        }
    }
}

fn is_placeholder(path: &Path) -> bool {
    rustix::fs::lstat(path).is_ok_and(|stat| placeholder::is_placeholder(&stat))
}

fn roots(sandbox: &Sandbox) -> Result<BTreeSet<PathBuf>, NotStarted> {
    let SandboxPolicy::WorkspaceWrite { writable_roots, exclude_tmpdir_env_var, exclude_slash_tmp, .. } =
        &sandbox.policy
    else {
        return Ok(BTreeSet::new());
    };
    let session = fs::canonicalize(&sandbox.session_cwd);
    session.step(format!("find the session's directory {}", sandbox.session_cwd.display()))?;
    let mut named: Vec<(&str, &Path)> = vec![("the session's directory", &sandbox.session_cwd)];
    named.extend(writable_roots.iter().map(|root| ("a writable root", root.as_path())));
    if !exclude_slash_tmp {
        named.push(("/tmp", SLASH_TMP.as_ref()));
    }
    if let Some(tmpdir) = sandbox.tmpdir.as_ref().filter(|_| !exclude_tmpdir_env_var) {
        named.push(("$TMPDIR", tmpdir));
    }
    let found: Vec<NamedRoot> = named.into_iter().filter_map(|(name, path)| NamedRoot::find(name, path)).collect();
    for root in &found {
        refuse_what_gives_too_much(root.name, &root.root, sandbox)?;
    }
    refuse_what_commands_choose(&found, sandbox)?;
    Ok(found.into_iter().map(|root| root.root).collect())
}

/// A directory that was named as a root.
struct NamedRoot<'n> {
    name: &'n str,
    path: &'n Path,
    /// The directory that it is, canonical.
    root: PathBuf,
    /// The links that lead there.
    links: Vec<PathBuf>,
}

impl<'n> NamedRoot<'n> {
    /// `None` for what is no directory: nothing is written there.
    fn find(name: &'n str, path: &'n Path) -> Option<Self> {
        let way = follow(&std::path::absolute(path).ok()?).ok()?;
        let End::At(root) = way.end else { return None };
        root.is_dir().then_some(Self { name, path, root, links: way.links })
    }
}

/// Whoever can replace a link on the way to a root chooses what the next command may write. So such a root must be
/// within one to which no such link leads.
fn refuse_what_commands_choose(found: &[NamedRoot<'_>], sandbox: &Sandbox) -> Result<(), NotStarted> {
    // Commands of other sessions write in the temporary directories, whatever this one does.
    let temporary = [Some(Path::new(SLASH_TMP)), sandbox.tmpdir.as_deref()];
    let temporary = temporary.into_iter().flatten().filter_map(|path| fs::canonicalize(path).ok());
    let written: BTreeSet<PathBuf> = found.iter().map(|root| root.root.clone()).chain(temporary).collect();
    let changeable = |root: &NamedRoot<'_>| {
        root.links.iter().find(|link| written.iter().any(|written| link.starts_with(written))).cloned()
    };
    let firm: Vec<&Path> =
        found.iter().filter(|root| changeable(root).is_none()).map(|root| root.root.as_path()).collect();
    for named in found {
        if let Some(link) = changeable(named)
            && !firm.iter().any(|firm| named.root.starts_with(firm))
        {
            return Err(refused(leads_elsewhere(named.name, named.path, &link)));
        }
    }
    Ok(())
}

fn leads_elsewhere(name: &str, path: &Path, link: &Path) -> String {
    let (path, link) = (path.display(), link.display());
    format!("{name} ({path}) leads through the symbolic link {link}, which commands can change")
}

fn refuse_what_gives_too_much(name: &str, root: &Path, sandbox: &Sandbox) -> Result<(), NotStarted> {
    let home = sandbox.user_home.as_ref().and_then(|home| fs::canonicalize(home).ok());
    // A home below /tmp is a test's or a container's: it is shielded, and /tmp is a root all the same.
    let holds_home = home.is_some_and(|home| home == *root || home.starts_with(root) && !root.starts_with(SLASH_TMP));
    let is_kernels = KERNELS.iter().any(|kernels| root.starts_with(kernels));
    if root == Path::new("/") || holds_home {
        let root = root.display();
        return Err(refused(format!("{name} ({root}) holds the user's home; it cannot be writable")));
    }
    if is_kernels {
        return Err(refused(format!("{name} ({}) belongs to the kernel; it cannot be writable", root.display())));
    }
    Ok(())
}
