//! Runs one command so that nothing of it outlives it: the process layer of the Executor, free of actors.
//!
//! ```text
//! engine ──control socket──▶ helper (llmx-exec) ──fork──▶ leader ──▶ anything the command starts
//!    ▲                          │ subreaper: orphans of the tree become its children
//!    └──── report, then EOF ────┘
//! ```
//!
//! The command does not run below the engine but below a **helper**: this same program, executed again under the name
//! `llmx-exec`. The helper is a child subreaper, so a daemon that forks twice and calls `setsid` still ends up as its
//! child, and "the tree is gone" is a fact the kernel states (`ECHILD`), not a guess from process groups. When the
//! engine dies, even by SIGKILL, the control socket closes and the helper kills the tree.
//!
//! Every program that starts commands calls [`run_if_helper`] first thing in `main`:
//!
//! ```
//! fn main() -> std::process::ExitCode {
//!     if let Some(exit) = llmx_actors::executor::process::run_if_helper() {
//!         return exit;
//!     }
//!     // … the program itself
//!     std::process::ExitCode::SUCCESS
//! }
//! ```
//!
//! With a [`Sandbox`](crate::executor::sandbox::Sandbox) the leader is PID 1 of namespaces of its own, with the command
//! below it.
//!
//! What this layer cannot do without a PID namespace: a command that runs as the engine's user may kill its helper.
//! That is noticed ([`Ended::Lost`]) and the command's session is killed, but a daemon that left the session escapes.

mod child;
mod control;
mod environment;
mod helper;
mod interaction;
mod launch;
mod not_started;
mod output;
mod pattern;
mod proc_tree;
mod run;

pub(crate) use child::spawn_reading;
pub use child::{CommandEnd, Ended, RunningCommand, spawn, spawn_in_place, spawn_interactive};
pub use environment::{Inherit, ShellEnvironmentPolicy, child_environment};
pub use helper::run_if_helper;
pub use interaction::{CommandInput, TerminalSize};
pub(crate) use launch::HELPER_NAME;
pub use launch::{HelperPath, Launch};
pub use not_started::{Cause, NotStarted};
pub use output::{CommandOutput, Drained, OutputStream, pump};
pub use pattern::NamePattern;
pub use run::{Finished, run};
