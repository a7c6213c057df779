//! Why a command never ran.

use std::fmt;
use std::io;

/// Nothing of the command ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotStarted {
    /// Whose fault it is.
    pub cause: Cause,
    /// What failed, with the system's words: `cannot run foo: No such file or directory …`.
    pub text: String,
}

/// Whose fault it is that a command never ran. Shells and `env` have an exit code for the first two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// There is no such program.
    NotFound,
    /// There is one, and the system does not run it.
    NotExecutable,
    /// The sandbox cannot be built, or refuses.
    NotConfined,
    /// Anything else: the directory, the helper.
    Other,
}

impl NotStarted {
    pub(crate) fn other(text: impl Into<String>) -> Self {
        Self { cause: Cause::Other, text: text.into() }
    }

    /// What `execve(2)`, or the fork before it, says of a program.
    pub(crate) fn of_program(program: &std::path::Path, error: &io::Error) -> Self {
        let cause = match error.kind() {
            io::ErrorKind::NotFound => Cause::NotFound,
            io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => Cause::Other,
            _ => Cause::NotExecutable,
        };
        Self { cause, text: format!("cannot run {}: {error}", program.display()) }
    }
}

impl fmt::Display for NotStarted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Cause {
    pub(crate) fn to_byte(self) -> u8 {
        match self {
            Self::NotFound => b'f',
            Self::NotExecutable => b'x',
            Self::NotConfined => b'n',
            Self::Other => b'o',
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        [Self::NotFound, Self::NotExecutable, Self::NotConfined, Self::Other].into_iter().find(|c| c.to_byte() == byte)
    }
}
