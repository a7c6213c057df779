//! What could not be done. Every step of building a sandbox ends the start with its own sentence.

use crate::executor::process::{Cause, NotStarted};
use std::fmt;
use std::io;

/// The sandbox itself refuses, for a reason that is not the system's.
pub(super) fn refused(reason: impl fmt::Display) -> NotStarted {
    NotStarted { cause: Cause::NotConfined, text: format!("sandbox: {reason}") }
}

/// Names the step that a result belongs to.
pub(super) trait Step<T> {
    /// `step` reads after "cannot".
    fn step(self, step: impl fmt::Display) -> Result<T, NotStarted>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: impl fmt::Display) -> Result<T, NotStarted> {
        self.map_err(|error| refused(format!("cannot {step}: {}", error.into())))
    }
}
