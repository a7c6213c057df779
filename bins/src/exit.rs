//! How llmx says how it went. Codes are part of the command-line contract (README).

use std::process::ExitCode;

/// Everything was done.
pub(crate) const DONE: u8 = 0;
/// llmx could not start: bad configuration, no runtime.
pub(crate) const CANNOT_START: u8 = 1;
/// A bug: the session was lost although nobody ended it.
pub(crate) const INTERNAL: u8 = 70;
/// `llmx sandbox` did not run the command; what docker and env say of their own failures.
pub(crate) const NOT_CONFINED: u8 = 125;
/// `llmx sandbox`: the system does not run that program; so say shells, docker and env.
const NOT_EXECUTABLE: u8 = 126;
/// `llmx sandbox`: there is no such program; so say shells, docker and env.
const NOT_FOUND: u8 = 127;
/// The arguments do not make sense.
const WRONG_ARGUMENTS: u8 = 2;
/// Interrupted by SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;
/// Standard output was closed while there was something to say; what a shell reports for SIGPIPE.
pub(crate) const OUTPUT_CLOSED: u8 = 141;
/// Ended by SIGTERM.
pub(crate) const TERMINATED: u8 = 143;

/// Says on standard error why llmx does not start.
pub(crate) fn cannot_start(why: impl std::fmt::Display) -> ExitCode {
    fail(CANNOT_START, why)
}

/// Says on standard error why a command was not run.
pub(crate) fn not_confined(why: impl std::fmt::Display) -> ExitCode {
    fail(NOT_CONFINED, why)
}

/// Says on standard error that a program cannot be executed.
pub(crate) fn not_executable(why: impl std::fmt::Display) -> ExitCode {
    fail(NOT_EXECUTABLE, why)
}

/// Says on standard error that there is no such program.
pub(crate) fn not_found(why: impl std::fmt::Display) -> ExitCode {
    fail(NOT_FOUND, why)
}

/// Says on standard error what is wrong with the arguments.
pub(crate) fn wrong_arguments(why: impl std::fmt::Display) -> ExitCode {
    fail(WRONG_ARGUMENTS, why)
}

/// Says on standard error what the user should know although it goes on.
#[expect(clippy::print_stderr, reason = "the user of a command line reads it there, whatever the log filter")]
pub(crate) fn warn(what: impl std::fmt::Display) {
    eprintln!("llmx: {what}");
}

fn fail(code: u8, why: impl std::fmt::Display) -> ExitCode {
    warn(why);
    ExitCode::from(code)
}
