mod history;
mod thread;

use super::{AdoptedThread, ExecutorId, Join, Leave, NoMoreInput, SessionFinished, Submit, TellSettings};
use crate::{
    executor::{Executor, Runner, Sweep, Swept},
    flow::Credit,
    message_history::MessageHistory,
    outbox::{Attach, JournalFailed, Publish, Remember, ReportTo, Rest, Seal},
    supervise::{ChildExited, Lifeline, Tether, Timer, crash_point, now, start_watched},
    task::{BookmarkMade, Family, QuestionAsked, SteerTask, StopTask, Task, TaskFinished, TaskParts},
    threads::ThreadStore,
    turn::{Answered, CallsLost, ReplaceExecutor},
};
use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, MessageResult, ResponseActFuture,
    WeakRecipient, WrapFuture,
};
use llmx_protocol::{
    ids::{SessionId, TaskId},
    local_files::{FromDisk, LocalFiles, Wanted},
    machine::{
        session::{self, Effect, Input, Memory, SessionEnd},
        settings::Defaults,
        task::TaskStart,
    },
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

/// How long the files of a submission may take to be read.
const FILES_DEADLINE: Duration = Duration::from_secs(10);

/// What a session is made of.
pub struct SessionParts {
    /// The session.
    pub id: SessionId,
    /// The configuration.
    pub defaults: Arc<Defaults>,
    /// What it knows from before, if it was rebuilt.
    pub memory: Memory,
    /// What its family shares.
    pub family: Family,
    /// How commands are run.
    pub runner: Arc<dyn Runner>,
    /// Where threads are kept.
    pub threads: Arc<dyn ThreadStore>,
    /// What the user typed, in all sessions.
    pub history: Option<Arc<MessageHistory>>,
    /// How long it may have nothing to do before it rests; for ever without it.
    pub rests_after: Option<Duration>,
    /// The engine.
    pub finished: WeakRecipient<SessionFinished>,
    /// The engine.
    pub adopted: WeakRecipient<AdoptedThread>,
    /// Ends with the engine. Also held by all that the session starts, so that the engine knows when nothing is left.
    pub tether: Tether,
    /// Spreads retries; anything.
    pub seed: u64,
}

/// One session. Child of the Engine, which rebuilds it from its memory when it dies.
pub struct Session {
    parts: SessionParts,
    machine: session::Session,
    task: Option<Addr<Task>>,
    executor: Option<Addr<Executor>>,
    executor_id: ExecutorId,
    runs: Arc<Lifeline>,
    lifeline: Lifeline,
    timer: Timer,
    /// Those of the submissions that wait, oldest first.
    credits: VecDeque<Option<Credit>>,
    /// Of the submission that is being dealt with: goes along with what is said to it at once, so that a UI that sends
    /// and never reads is not heard for ever.
    answering: Option<Credit>,
}

impl Session {
    /// A session that begins when it is started.
    #[must_use]
    pub fn new(parts: SessionParts) -> Self {
        let machine = session::Session::new(parts.id.clone(), parts.defaults.clone(), parts.memory.clone(), parts.seed)
            .resting_after(parts.rests_after);
        Self {
            parts,
            machine,
            task: None,
            executor: None,
            executor_id: ExecutorId(0),
            runs: Arc::new(Lifeline::default()),
            lifeline: Lifeline::default(),
            timer: Timer::default(),
            credits: VecDeque::new(),
            answering: None,
        }
    }

    fn take(&mut self, Submit { submission, credit, unanswered }: Submit, context: &mut Context<Self>) {
        self.answering.clone_from(&credit);
        self.credits.push_back(credit);
        self.step(Input::Submit(submission), context);
        self.answering = None;
        // One that waits is remembered by now, and answered by the session that takes this one's place.
        unanswered.answered();
    }

    fn step(&mut self, input: Input, context: &mut Context<Self>) {
        crash_point::<Self>(&input);
        for effect in self.machine.apply(input, now()) {
            self.perform(effect, context);
        }
        while self.credits.len() > self.machine.waiting() {
            self.credits.pop_front();
        }
        self.timer.follow(self.machine.deadline(), context, |session, context| {
            session.timer.fired();
            session.step(Input::Tick, context);
        });
    }

    fn perform(&mut self, effect: Effect, context: &mut Context<Self>) {
        crash_point::<Self>(&effect);
        let outbox = &self.parts.family.outbox;
        match effect {
            Effect::Record(record) => outbox.do_send(Remember(record)),
            Effect::Publish { origin, id, msg } => {
                let credit = self.answering.clone();
                outbox.do_send(Publish { origin, id, msgs: vec![msg], credit });
            }
            Effect::StartTask(start) => self.start_task(*start, context),
            Effect::StopTask(reason) => self.tell_task(StopTask(reason)),
            Effect::SteerTask(steering) => self.tell_task(SteerTask(steering)),
            Effect::Answer(call, answer) => self.tell_task(Answered { call, answer }),
            Effect::Sweep => {
                let done = context.address().recipient();
                self.executor(context).do_send(Sweep { done });
            }
            Effect::ReplaceExecutor => self.replace_executor(context),
            Effect::CallsLost => self.tell_task(CallsLost),
            Effect::OpenThread(which) => self.open_thread(which, context),
            Effect::Rest => {
                self.executor = None;
                outbox.do_send(Rest);
            }
            Effect::AddToHistory(id, text) => self.add_to_history(id, text, context),
            Effect::LookUpHistory { id, offset, log_id } => self.look_up_history(id, offset, log_id, context),
            Effect::Finish(end) => {
                if end == SessionEnd::Closed {
                    outbox.do_send(Seal);
                }
                if let Some(engine) = self.parts.finished.upgrade() {
                    engine.do_send(SessionFinished { session: self.parts.id.clone(), end });
                }
                context.stop();
            }
        }
    }

    fn start_task(&mut self, start: TaskStart, context: &mut Context<Self>) {
        let task = start.task;
        let parts = TaskParts {
            start,
            family: self.parts.family.clone(),
            executor: self.executor(context),
            session: context.address().downgrade(),
            tether: self.lifeline.tether(),
        };
        let me = context.address().downgrade().recipient();
        self.task = Some(start_watched(task, me, |_| Task::new(parts)));
    }

    /// Started with the first task: many sessions never run one.
    fn executor(&mut self, context: &mut Context<Self>) -> Addr<Executor> {
        if let Some(executor) = &self.executor {
            return executor.clone();
        }
        self.executor_id = ExecutorId(self.executor_id.0 + 1);
        let executor = Executor {
            runner: self.parts.runner.clone(),
            credits: self.parts.family.output_credits.clone(),
            runs: self.runs.clone(),
            family: self.parts.tether.clone(),
            tether: self.lifeline.tether(),
            lifeline: Lifeline::default(),
            running: HashMap::new(),
            graces: HashMap::new(),
        };
        let me = context.address().downgrade().recipient();
        let address = start_watched(self.executor_id, me, |_| executor);
        self.executor.insert(address).clone()
    }

    fn replace_executor(&mut self, context: &mut Context<Self>) {
        self.executor = None;
        let executor = self.executor(context);
        self.tell_task(ReplaceExecutor(executor));
    }

    /// A task that is gone hears nothing; that it is gone, and how, is on its way here.
    fn tell_task<M>(&self, message: M)
    where
        M: actix::Message<Result = ()> + Send + 'static,
        Task: Handler<M>,
    {
        if let Some(task) = &self.task {
            task.do_send(message);
        }
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.parts.tether.clone().hold(context, self);
        self.parts.family.outbox.do_send(ReportTo(context.address().downgrade().recipient()));
        self.step(Input::Begin, context);
    }
}

/// Disks that do not answer are given up.
async fn read_in_time(wanted: Wanted, files: Arc<dyn LocalFiles>) -> FromDisk {
    let later = wanted.clone();
    let reading = tokio::task::spawn_blocking(move || wanted.read(&*files));
    match tokio::time::timeout(FILES_DEADLINE, reading).await {
        Ok(Ok(files)) => files,
        Ok(Err(panicked)) => later.unread(&panicked.to_string()),
        Err(_) => later.unread(&format!("the disk did not answer within {} s", FILES_DEADLINE.as_secs())),
    }
}

impl Handler<Submit> for Session {
    type Result = ResponseActFuture<Self, ()>;

    /// What is read for it meanwhile keeps nobody waiting but the one who submitted it.
    fn handle(&mut self, submit: Submit, context: &mut Context<Self>) -> Self::Result {
        let defaults = &self.parts.defaults;
        let wanted = submit.submission.as_ref().ok().and_then(|s| Some((s.id.clone(), Wanted::by(&s.op, defaults)?)));
        let Some((id, wanted)) = wanted else {
            self.take(submit, context);
            return Box::pin(actix::fut::ready(()));
        };
        let read = read_in_time(wanted, defaults.files.clone()).into_actor(self);
        Box::pin(read.map(move |files, session: &mut Self, context: &mut Context<Self>| {
            session.step(Input::FilesRead(id, files), context);
            session.take(submit, context);
        }))
    }
}

impl Handler<Join> for Session {
    type Result = ();

    /// By way of the outbox, in order with the questions that were asked.
    fn handle(&mut self, Join { subscriber, attached }: Join, _: &mut Context<Self>) {
        let open = self.machine.open_calls();
        self.parts.family.outbox.do_send(Attach { subscriber, open, attached });
    }
}

impl Handler<TellSettings> for Session {
    type Result = MessageResult<TellSettings>;

    fn handle(&mut self, _: TellSettings, _: &mut Context<Self>) -> MessageResult<TellSettings> {
        MessageResult(self.machine.settings_in_force().cloned().map(Box::new))
    }
}

impl Handler<JournalFailed> for Session {
    type Result = ();

    fn handle(&mut self, _: JournalFailed, context: &mut Context<Self>) {
        self.step(Input::JournalFailed, context);
    }
}

impl Handler<NoMoreInput> for Session {
    type Result = ();

    fn handle(&mut self, _: NoMoreInput, context: &mut Context<Self>) {
        self.step(Input::NoMoreInput, context);
    }
}

impl Handler<Leave> for Session {
    type Result = ();

    fn handle(&mut self, _: Leave, context: &mut Context<Self>) {
        self.step(Input::Leave, context);
    }
}

impl Handler<QuestionAsked> for Session {
    type Result = ();

    fn handle(&mut self, QuestionAsked { task, question }: QuestionAsked, context: &mut Context<Self>) {
        self.step(Input::Ask { task, question }, context);
    }
}

impl Handler<BookmarkMade> for Session {
    type Result = ();

    fn handle(&mut self, BookmarkMade { task, bookmark }: BookmarkMade, context: &mut Context<Self>) {
        self.step(Input::Bookmark { task, bookmark }, context);
    }
}

impl Handler<TaskFinished> for Session {
    type Result = ();

    fn handle(&mut self, TaskFinished { task, end }: TaskFinished, context: &mut Context<Self>) {
        self.step(Input::TaskEnded { task, end }, context);
    }
}

impl Handler<ChildExited<TaskId>> for Session {
    type Result = ();

    /// A task that had said its end is not heard here any more.
    fn handle(&mut self, ChildExited { child, exit }: ChildExited<TaskId>, context: &mut Context<Self>) {
        self.step(Input::TaskCrashed { task: child, why: exit.describe().to_owned() }, context);
    }
}

impl Handler<ChildExited<ExecutorId>> for Session {
    type Result = ();

    fn handle(&mut self, ChildExited { child, exit }: ChildExited<ExecutorId>, context: &mut Context<Self>) {
        if child == self.executor_id {
            self.step(Input::ExecutorCrashed { why: exit.describe().to_owned() }, context);
        }
    }
}

impl Handler<Swept> for Session {
    type Result = ();

    fn handle(&mut self, _: Swept, context: &mut Context<Self>) {
        self.step(Input::Swept, context);
    }
}
