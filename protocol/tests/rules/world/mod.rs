//! A world without actors: the machines, wired as their actors wire them, with a model, commands, a UI and a clock that
//! a script drives. Which mail is read next, what the outside does and when time passes is the script's choice.
//!
//! The order of mail is that of actors on one arbiter: each has one queue, in the order of sending. An actor whose
//! parent died reads what it has and is gone, which may be any time later.

mod crash;
mod executor;
mod model;
mod sessions;
mod settings;
mod streams;
mod tasks;
mod turns;
mod ui;

use self::{
    executor::{Asker, Executor, Process},
    model::{IDLE, Server, Stream},
    sessions::SessionSeat,
    tasks::TaskSeat,
    turns::TurnSeat,
};
use crate::{
    script::{Answer, Behaviour, Script, Step},
    trace::{Close, Seen, Trace},
};
use llmx_protocol::{
    ids::{SessionId, SubmissionId},
    machine::{
        gate::{Gate, Origin},
        restart::RestartBudget,
        session::{self, Memory, SessionEnd},
        settings::Defaults,
        task, turn,
    },
    wire::event::{Event, EventMsg},
};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long the processes of a dead session may take to die before it is rebuilt without them.
const FAMILY_DEADLINE: Duration = Duration::from_secs(10);

/// More than any script needs: past it, something goes in circles.
const MOST_MOVES: usize = 50_000;

/// Runs a script to the end of everything that can happen.
pub(crate) fn run(script: &Script) -> Trace {
    run_poked(script, |_| {})
}

/// As [`run`]; after every step of the script `poke` may tell the machines things.
pub(crate) fn run_poked(script: &Script, mut poke: impl FnMut(&mut World)) -> Trace {
    let mut world = World::new(script);
    for step in &script.steps {
        world.play(step);
        poke(&mut world);
    }
    world.say_farewell(script.farewell);
    for step in &script.afterwards {
        world.play(step);
        poke(&mut world);
    }
    world.let_everything_happen();
    world.close()
}

pub(crate) struct World {
    began: Instant,
    now: Instant,
    id: SessionId,
    defaults: Arc<Defaults>,
    gate: Gate,
    seq: u64,
    memory: Memory,
    session: Option<SessionSeat>,
    sessions: u32,
    restarts: RestartBudget,
    /// When a dead session is rebuilt even if its processes live.
    rebuild_by: Option<Instant>,
    /// What the UI insists on when a session dies over it.
    insisted: Vec<session::Input>,
    pub(crate) tasks: Vec<TaskSeat>,
    pub(crate) turns: Vec<TurnSeat>,
    executors: Vec<Executor>,
    executors_started: u32,
    streams: Vec<Stream>,
    processes: Vec<Process>,
    spawned: usize,
    sweeps: Vec<Asker>,
    server: Server,
    answers: VecDeque<Answer>,
    commands: VecDeque<Behaviour>,
    ui: ui::Ui,
    pub(crate) over: Over,
    end: Option<SessionEnd>,
    seen: Vec<Seen>,
    times: Vec<Duration>,
}

/// The machines that said their end.
#[derive(Default)]
pub(crate) struct Over {
    pub(crate) sessions: Vec<session::Session>,
    pub(crate) tasks: Vec<task::Task>,
    pub(crate) turns: Vec<turn::Turn>,
}

/// Something that can happen now.
#[derive(Clone, Copy, Debug)]
enum Move {
    SessionReads,
    SessionTicks,
    TaskReads(usize),
    TaskTicks(usize),
    TurnReads(usize),
    TurnTicks(usize),
    ExecutorReads(usize),
    StreamCloses(usize),
    StreamSpeaks(usize),
    ProcessDies(usize),
    ProcessActs(usize),
    SessionIsRebuilt,
}

impl Move {
    /// Whether it takes no time: nothing outside the engine has to do anything for it.
    fn is_prompt(self) -> bool {
        !matches!(self, Self::StreamSpeaks(_) | Self::ProcessActs(_))
    }
}

impl World {
    fn new(script: &Script) -> Self {
        let began = Instant::now();
        let mut world = Self {
            began,
            now: began,
            id: SessionId::from("thread"),
            defaults: Arc::new(settings::defaults(&script.setup)),
            gate: Gate::default(),
            seq: 0,
            memory: Memory::default(),
            session: None,
            sessions: 0,
            restarts: RestartBudget::default(),
            rebuild_by: None,
            insisted: Vec::new(),
            tasks: Vec::new(),
            turns: Vec::new(),
            executors: Vec::new(),
            executors_started: 0,
            streams: Vec::new(),
            processes: Vec::new(),
            spawned: 0,
            sweeps: Vec::new(),
            server: Server::default(),
            answers: script.answers.iter().cloned().collect(),
            commands: script.commands.iter().cloned().collect(),
            ui: ui::Ui::default(),
            over: Over::default(),
            end: None,
            seen: Vec::new(),
            times: Vec::new(),
        };
        world.start_session();
        if script.setup.configured {
            world.configure();
        }
        world
    }

    /// The session, if it has begun: before that it has nobody to hear from.
    pub(crate) fn session(&mut self) -> Option<&mut session::Session> {
        self.session.as_mut().filter(|s| s.begun).map(|s| &mut s.machine)
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    fn play(&mut self, step: &Step) {
        match step {
            Step::Say { say, id } => self.say(say, *id),
            Step::Run(which) => {
                let moves = self.moves();
                if !moves.is_empty() {
                    self.make(moves[usize::from(*which) % moves.len()]);
                }
            }
            Step::Settle(order) => self.settle(*order, |_| true),
            Step::Wait(time) => self.wait(*time),
            Step::Stall(time) => self.now += *time,
            Step::Crash { who, amid } => {
                (0..*amid).for_each(|_| self.the_outside_acts());
                self.crash(*who);
            }
        }
    }

    fn the_outside_acts(&mut self) {
        if let Some(next) = self.moves().into_iter().find(|m| !m.is_prompt()) {
            self.make(next);
        }
    }

    /// Time passes until nothing can happen any more.
    fn let_everything_happen(&mut self) {
        for _ in 0..MOST_MOVES {
            self.settle(0, |_| true);
            match self.next_deadline() {
                Some(at) => self.now = self.now.max(at),
                None => return,
            }
        }
        panic!("things go in circles: {:#?}", self.seen.split_off(self.seen.len().saturating_sub(40)));
    }

    /// Of order 0 everyone has his turn; any other is as good as chance.
    fn settle(&mut self, order: u64, which: impl Fn(Move) -> bool) {
        let mut chance = order;
        for n in 0..MOST_MOVES {
            let moves: Vec<_> = self.moves().into_iter().filter(|m| which(*m)).collect();
            if moves.is_empty() {
                return;
            }
            // A congruential generator (Knuth's MMIX); its upper bits are the good ones.
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let next = if order == 0 { n } else { usize::try_from(chance >> 33).unwrap() };
            self.make(moves[next % moves.len()]);
        }
        panic!("things go in circles: {:#?}", self.seen.split_off(self.seen.len().saturating_sub(40)));
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        self.settle(0, Move::is_prompt);
        while let Some(at) = self.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.settle(0, Move::is_prompt);
        }
        self.now = self.now.max(until);
        self.settle(0, Move::is_prompt);
    }

    fn close(self) -> Trace {
        let session = self.session.as_ref();
        let close = Close {
            end: self.end.clone(),
            task_runs: session.is_some_and(|s| s.machine.running_task().is_some()),
            open_questions: session.map_or(0, |s| s.machine.approvals().list().count()),
            processes: self.processes.len(),
        };
        Trace { seen: self.seen, times: self.times, close }
    }

    fn moves(&self) -> Vec<Move> {
        let now = self.now;
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let mut moves = Vec::new();
        if let Some(session) = &self.session {
            moves.extend((!session.mail.is_empty()).then_some(Move::SessionReads));
            moves.extend(due(session.machine.deadline()).then_some(Move::SessionTicks));
        }
        for (i, task) in self.tasks.iter().enumerate() {
            moves.extend((task.doomed || !task.mail.is_empty()).then_some(Move::TaskReads(i)));
            moves.extend((!task.doomed && due(task.machine.deadline())).then_some(Move::TaskTicks(i)));
        }
        for (i, turn) in self.turns.iter().enumerate() {
            moves.extend((turn.doomed || !turn.mail.is_empty()).then_some(Move::TurnReads(i)));
            moves.extend((!turn.doomed && due(turn.machine.deadline())).then_some(Move::TurnTicks(i)));
        }
        for (i, executor) in self.executors.iter().enumerate() {
            moves.extend((executor.doomed || !executor.mail.is_empty()).then_some(Move::ExecutorReads(i)));
        }
        for (i, stream) in self.streams.iter().enumerate() {
            let speaks = stream.silent.is_none_or(|since| since + IDLE <= now);
            moves.extend((!stream.exited && stream.closing).then_some(Move::StreamCloses(i)));
            moves.extend((!stream.exited && speaks).then_some(Move::StreamSpeaks(i)));
        }
        for (i, process) in self.processes.iter().enumerate() {
            moves.extend(process.dies_now(now).then_some(Move::ProcessDies(i)));
            moves.extend((!process.dies_now(now) && process.can_act()).then_some(Move::ProcessActs(i)));
        }
        if self.rebuild_by.is_some_and(|by| self.family_is_gone() || by <= now) {
            moves.push(Move::SessionIsRebuilt);
        }
        moves
    }

    /// Whether nothing lives that a dead session's executors ran, nor any of them.
    fn family_is_gone(&self) -> bool {
        self.processes.is_empty() && self.executors.is_empty()
    }

    fn next_deadline(&self) -> Option<Instant> {
        let machines = self.session.iter().filter_map(|s| s.machine.deadline());
        let machines = machines.chain(self.tasks.iter().filter_map(|t| t.machine.deadline()));
        let machines = machines.chain(self.turns.iter().filter_map(|t| t.machine.deadline()));
        let streams = self.streams.iter().filter(|s| !s.exited).filter_map(|s| s.silent.map(|since| since + IDLE));
        let processes = self.processes.iter().filter_map(Process::dies);
        machines.chain(streams).chain(processes).chain(self.rebuild_by).min()
    }

    fn make(&mut self, a_move: Move) {
        match a_move {
            Move::SessionReads => self.session_reads(),
            Move::SessionTicks => self.session_hears(session::Input::Tick),
            Move::TaskReads(i) => self.task_reads(i),
            Move::TaskTicks(i) => self.task_hears(self.tasks[i].task, task::Input::Tick),
            Move::TurnReads(i) => self.turn_reads(i),
            Move::TurnTicks(i) => self.turn_hears(self.turns[i].turn, turn::Input::Tick),
            Move::ExecutorReads(i) => self.executor_reads(i),
            Move::StreamCloses(i) => self.stream_closes(i),
            Move::StreamSpeaks(i) => self.stream_speaks(i),
            Move::ProcessDies(i) | Move::ProcessActs(i) => self.process_acts(i),
            Move::SessionIsRebuilt => self.session_is_rebuilt(),
        }
    }

    fn note(&mut self, seen: Seen) {
        self.seen.push(seen);
        self.times.push(self.now - self.began);
    }

    fn publish(&mut self, origin: Origin, id: &SubmissionId, msg: EventMsg) {
        if self.gate.admits(origin, &msg) {
            self.seq += 1;
            self.note(Seen::Event(Event { id: id.clone(), seq: self.seq, msg }));
        } else if let Origin::Task(task) = origin {
            self.note(Seen::HeldBack(task, msg));
        }
    }
}
