//! Everything anyone may send a [`Turn`](super::Turn) beside its children's reports, and what it tells its task.

use crate::executor::Executor;
use actix::{Addr, Message};
use llmx_protocol::{
    ids::TurnId,
    machine::{
        approval::{Answer, CallKey, Question},
        turn::TurnEnd,
    },
};

/// End now; [`TurnFinished`] answers.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct StopTurn;

/// The user has something to say; [`TurnFinished`] answers, at once or when the tools that run are done.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct YieldTurn;

/// A question was answered.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Answered {
    /// Which call waits for it.
    pub call: CallKey,
    /// The answer.
    pub answer: Answer,
}

/// From now on commands go to this executor.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct ReplaceExecutor(pub Addr<Executor>);

/// What the dead executor ran is gone.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct CallsLost;

/// To the task, and on to the session: a person must be asked; [`Answered`] answers.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct AskPerson(pub Question);

/// To the task: the turn is over; it says nothing more.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct TurnFinished {
    /// Which.
    pub turn: TurnId,
    /// How.
    pub end: TurnEnd,
}
