//! Runs a session's commands, each to the end of everything it started.

mod actor;
mod messages;
pub mod process;
mod run;
mod runner;
pub mod sandbox;

pub use self::{
    actor::Executor,
    messages::{CallEnded, CallOutput, KillCall, StartCall, Sweep, Swept},
    runner::{HelperRunner, Killed, Limits, Order, OutputSink, Runner},
};
