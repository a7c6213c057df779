//! What the machine can do for the sandbox.

use super::check::Check;
use llmx_actors::{
    config::Config,
    executor::{
        process::HelperPath,
        sandbox::{LEAST_LANDLOCK_ABI, enforcement, landlock_abi},
    },
};
use llmx_protocol::machine::{approval::unenforceable, settings::Enforcement};

pub(super) fn kernel() -> Check {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned();
    let check = match landlock_abi() {
        Some(abi) if abi >= LEAST_LANDLOCK_ABI => Check::ok("kernel", format!("Linux {release}, Landlock ABI {abi}")),
        Some(abi) => {
            Check::note("kernel", format!("Linux {release}, Landlock ABI {abi}; {LEAST_LANDLOCK_ABI} is the least"))
        }
        None => Check::note("kernel", format!("Linux {release}, without Landlock")),
    };
    check.with("release", release).with("landlock_abi", landlock_abi())
}

/// Broken where nothing could run under the configured policy.
pub(super) fn sandbox(config: Option<&Config>) -> Check {
    let degraded_writes = config.is_some_and(|config| config.allow_degraded_sandbox);
    let found = enforcement(&HelperPath::this_program(), degraded_writes);
    let policy = config.map(|config| &config.sandbox_policy);
    let refused = policy.and_then(|policy| Some((policy.mode(), unenforceable(&found, policy)?)));
    let (level, why) = match &found {
        Enforcement::Full => ("full", None),
        Enforcement::Degraded { why, .. } => ("degraded", Some(why.clone())),
        Enforcement::None(why) => ("none", Some(why.clone())),
    };
    let said = why.as_ref().map_or_else(|| level.to_owned(), |why| format!("{level}: {why}"));
    let check = match (refused, &found) {
        (Some((mode, _)), _) => Check::broken("sandbox", format!("{said}; under {mode} no command runs")),
        (None, Enforcement::Full) => Check::ok("sandbox", said),
        (None, _) => Check::note("sandbox", said),
    };
    check.with("level", level).with("why", why).with("policy", policy.map(|policy| policy.mode().to_string()))
}
