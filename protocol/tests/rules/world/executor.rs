//! Executors and the commands that they run.

use crate::script::{Behaviour, Then};
use llmx_protocol::{
    ids::{TaskId, TurnId},
    machine::{
        approval::CallKey,
        turn::{CallEnd, StartCall},
    },
    wire::event::ExecOutputStream,
};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Everything that an executor may be told.
#[derive(Debug)]
pub(super) enum Mail {
    Start { task: TaskId, turn: TurnId, call: StartCall },
    Kill(CallKey),
    Sweep(Asker),
}

/// Who waits until nothing lives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker {
    /// The n-th session.
    Session(u32),
    Task(TaskId),
}

#[derive(Debug)]
pub(super) struct Executor {
    pub(super) number: u32,
    /// Its session's.
    pub(super) session: u32,
    pub(super) mail: VecDeque<Mail>,
    pub(super) doomed: bool,
}

/// A command's whole tree.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) number: usize,
    pub(super) executor: u32,
    pub(super) turn: TurnId,
    pub(super) call: CallKey,
    since: Instant,
    writes: u8,
    then: Then,
    dies_after: Duration,
    dies: Option<Instant>,
}

/// What a command does next.
pub(super) enum Act {
    Writes(ExecOutputStream, Vec<u8>),
    Ends(CallEnd),
}

impl Process {
    pub(super) fn new(
        number: usize,
        executor: u32,
        turn: TurnId,
        call: CallKey,
        does: &Behaviour,
        now: Instant,
    ) -> Self {
        let Behaviour { writes, then, dies_after } = *does;
        Self { number, executor, turn, call, since: now, writes, then, dies_after, dies: None }
    }

    pub(super) fn kill(&mut self, now: Instant) {
        self.dies.get_or_insert(now + self.dies_after);
    }

    /// When it dies, once it was told to.
    pub(super) fn dies(&self) -> Option<Instant> {
        self.dies
    }

    pub(super) fn dies_now(&self, now: Instant) -> bool {
        self.dies.is_some_and(|at| at <= now)
    }

    pub(super) fn can_act(&self) -> bool {
        self.writes > 0 || self.then != Then::Hangs
    }

    pub(super) fn ran_for(&self, now: Instant) -> Duration {
        now - self.since
    }

    pub(super) fn act(&mut self, now: Instant) -> Act {
        if self.dies_now(now) {
            return Act::Ends(CallEnd::Signalled(9));
        }
        if self.writes > 0 {
            self.writes -= 1;
            let stream =
                if self.writes.is_multiple_of(2) { ExecOutputStream::Stdout } else { ExecOutputStream::Stderr };
            return Act::Writes(stream, format!("line {}\n", self.writes).into_bytes());
        }
        Act::Ends(match self.then {
            Then::Exits(code) => CallEnd::Exited(code),
            Then::IsSignalled(signal) => CallEnd::Signalled(signal),
            Then::Hangs | Then::FailsToStart => CallEnd::Lost,
        })
    }
}
