//! One turn: carries out what its machine decides.

mod actor;
mod messages;

pub use self::{
    actor::{Turn, TurnParts},
    messages::{Answered, AskPerson, CallsLost, ReplaceExecutor, StopTurn, TurnFinished, YieldTurn},
};
