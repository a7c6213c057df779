//! How actors are started, watched, tied to their parents and woken up.
//!
//! actix's own `Supervisor` is not used: it keeps the broken struct, misses panics and has no limit. Here a parent
//! starts a child with [`start_watched`], learns of its end last, and a restart is a new struct within a
//! [`RestartBudget`](llmx_protocol::machine::restart::RestartBudget).

mod harnessed;
mod tether;
mod timer;
mod watch;

pub(crate) use self::harnessed::crash_point;
pub use self::{
    tether::{Lifeline, Tether},
    timer::Timer,
    watch::{ChildExited, Exit, start_watched},
};

use std::time::Instant;

/// The time that machines are told: tokio's, so that tests can stop it.
#[must_use]
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
