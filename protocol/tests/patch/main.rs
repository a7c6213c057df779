//! `apply_patch` through its public face: reference `apply-patch.md`, its rules and its mistakes.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, or says why it is skipped"
)]

mod command;
mod diff;
mod generate;
mod parse;
mod plan;
mod properties;
mod update;
