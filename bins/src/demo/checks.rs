//! What the demo claims, and whether it is so.

/// A claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// In words for a person.
    pub(super) claim: &'static str,
    /// `Err`: why it does not hold.
    pub(super) result: Result<(), String>,
}

/// Puts a claim and its outcome together.
pub(super) fn check(claim: &'static str, result: Result<(), String>) -> Check {
    Check { claim, result }
}

/// Holds if two things are the same.
pub(super) fn same<T: PartialEq + std::fmt::Debug>(expected: &T, seen: &T) -> Result<(), String> {
    if expected == seen { Ok(()) } else { Err(format!("expected {expected:?}, got {seen:?}")) }
}

/// Holds if `holds`.
pub(super) fn that(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

/// The claims that do not hold, each with its reason.
#[cfg(test)]
pub(super) fn failed_claims(checks: &[Check]) -> Vec<String> {
    let failed = checks.iter().filter_map(|check| Some(format!("{}: {}", check.claim, check.result.as_ref().err()?)));
    failed.collect()
}
