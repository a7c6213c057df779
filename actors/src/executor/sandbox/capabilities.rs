//! Gives up every privilege for good.

use super::step::Step;
use crate::executor::process::NotStarted;
use rustix::io::Errno;
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_capabilities_secure_bits, set_no_new_privs,
};

/// Bits of a capability set.
const MOST_CAPABILITIES: u32 = 64;

/// No set of this process has a capability afterwards, and no program that it becomes gets one.
pub(super) fn drop_all() -> Result<(), NotStarted> {
    // An ordinary user without a user namespace may not shrink the bounding set: then no_new_privs stands in for it.
    if drop_bounding_set().step("drop the bounding set")? {
        set_capabilities_secure_bits(root_is_nobody_special()).step("set the secure bits")?;
    }
    clear_ambient_capability_set().step("drop ambient capabilities")?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .step("drop capabilities")?;
    set_no_new_privs(true).step("set no_new_privs")
}

fn drop_bounding_set() -> rustix::io::Result<bool> {
    for number in 0..MOST_CAPABILITIES {
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            Ok(()) => {}
            Err(Errno::INVAL) => break, // the kernel has no more
            Err(Errno::PERM) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn root_is_nobody_special() -> CapabilitiesSecureBits {
    CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED
}
