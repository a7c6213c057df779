//! Landlock: the second wall in front of the file system. It holds where a mount does not, for a directory or a
//! file that was open before, reopened through `/proc/self/fd`.

use super::description::Strength;
use super::mounts::CONSOLE;
use super::step::{Step, refused};
use crate::executor::process::NotStarted;
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use std::io;
use std::path::{Path, PathBuf};

/// What is tried, the best first. Below ABI 3 anybody may truncate any file, so that is the least.
const LEVELS: [ABI; 4] = [ABI::V9, ABI::V6, ABI::V5, ABI::V3];

/// The least Landlock ABI that a sandbox is made of.
pub const LEAST_LANDLOCK_ABI: u32 = 3;

/// The Landlock ABI of this kernel (`landlock(7)`); `None` without Landlock, or where it is switched off.
#[must_use]
pub fn landlock_abi() -> Option<u32> {
    const VERSION: libc::c_uint = 1;
    #[expect(unsafe_code, reason = "the crate keeps the number to itself")]
    // SAFETY: with this flag the kernel takes no structure and only answers.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION) };
    u32::try_from(abi).ok().filter(|abi| *abi > 0)
}

/// Files that take writes under every policy.
const DEVICES: [&str; 6] = ["/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero"];

/// Terminals, where those of other programs are not among them.
const TERMINALS: [&str; 3] = [CONSOLE, "/dev/ptmx", "/dev/pts"];

/// Rules that are ready to be applied.
#[derive(Debug)]
pub(super) struct PathRules {
    rules: RulesetCreated,
    abi: ABI,
}

impl PathRules {
    /// Reading and executing everywhere, writing below `writable`.
    pub(super) fn new(writable: &[PathBuf], strength: Strength) -> Result<Self, NotStarted> {
        let (abi, rules) = best_ruleset()?;
        let terminals: &[&str] = if strength == Strength::Full { &TERMINALS } else { &[] };
        let devices: Vec<&Path> = DEVICES.iter().chain(terminals).map(Path::new).filter(|path| path.exists()).collect();
        let rules = allow(rules, abi, &devices, writable).map_err(io::Error::other).step("make Landlock rules")?;
        Ok(Self { rules, abi })
    }

    /// Whether the abstract sockets of other programs are out of reach.
    pub(super) fn scopes_abstract_sockets(&self) -> bool {
        !Scope::from_all(self.abi).is_empty()
    }

    /// For this process and all that it starts, for ever.
    pub(super) fn apply(self) -> Result<(), NotStarted> {
        let status = self.rules.restrict_self().map_err(io::Error::other).step("apply Landlock")?;
        if status.ruleset == RulesetStatus::FullyEnforced && status.no_new_privs {
            return Ok(());
        }
        Err(refused("Landlock is not fully enforced"))
    }
}

fn best_ruleset() -> Result<(ABI, RulesetCreated), NotStarted> {
    let mut why = None;
    for abi in LEVELS {
        match ruleset(abi) {
            Ok(rules) => return Ok((abi, rules)),
            Err(error) => why = Some(error),
        }
    }
    let why = why.map(|error| error.to_string()).unwrap_or_default();
    Err(refused(format!("this kernel's Landlock is too old or off (ABI 3, Linux 6.2 is needed): {why}")))
}

fn ruleset(abi: ABI) -> Result<RulesetCreated, RulesetError> {
    let rules =
        Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(AccessFs::from_all(abi))?;
    let scopes = Scope::from_all(abi);
    if scopes.is_empty() { rules.create() } else { rules.scope(scopes)?.create() }
}

fn allow(
    rules: RulesetCreated,
    abi: ABI,
    devices: &[&Path],
    writable: &[PathBuf],
) -> Result<RulesetCreated, Box<dyn std::error::Error + Send + Sync>> {
    let of_files = AccessFs::from_file(abi) & !AccessFs::Execute;
    let in_roots = AccessFs::from_all(abi) & !(AccessFs::MakeChar | AccessFs::MakeBlock);
    let mut rules = rules.add_rule(beneath(Path::new("/"), AccessFs::from_read(abi))?)?;
    for device in devices {
        rules = rules.add_rule(beneath(device, of_files)?)?;
    }
    for root in writable {
        rules = rules.add_rule(beneath(root, in_roots)?)?;
    }
    Ok(rules)
}

fn beneath(path: &Path, access: BitFlags<AccessFs>) -> Result<PathBeneath<PathFd>, landlock::PathFdError> {
    Ok(PathBeneath::new(PathFd::new(path)?, access))
}
