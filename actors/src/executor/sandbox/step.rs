//! What could not be done. Every step of building a sandbox ends the start with its own sentence.

use std::fmt;
use std::io;

/// A step of building the sandbox that failed: nothing was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(String);

impl Failure {
    /// The sandbox itself refuses, for a reason that is not the system's.
    pub(super) fn refused(reason: impl fmt::Display) -> Self {
        Self(format!("sandbox: {reason}"))
    }

    /// Not the sandbox's fault: the command's.
    pub(super) fn of_the_command(reason: String) -> Self {
        Self(reason)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Names the step that a result belongs to.
pub(super) trait Step<T> {
    /// `step` reads after "cannot".
    fn step(self, step: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("sandbox: cannot {step}: {}", error.into())))
    }
}
