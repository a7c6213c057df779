//! For the tests of llmx and of applications that embed it (feature `testkit`): a model and commands that follow a
//! script in memory, planned crashes, probes, and a world that drives an engine made of them.
//!
//! ```
//! use llmx_actors::testkit::{Answer, World};
//! use serde_json::json;
//!
//! # async fn example() {
//! let world = World::new();
//! world.model.answers([Answer::new().says("hello").completes()]);
//! let mut ui = world.open().await;
//! ui.configure().await;
//! ui.submit("t1", json!({"type": "user_input", "items": [{"type": "text", "text": "hi"}]})).await;
//! ui.until_terminal("t1").await;
//! # }
//! # llmx_actors::testkit::in_stopped_time(example());
//! ```
//!
//! Everything runs in stopped time ([`in_stopped_time`]): pauses take none, and whoever waits for what never comes is
//! found out at once. A test whose sessions run on arbiters of their own needs real time ([`in_real_time`]).

mod answer;
mod commands;
mod gate;
mod harness;
pub mod invariants;
mod model;
mod probe;
mod runtime;
mod world;

pub use self::{
    answer::Answer,
    commands::{Process, ScriptedCommands},
    gate::Gate,
    harness::{Crash, Harness},
    model::{ScriptedModel, SeenRequest},
    probe::{Heard, Probe, probe},
    runtime::{in_real_time, in_stopped_time},
    world::{Seen, Ui, World},
};
pub(crate) use harness::{crash_point, inherit};
