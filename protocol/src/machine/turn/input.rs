//! What a turn hears.

use super::CallEnd;
use crate::{
    ids::Attempt,
    machine::approval::{Answer, CallKey},
    model::{event::ModelEvent, failure::Failure},
    wire::event::ExecOutputStream,
};
use std::time::Duration;

/// What can happen to a turn.
#[derive(Clone, Debug)]
pub enum Input {
    /// It may begin.
    Begin,
    /// The model said something.
    Model {
        /// In which try.
        attempt: Attempt,
        /// What.
        event: ModelEvent,
    },
    /// The model's stream is over, by itself or because it was told to close.
    ModelEnded {
        /// Which try.
        attempt: Attempt,
        /// `Err`: it broke.
        how: Result<(), Failure>,
    },
    /// A person (or the session, for a person) answered.
    Answered {
        /// Which call.
        call: CallKey,
        /// What.
        answer: Answer,
    },
    /// A call wrote something.
    CallOutput {
        /// Which call.
        call: CallKey,
        /// Where.
        stream: ExecOutputStream,
        /// What.
        chunk: Vec<u8>,
    },
    /// A call is over and nothing of it lives.
    CallEnded {
        /// Which call.
        call: CallKey,
        /// How.
        end: CallEnd,
        /// How long it ran.
        duration: Duration,
    },
    /// The executor died; commands that start from now on are another's.
    ExecutorReplaced,
    /// What a replaced executor ran is gone.
    CallsLost,
    /// The user has something to say: leave the model, but let the tools that run come to their end.
    Yield,
    /// End now.
    Stop,
    /// A deadline may have passed.
    Tick,
}
