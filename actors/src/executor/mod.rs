//! Runs a session's commands, each to the end of everything it started, and applies its patches.

mod actor;
mod messages;
mod patch;
pub mod process;
mod run;
mod runner;
pub mod sandbox;

pub use self::{
    actor::Executor,
    messages::{CallEnded, CallOutput, KillCall, StartCall, Sweep, Swept},
    patch::{Application, Inspection, Recovery},
    runner::{Conversation, HelperRunner, Killed, Limits, Order, OutputSink, Runner, Word},
};
