//! Executors and the commands that they run.

use super::{World, sessions::SessionMail, tasks::TaskMail, turns::TurnMail};
use crate::{
    script::{Behaviour, Then},
    trace::Seen,
};
use llmx_protocol::{
    ids::{TaskId, TurnId},
    machine::{
        approval::CallKey,
        session, task,
        turn::{self, CallEnd, Inspected, StartCall, Work},
    },
    patch::{FileState, Patch, plan},
    wire::event::ExecOutputStream,
};
use std::{
    collections::VecDeque,
    path::Path,
    sync::Arc,
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
    /// Of a look at a patch.
    found: Option<CallEnd>,
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
        Self { number, executor, turn, call, since: now, writes, then, found: None, dies_after, dies: None }
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
        if let Some(found) = self.found.take() {
            return Act::Ends(found);
        }
        if self.then == Then::IsDenied {
            self.then = Then::Exits(1);
            return Act::Writes(ExecOutputStream::Stderr, b"make: Permission denied\n".to_vec());
        }
        Act::Ends(match self.then {
            Then::Exits(code) => CallEnd::Exited(code),
            Then::IsSignalled(signal) => CallEnd::Signalled(signal),
            Then::Hangs | Then::FailsToStart | Then::IsDenied => CallEnd::Lost,
        })
    }
}

impl World {
    pub(super) fn start_executor(&mut self) -> u32 {
        self.executors_started += 1;
        let number = self.executors_started;
        self.executors.push(Executor { number, session: self.sessions, mail: VecDeque::new(), doomed: false });
        number
    }

    pub(super) fn tell_executor(&mut self, number: u32, mail: Mail) {
        if let Some(executor) = self.executors.iter_mut().find(|e| e.number == number) {
            executor.mail.push_back(mail);
        }
    }

    pub(super) fn executor_reads(&mut self, i: usize) {
        let (number, doomed) = (self.executors[i].number, self.executors[i].doomed);
        while let Some(mail) = self.executors[i].mail.pop_front() {
            self.executor_handles(number, mail);
            if !doomed {
                return;
            }
        }
        self.executor_is_gone(i);
    }

    pub(super) fn executor_handles(&mut self, number: u32, mail: Mail) {
        let now = self.now;
        match mail {
            Mail::Start { task, turn, call } => self.start_process(number, task, turn, &call),
            Mail::Kill(call) => {
                let of_it = |p: &&mut Process| p.executor == number && p.call == call;
                self.processes.iter_mut().filter(of_it).for_each(|p| p.kill(now));
            }
            Mail::Sweep(asker) => {
                self.processes.iter_mut().filter(|p| p.executor == number).for_each(|p| p.kill(now));
                self.sweeps.push(asker);
                self.end_sweeps();
            }
        }
    }

    /// Nothing is run for a turn that is gone: nobody would ever end it.
    pub(super) fn start_process(&mut self, executor: u32, task: TaskId, turn: TurnId, start: &StartCall) {
        let call = start.call;
        if !self.turns.iter().any(|t| t.turn == turn) {
            return;
        }
        let ends_well = Behaviour { writes: 0, then: Then::Exits(0), dies_after: Duration::ZERO };
        let (does, found) = match &start.work {
            Work::Inspect { patch, cwd } => (ends_well, Some(inspect(patch, cwd))),
            Work::Command { .. } | Work::Apply { .. } => (self.commands.pop_front().unwrap_or(ends_well), None),
        };
        if does.then == Then::FailsToStart {
            let end = CallEnd::NotStarted("no such file".into());
            let input = turn::Input::CallEnded { call, end, duration: Duration::ZERO };
            return self.tell_turn(Some(turn), TurnMail::Input(input));
        }
        self.spawned += 1;
        let number = self.spawned;
        self.note(Seen::ProcessLives { process: number, task, call });
        self.processes.push(Process { found, ..Process::new(number, executor, turn, call, &does, self.now) });
    }

    pub(super) fn executor_is_gone(&mut self, i: usize) {
        let executor = self.executors.remove(i);
        let now = self.now;
        self.processes.iter_mut().filter(|p| p.executor == executor.number).for_each(|p| p.kill(now));
        self.tell_session(executor.session, SessionMail::ExecutorExited(executor.number));
    }

    pub(super) fn process_acts(&mut self, i: usize) {
        let now = self.now;
        let process = &mut self.processes[i];
        let (turn, call, duration) = (process.turn, process.call, process.ran_for(now));
        let input = match process.act(now) {
            Act::Writes(stream, chunk) => turn::Input::CallOutput { call, stream, chunk },
            Act::Ends(end) => {
                let process = self.processes.remove(i).number;
                self.note(Seen::ProcessDies { process });
                self.end_sweeps();
                turn::Input::CallEnded { call, end, duration }
            }
        };
        self.tell_turn(Some(turn), TurnMail::Input(input));
    }

    /// Whoever waits until nothing lives is told so at once: before anyone else can start something.
    fn end_sweeps(&mut self) {
        if !self.processes.is_empty() {
            return;
        }
        for asker in std::mem::take(&mut self.sweeps) {
            match asker {
                Asker::Session(number) => self.tell_session(number, SessionMail::Input(session::Input::Swept)),
                Asker::Task(task) => self.send_task(task, TaskMail::Input(task::Input::Swept)),
            }
        }
    }
}

/// A disk that is empty but for a file that no added one can replace.
fn inspect(patch: &Patch, cwd: &Path) -> CallEnd {
    let disk = |path: &Path| match path.ends_with("misfit") {
        true => FileState::Text(String::new()),
        false => FileState::Absent,
    };
    let outside = |path: &&Path| path.starts_with("/outside");
    CallEnd::Inspected(plan(patch, cwd, disk).map_err(|error| error.to_string()).map(|plan| Inspected {
        outside: plan.touched_paths().filter(outside).map(Path::to_owned).collect(),
        plan: Arc::new(plan),
        base: cwd.to_owned(),
    }))
}
