//! A world without actors: the machines, wired as their actors wire them, with a model, commands, a UI and a clock that
//! a script drives. Which mail is read next, what the outside does and when time passes is the script's choice.
//!
//! The order of mail is that of actors on one arbiter: each has one queue, in the order of sending. An actor whose
//! parent died reads what it has and is gone, which may be any time later.

mod executor;
mod model;
mod settings;
mod ui;

use self::{
    executor::{Act, Asker, Executor, Process},
    model::{IDLE, Next, Server, Stream},
};
use crate::{
    script::{Answer, Behaviour, Ending, Said, Script, Step, Then, Who},
    trace::{Because, Close, Request, Seen, Trace},
};
use llmx_protocol::{
    history::Prompt,
    ids::{Attempt, SessionId, SubmissionId, TaskId, TurnId},
    machine::{
        approval::{CallKey, Question},
        gate::{Gate, Origin},
        restart::RestartBudget,
        session::{self, Memory, SessionEnd},
        settings::Defaults,
        task::{self, TaskStart},
        turn::{self, TurnStart},
    },
    model::{event::ModelEvent, failure::Failure},
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
}

/// The machines that said their end.
#[derive(Default)]
pub(crate) struct Over {
    pub(crate) sessions: Vec<session::Session>,
    pub(crate) tasks: Vec<task::Task>,
    pub(crate) turns: Vec<turn::Turn>,
}

struct SessionSeat {
    number: u32,
    machine: session::Session,
    mail: VecDeque<SessionMail>,
    task: Option<TaskId>,
    executor: u32,
    begun: bool,
}

enum SessionMail {
    Input(session::Input),
    ExecutorExited(u32),
}

pub(crate) struct TaskSeat {
    pub(crate) task: TaskId,
    submission: SubmissionId,
    session: u32,
    pub(crate) machine: task::Task,
    mail: VecDeque<TaskMail>,
    turn: Option<TurnId>,
    executor: u32,
    doomed: bool,
}

enum TaskMail {
    Input(task::Input),
    Ask(Question),
    ToTurn(TurnMail),
}

#[derive(Clone)]
enum TurnMail {
    Input(turn::Input),
    ReplaceExecutor(u32),
}

pub(crate) struct TurnSeat {
    task: TaskId,
    pub(crate) turn: TurnId,
    submission: SubmissionId,
    start: TurnStart,
    prompt: Prompt,
    pub(crate) machine: turn::Turn,
    mail: VecDeque<TurnMail>,
    executor: u32,
    doomed: bool,
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
    SweepIsDone(usize),
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
        Trace { seen: self.seen, close }
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
        if self.processes.is_empty() {
            moves.extend((0..self.sweeps.len()).map(Move::SweepIsDone));
        }
        if self.rebuild_by.is_some_and(|by| self.processes.is_empty() || by <= now) {
            moves.push(Move::SessionIsRebuilt);
        }
        moves
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
            Move::SweepIsDone(i) => self.sweep_is_done(i),
            Move::SessionIsRebuilt => self.session_is_rebuilt(),
        }
    }

    fn publish(&mut self, origin: Origin, id: &SubmissionId, msg: EventMsg) {
        if self.gate.admits(origin, &msg) {
            self.seq += 1;
            self.seen.push(Seen::Event(Event { id: id.clone(), seq: self.seq, msg }));
        } else if let Origin::Task(task) = origin {
            self.seen.push(Seen::HeldBack(task, msg));
        }
    }
}

/// The session and its supervisor.
impl World {
    fn start_session(&mut self) {
        self.sessions += 1;
        let machine =
            session::Session::new(self.id.clone(), self.defaults.clone(), self.memory.clone(), self.sessions.into());
        let number = self.sessions;
        let executor = self.start_executor();
        let mut mail = VecDeque::from([SessionMail::Input(session::Input::Begin)]);
        mail.extend(self.insisted.drain(..).map(SessionMail::Input));
        self.session = Some(SessionSeat { number, machine, mail, task: None, executor, begun: false });
    }

    fn session_reads(&mut self) {
        let Some(session) = &mut self.session else { return };
        match session.mail.pop_front() {
            Some(SessionMail::ExecutorExited(number)) if number != session.executor => {}
            Some(SessionMail::ExecutorExited(_)) => {
                self.session_hears(session::Input::ExecutorCrashed { why: "panic".into() });
            }
            Some(SessionMail::Input(input)) => self.session_hears(input),
            None => {}
        }
    }

    fn session_hears(&mut self, input: session::Input) {
        let Some(session) = &mut self.session else { return };
        session.begun = true;
        let because = because(&input);
        if let session::Input::Submit(submission) = &input {
            self.seen.push(Seen::Taken(submission.clone()));
        }
        for effect in session.machine.apply(input, self.now) {
            self.perform_for_session(effect, &because);
        }
    }

    fn perform_for_session(&mut self, effect: session::Effect, because: &Because) {
        use session::Effect;
        match effect {
            Effect::Record(record) => self.memory.fold(record),
            Effect::Publish { origin, id, msg } => self.publish(origin, &id, msg),
            Effect::StartTask(start) => self.start_task(*start),
            Effect::StopTask(reason) => self.tell_task(TaskMail::Input(task::Input::Stop(reason))),
            Effect::Answer(call, answer) => {
                self.seen.push(Seen::Answered { call, answer, because: because.clone() });
                self.tell_task(TaskMail::ToTurn(TurnMail::Input(turn::Input::Answered { call, answer })));
            }
            Effect::Sweep => {
                if let Some(SessionSeat { number, executor, .. }) = self.session {
                    self.tell_executor(executor, executor::Mail::Sweep(Asker::Session(number)));
                }
            }
            Effect::ReplaceExecutor => self.replace_executor(),
            Effect::CallsLost => self.tell_task(TaskMail::ToTurn(TurnMail::Input(turn::Input::CallsLost))),
            Effect::Finish(SessionEnd::Closed) => {
                self.end = Some(SessionEnd::Closed);
                let session = self.session_is_gone();
                self.over.sessions.extend(session.map(|s| s.machine));
            }
            Effect::Finish(SessionEnd::Failed(why)) => self.session_died(why),
        }
    }

    fn replace_executor(&mut self) {
        let number = self.start_executor();
        if let Some(session) = &mut self.session {
            session.executor = number;
        }
        self.tell_task(TaskMail::ToTurn(TurnMail::ReplaceExecutor(number)));
    }

    fn tell_session(&mut self, number: u32, mail: SessionMail) {
        if let Some(session) = self.session.as_mut().filter(|s| s.number == number) {
            session.mail.push_back(mail);
        }
    }

    fn session_is_gone(&mut self) -> Option<SessionSeat> {
        let session = self.session.take()?;
        let of_it = |number: u32| number == session.number;
        self.tasks.iter_mut().filter(|t| of_it(t.session)).for_each(|t| t.doomed = true);
        self.executors.iter_mut().filter(|e| of_it(e.session)).for_each(|e| e.doomed = true);
        Some(session)
    }

    fn session_died(&mut self, why: String) {
        let Some(session) = self.session_is_gone() else { return };
        for mail in session.mail {
            match mail {
                SessionMail::Input(session::Input::Submit(submission)) => {
                    let id = submission.map_or_else(|bad| bad.id, |s| s.id);
                    self.seen.push(Seen::LostWithSession(id));
                    self.publish(Origin::Session, &SubmissionId::default(), EventMsg::error("lost; send it again"));
                }
                SessionMail::Input(insisted @ (session::Input::NoMoreInput | session::Input::Leave)) => {
                    self.insisted.push(insisted);
                }
                _ => {}
            }
        }
        self.seen.push(Seen::Crash(Who::Session));
        if self.restarts.spend(self.now) {
            self.rebuild_by = Some(self.now + FAMILY_DEADLINE);
        } else {
            self.give_up(why);
        }
    }

    fn give_up(&mut self, why: String) {
        if let Some((task, id)) = self.memory.running.clone() {
            self.publish(Origin::Task(task), &id, EventMsg::error("the session crashes again and again"));
        }
        self.end = Some(SessionEnd::Failed(why));
    }

    fn session_is_rebuilt(&mut self) {
        self.rebuild_by = None;
        self.seen.push(Seen::Rebuilt { in_time: self.processes.is_empty() });
        self.start_session();
    }
}

/// Tasks.
impl World {
    fn start_task(&mut self, start: TaskStart) {
        let Some(session) = &mut self.session else { return };
        self.seen.push(Seen::TaskStarts(start.task, start.submission.clone()));
        session.task = Some(start.task);
        self.tasks.push(TaskSeat {
            task: start.task,
            submission: start.submission.clone(),
            session: session.number,
            executor: session.executor,
            machine: task::Task::new(start),
            mail: VecDeque::from([TaskMail::Input(task::Input::Begin)]),
            turn: None,
            doomed: false,
        });
    }

    fn tell_task(&mut self, mail: TaskMail) {
        let task = self.session.as_ref().and_then(|s| s.task);
        if let Some(seat) = self.tasks.iter_mut().find(|t| Some(t.task) == task) {
            seat.mail.push_back(mail);
        }
    }

    fn task_reads(&mut self, i: usize) {
        let (task, doomed) = (self.tasks[i].task, self.tasks[i].doomed);
        loop {
            let Some(seat) = self.tasks.iter_mut().find(|t| t.task == task) else { return };
            let Some(mail) = seat.mail.pop_front() else { break };
            self.task_handles(task, mail);
            if !doomed {
                return;
            }
        }
        self.task_is_gone(task);
    }

    fn task_handles(&mut self, task: TaskId, mail: TaskMail) {
        let Some(seat) = self.tasks.iter_mut().find(|t| t.task == task) else { return };
        match mail {
            TaskMail::Input(input) => self.task_hears(task, input),
            TaskMail::Ask(question) => {
                let number = seat.session;
                self.seen.push(Seen::Asked { task, question: question.clone() });
                self.tell_session(number, SessionMail::Input(session::Input::Ask { task, question }));
            }
            TaskMail::ToTurn(mail) => {
                if let TurnMail::ReplaceExecutor(number) = mail {
                    seat.executor = number;
                }
                let turn = seat.turn;
                self.tell_turn(turn, mail);
            }
        }
    }

    fn task_hears(&mut self, task: TaskId, input: task::Input) {
        let Some(seat) = self.tasks.iter_mut().find(|t| t.task == task) else { return };
        for effect in seat.machine.apply(input, self.now) {
            self.perform_for_task(task, effect);
        }
    }

    fn perform_for_task(&mut self, task: TaskId, effect: task::Effect) {
        use task::Effect;
        let Some(seat) = self.tasks.iter_mut().find(|t| t.task == task) else { return };
        let (number, executor, turn, name) = (seat.session, seat.executor, seat.turn, seat.submission.clone());
        match effect {
            Effect::Publish(msg) => self.publish(Origin::Task(task), &name, msg),
            Effect::StartTurn(start, prompt) => self.start_turn(task, *start, prompt),
            Effect::StopTurn => self.tell_turn(turn, TurnMail::Input(turn::Input::Stop)),
            Effect::Sweep => self.tell_executor(executor, executor::Mail::Sweep(Asker::Task(task))),
            Effect::Bookmark(id, history) => {
                self.tell_session(number, SessionMail::Input(session::Input::Bookmark { task, id, history }));
            }
            Effect::Finish(end) => {
                self.tell_session(number, SessionMail::Input(session::Input::TaskEnded { task, end }));
                self.task_is_gone(task);
            }
        }
    }

    /// It stopped or died; either way its parent is told so, last.
    fn task_is_gone(&mut self, task: TaskId) {
        let Some(at) = self.tasks.iter().position(|t| t.task == task) else { return };
        let seat = self.tasks.remove(at);
        self.turns.iter_mut().filter(|t| t.task == task).for_each(|t| t.doomed = true);
        let exited = session::Input::TaskCrashed { task, why: "panic".into() };
        self.tell_session(seat.session, SessionMail::Input(exited));
        self.over.tasks.extend(seat.machine.is_over().then_some(seat.machine));
    }
}

/// Turns.
impl World {
    fn start_turn(&mut self, task: TaskId, start: TurnStart, prompt: Prompt) {
        let Some(seat) = self.tasks.iter_mut().find(|t| t.task == task) else { return };
        let turn = start.turn;
        seat.turn = Some(turn);
        self.turns.push(TurnSeat {
            task,
            turn,
            submission: start.submission.clone(),
            executor: seat.executor,
            machine: turn::Turn::new(start.clone()),
            start,
            prompt,
            mail: VecDeque::from([TurnMail::Input(turn::Input::Begin)]),
            doomed: false,
        });
    }

    fn tell_turn(&mut self, turn: Option<TurnId>, mail: TurnMail) {
        if let Some(seat) = self.turns.iter_mut().find(|t| Some(t.turn) == turn) {
            seat.mail.push_back(mail);
        }
    }

    fn turn_reads(&mut self, i: usize) {
        let (turn, doomed) = (self.turns[i].turn, self.turns[i].doomed);
        loop {
            let Some(seat) = self.turns.iter_mut().find(|t| t.turn == turn) else { return };
            match seat.mail.pop_front() {
                Some(TurnMail::Input(input)) => self.turn_hears(turn, input),
                Some(TurnMail::ReplaceExecutor(number)) => {
                    seat.executor = number;
                    self.turn_hears(turn, turn::Input::ExecutorReplaced);
                }
                None => break,
            }
            if !doomed {
                return;
            }
        }
        self.turn_is_gone(turn);
    }

    fn turn_hears(&mut self, turn: TurnId, input: turn::Input) {
        self.note_model(turn, &input);
        let Some(seat) = self.turns.iter_mut().find(|t| t.turn == turn) else { return };
        for effect in seat.machine.apply(input, self.now) {
            self.perform_for_turn(turn, effect);
        }
    }

    fn note_model(&mut self, turn: TurnId, input: &turn::Input) {
        let stream = |attempt: Attempt| self.streams.iter().find(move |s| s.turn == turn && s.attempt == attempt);
        match input {
            turn::Input::Model { attempt, event: ModelEvent::Completed { .. } } => {
                let response = stream(*attempt).map(|s| s.response.clone()).unwrap_or_default();
                self.seen.push(Seen::Completed { turn, attempt: *attempt, response });
            }
            turn::Input::ModelEnded { attempt, how } => {
                let answered = stream(*attempt).is_some_and(|s| s.answered);
                let failure = how.clone().err().unwrap_or_else(|| Failure::cut("the stream ended early"));
                self.seen.push(Seen::Failed { turn, attempt: *attempt, failure, answered });
            }
            _ => {}
        }
    }

    fn perform_for_turn(&mut self, turn: TurnId, effect: turn::Effect) {
        use turn::Effect;
        let Some(seat) = self.turns.iter_mut().find(|t| t.turn == turn) else { return };
        let (task, executor, name) = (seat.task, seat.executor, seat.submission.clone());
        match effect {
            Effect::Publish(msg) => self.publish(Origin::Task(task), &name, msg),
            Effect::OpenModel { attempt, in_full } => self.open_model(turn, attempt, in_full),
            Effect::CloseModel => {
                let last = self.streams.iter_mut().rfind(|s| s.turn == turn);
                last.into_iter().for_each(|s| s.closing = true);
            }
            Effect::Ask(question) => self.send_task(task, TaskMail::Ask(question)),
            Effect::StartCall(call) => {
                self.seen.push(Seen::Starts { task, call: call.call, words: call.command.len() });
                self.tell_executor(executor, executor::Mail::Start { task, turn, call });
            }
            Effect::KillCall(call) => self.tell_executor(executor, executor::Mail::Kill(call)),
            Effect::Finish(end) => {
                self.send_task(task, TaskMail::Input(task::Input::TurnEnded { turn, end }));
                self.turn_is_gone(turn);
            }
        }
    }

    fn send_task(&mut self, task: TaskId, mail: TaskMail) {
        if let Some(seat) = self.tasks.iter_mut().find(|t| t.task == task) {
            seat.mail.push_back(mail);
        }
    }

    fn turn_is_gone(&mut self, turn: TurnId) {
        let Some(at) = self.turns.iter().position(|t| t.turn == turn) else { return };
        let seat = self.turns.remove(at);
        self.streams.retain(|s| s.turn != turn);
        self.send_task(seat.task, TaskMail::Input(task::Input::TurnCrashed { turn, why: "panic".into() }));
        self.over.turns.extend(seat.machine.is_over().then_some(seat.machine));
    }
}

/// The model.
impl World {
    fn open_model(&mut self, turn: TurnId, attempt: Attempt, in_full: bool) {
        let Some(seat) = self.turns.iter().find(|t| t.turn == turn) else { return };
        let owned = |prompt: &Prompt| prompt.items().into_iter().cloned().collect::<Vec<_>>();
        let whole = owned(&seat.prompt.in_full());
        let prompt = if in_full { seat.prompt.in_full() } else { seat.prompt.clone() };
        let known = self.server.knows(prompt.previous.as_ref(), &owned(&prompt));
        self.seen.push(Seen::Request(Box::new(Request {
            task: seat.task,
            turn,
            attempt,
            at: self.now - self.began,
            request_retries: seat.start.retry.request_max,
            stream_retries: seat.start.retry.stream_max,
            whole,
            known_to_server: known.clone(),
        })));
        let answer = self.answers.pop_front().unwrap_or_else(last_word);
        self.streams.push(self.server.answer(turn, attempt, &known, &answer));
    }

    fn stream_speaks(&mut self, i: usize) {
        let stream = &mut self.streams[i];
        let (turn, attempt) = (stream.turn, stream.attempt);
        stream.silent = None;
        match stream.next.pop_front() {
            Some(Next::Says(event)) => {
                stream.answered = true;
                self.tell_turn(Some(turn), TurnMail::Input(turn::Input::Model { attempt, event }));
            }
            Some(Next::Silence) => stream.silent = Some(self.now),
            Some(Next::Ends(how)) => {
                self.tell_turn(Some(turn), TurnMail::Input(turn::Input::ModelEnded { attempt, how }));
            }
            None => self.stream_exits(i, Ok(())),
        }
    }

    fn stream_closes(&mut self, i: usize) {
        self.stream_exits(i, Ok(()));
    }

    fn stream_exits(&mut self, i: usize, how: Result<(), Failure>) {
        let (turn, attempt) = (self.streams[i].turn, self.streams[i].attempt);
        self.streams[i].exited = true;
        self.tell_turn(Some(turn), TurnMail::Input(turn::Input::ModelEnded { attempt, how }));
    }
}

/// Commands.
impl World {
    fn start_executor(&mut self) -> u32 {
        self.executors_started += 1;
        let number = self.executors_started;
        self.executors.push(Executor { number, session: self.sessions, mail: VecDeque::new(), doomed: false });
        number
    }

    fn tell_executor(&mut self, number: u32, mail: executor::Mail) {
        if let Some(executor) = self.executors.iter_mut().find(|e| e.number == number) {
            executor.mail.push_back(mail);
        }
    }

    fn executor_reads(&mut self, i: usize) {
        let (number, doomed) = (self.executors[i].number, self.executors[i].doomed);
        while let Some(mail) = self.executors[i].mail.pop_front() {
            self.executor_handles(number, mail);
            if !doomed {
                return;
            }
        }
        self.executor_is_gone(i);
    }

    fn executor_handles(&mut self, number: u32, mail: executor::Mail) {
        let now = self.now;
        match mail {
            executor::Mail::Start { task, turn, call } => self.start_process(number, task, turn, call.call),
            executor::Mail::Kill(call) => {
                let of_it = |p: &&mut Process| p.executor == number && p.call == call;
                self.processes.iter_mut().filter(of_it).for_each(|p| p.kill(now));
            }
            executor::Mail::Sweep(asker) => {
                self.processes.iter_mut().filter(|p| p.executor == number).for_each(|p| p.kill(now));
                self.sweeps.push(asker);
            }
        }
    }

    /// Nothing is run for a turn that is gone: nobody would ever end it.
    fn start_process(&mut self, executor: u32, task: TaskId, turn: TurnId, call: CallKey) {
        if !self.turns.iter().any(|t| t.turn == turn) {
            return;
        }
        let does = self.commands.pop_front().unwrap_or(Behaviour {
            writes: 0,
            then: Then::Exits(0),
            dies_after: Duration::ZERO,
        });
        if does.then == Then::FailsToStart {
            let end = turn::CallEnd::NotStarted("no such file".into());
            let input = turn::Input::CallEnded { call, end, duration: Duration::ZERO };
            return self.tell_turn(Some(turn), TurnMail::Input(input));
        }
        self.spawned += 1;
        let number = self.spawned;
        self.seen.push(Seen::ProcessLives { process: number, task, call });
        self.processes.push(Process::new(number, executor, turn, call, &does, self.now));
    }

    fn executor_is_gone(&mut self, i: usize) {
        let executor = self.executors.remove(i);
        let now = self.now;
        self.processes.iter_mut().filter(|p| p.executor == executor.number).for_each(|p| p.kill(now));
        self.tell_session(executor.session, SessionMail::ExecutorExited(executor.number));
    }

    fn process_acts(&mut self, i: usize) {
        let now = self.now;
        let process = &mut self.processes[i];
        let (turn, call, duration) = (process.turn, process.call, process.ran_for(now));
        let input = match process.act(now) {
            Act::Writes(stream, chunk) => turn::Input::CallOutput { call, stream, chunk },
            Act::Ends(end) => {
                let process = self.processes.remove(i).number;
                self.seen.push(Seen::ProcessDies { process });
                turn::Input::CallEnded { call, end, duration }
            }
        };
        self.tell_turn(Some(turn), TurnMail::Input(input));
    }

    fn sweep_is_done(&mut self, i: usize) {
        match self.sweeps.remove(i) {
            Asker::Session(number) => self.tell_session(number, SessionMail::Input(session::Input::Swept)),
            Asker::Task(task) => self.send_task(task, TaskMail::Input(task::Input::Swept)),
        }
    }
}

/// Crashes: the actor dies over its next mail.
impl World {
    fn crash(&mut self, who: Who) {
        match who {
            Who::ModelStream => self.crash_stream(),
            Who::Turn => {
                if let Some(turn) = self.turns.iter().rfind(|t| !t.doomed).map(|t| t.turn) {
                    self.seen.push(Seen::Crash(who));
                    self.turn_is_gone(turn);
                }
            }
            Who::Task => {
                if let Some(task) = self.tasks.iter().rfind(|t| !t.doomed).map(|t| t.task) {
                    self.seen.push(Seen::Crash(who));
                    self.task_is_gone(task);
                }
            }
            // It is started with the first task.
            Who::Executor if self.session.as_ref().is_none_or(|s| s.task.is_none()) => {}
            Who::Executor => {
                if let Some(i) = self.executors.iter().rposition(|e| !e.doomed) {
                    self.seen.push(Seen::Crash(who));
                    self.executor_is_gone(i);
                }
            }
            Who::Session => self.session_died("panic".into()),
        }
    }

    fn crash_stream(&mut self) {
        let speaks = |s: &Stream| !s.exited;
        if let Some(i) = self.streams.iter().rposition(speaks) {
            self.seen.push(Seen::Crash(Who::ModelStream));
            self.stream_exits(i, Err(Failure::cut("the model stream crashed")));
        }
    }
}

fn because(input: &session::Input) -> Because {
    match input {
        session::Input::Submit(Ok(submission)) => Because::Op(submission.op.clone()),
        session::Input::Ask { question, .. } => Because::Question(question.clone()),
        _ => Because::Other,
    }
}

fn last_word() -> Answer {
    Answer {
        items: vec![Said::Message { deltas: 1, whole: true }],
        ending: Ending::Completed { named: true, incomplete: false, again: 0 },
    }
}
