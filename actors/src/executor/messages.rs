//! Everything anyone may send an [`Executor`](super::Executor), and what it answers.

use crate::flow::Credit;
use actix::{Message, Recipient, WeakRecipient};
use llmx_protocol::{
    machine::{
        approval::CallKey,
        turn::{self, CallEnd},
    },
    wire::event::ExecOutputStream,
};
use std::time::Duration;

/// Run a command. Exactly one [`CallEnded`] answers.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct StartCall {
    /// What.
    pub call: turn::StartCall,
    /// Between SIGTERM and SIGKILL, should it be killed.
    pub grace: Duration,
    /// The turn.
    pub output: WeakRecipient<CallOutput>,
    /// The turn.
    pub ended: WeakRecipient<CallEnded>,
}

/// End a command's whole tree; its [`CallEnded`] says when that is done. Unknown ones are ended already.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct KillCall(pub CallKey);

/// End everything at once; [`Swept`] answers when nothing lives, whichever executor had started it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Sweep {
    /// Who asked.
    pub done: Recipient<Swept>,
}

/// To whoever asked for a sweep: nothing lives.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Swept;

/// To the turn: a command wrote something.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CallOutput {
    /// Which.
    pub call: CallKey,
    /// Where.
    pub stream: ExecOutputStream,
    /// What.
    pub chunk: Vec<u8>,
    /// Travels with it to the UI. What a killed command still had in its pipes comes without.
    pub credit: Option<Credit>,
}

/// To the turn: a command is over and nothing of it lives.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CallEnded {
    /// Which.
    pub call: CallKey,
    /// How.
    pub end: CallEnd,
    /// How long it ran.
    pub duration: Duration,
}
