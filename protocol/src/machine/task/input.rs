//! What a task hears.

use super::Steering;
use crate::{ids::TurnId, machine::turn::TurnEnd, wire::event::AbortReason};

/// What can happen to a task.
#[derive(Clone, Debug)]
pub enum Input {
    /// It may begin.
    Begin,
    /// A turn said how it ended.
    TurnEnded {
        /// Which.
        turn: TurnId,
        /// How.
        end: TurnEnd,
    },
    /// A turn died without saying so.
    TurnCrashed {
        /// Which.
        turn: TurnId,
        /// Of what.
        why: String,
    },
    /// The executor has ended everything.
    Swept,
    /// The user says something to it.
    Steer(Steering),
    /// End now.
    Stop(AbortReason),
    /// A deadline may have passed.
    Tick,
}
