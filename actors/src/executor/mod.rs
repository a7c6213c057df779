//! Runs a session's commands, each to the end of everything it started.

mod actor;
mod messages;
pub mod process;
mod run;
mod runner;

pub use self::{
    actor::Executor,
    messages::{CallEnded, CallOutput, KillCall, StartCall, Sweep, Swept},
    runner::{HelperRunner, Killed, Order, OutputSink, Runner},
};
