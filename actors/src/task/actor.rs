use super::{BookmarkMade, QuestionAsked, SteerTask, StopTask, TaskFinished};
use crate::{
    executor::{Executor, Sweep, Swept},
    flow::Credits,
    model_stream::Transport,
    outbox::{Outbox, Publish, Remember},
    session::Session,
    supervise::{ChildExited, Lifeline, Tether, Timer, crash_point, now, start_watched},
    turn::{Answered, AskPerson, CallsLost, ReplaceExecutor, StopTurn, Turn, TurnFinished, TurnParts, YieldTurn},
};
use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, WeakAddr};
use llmx_protocol::{
    history::Prompt,
    ids::{SubmissionId, TaskId, TurnId},
    machine::{
        gate::Origin,
        session::Record,
        task::{self, Bookmark, Effect, Input, TaskStart},
        turn::TurnStart,
    },
    wire::event::EventMsg,
};
use std::sync::Arc;

/// What every member of a session's family needs.
#[derive(Clone)]
pub struct Family {
    /// The session's.
    pub outbox: Addr<Outbox>,
    /// The way to the model.
    pub transport: Arc<dyn Transport>,
    /// What models may have under way.
    pub model_credits: Credits,
    /// What commands may have under way; their own, so that a noisy one cannot starve the model.
    pub output_credits: Credits,
}

/// What a task is made of.
pub struct TaskParts {
    /// What it starts from.
    pub start: TaskStart,
    /// The session's.
    pub family: Family,
    /// The session's; may be replaced.
    pub executor: Addr<Executor>,
    /// The parent.
    pub session: WeakAddr<Session>,
    /// Ends with the session.
    pub tether: Tether,
}

/// One task. Child of the Session, never restarted.
pub struct Task {
    parts: TaskParts,
    task: TaskId,
    submission: SubmissionId,
    machine: task::Task,
    turn: Option<Addr<Turn>>,
    lifeline: Lifeline,
    timer: Timer,
}

impl Task {
    /// A task that begins when it is started.
    #[must_use]
    pub fn new(parts: TaskParts) -> Self {
        Self {
            task: parts.start.task,
            submission: parts.start.submission.clone(),
            machine: task::Task::new(parts.start.clone()),
            parts,
            turn: None,
            lifeline: Lifeline::default(),
            timer: Timer::default(),
        }
    }

    fn step(&mut self, input: Input, context: &mut Context<Self>) {
        crash_point::<Self>(&input);
        for effect in self.machine.apply(input, now()) {
            self.perform(effect, context);
        }
        self.timer.follow(self.machine.deadline(), context, |task, context| {
            task.timer.fired();
            task.step(Input::Tick, context);
        });
    }

    fn perform(&mut self, effect: Effect, context: &mut Context<Self>) {
        crash_point::<Self>(&effect);
        match effect {
            Effect::Publish(msg) => self.publish(msg),
            Effect::StartTurn(start, prompt) => self.start_turn(*start, prompt, context),
            Effect::StopTurn => self.tell_turn(StopTurn),
            Effect::YieldTurn => self.tell_turn(YieldTurn),
            Effect::Sweep => self.parts.executor.do_send(Sweep { done: context.address().recipient() }),
            Effect::Bookmark(bookmark) => self.bookmark(bookmark),
            Effect::Finish(end) => {
                self.tell_session(TaskFinished { task: self.task, end });
                context.stop();
            }
        }
    }

    /// Remembered by the outbox itself, for its publication is next there; the session may die before it hears of it.
    fn bookmark(&self, bookmark: Bookmark) {
        self.parts.family.outbox.do_send(Remember(Record::Bookmark(self.task, bookmark.clone())));
        self.tell_session(BookmarkMade { task: self.task, bookmark });
    }

    fn publish(&self, msg: EventMsg) {
        self.parts.family.outbox.do_send(Publish {
            origin: Origin::Task(self.task),
            id: self.submission.clone(),
            msgs: vec![msg],
            credit: None,
        });
    }

    fn start_turn(&mut self, start: TurnStart, prompt: Prompt, context: &mut Context<Self>) {
        let me = context.address();
        let turn = start.turn;
        let family = &self.parts.family;
        let parts = TurnParts {
            task: self.task,
            start,
            prompt,
            outbox: family.outbox.clone(),
            executor: self.parts.executor.clone(),
            transport: family.transport.clone(),
            credits: family.model_credits.clone(),
            asks: me.downgrade().recipient(),
            finished: me.downgrade().recipient(),
            tether: self.lifeline.tether(),
        };
        self.turn = Some(start_watched(turn, me.downgrade().recipient(), |_| Turn::new(parts)));
    }

    /// A turn that is gone hears nothing; that it is gone, and how, is on its way here.
    fn tell_turn<M>(&self, message: M)
    where
        M: actix::Message<Result = ()> + Send + 'static,
        Turn: Handler<M>,
    {
        if let Some(turn) = &self.turn {
            turn.do_send(message);
        }
    }

    fn tell_session<M>(&self, message: M)
    where
        M: actix::Message<Result = ()> + Send + 'static,
        Session: Handler<M>,
    {
        if let Some(session) = self.parts.session.upgrade() {
            session.do_send(message);
        }
    }
}

impl Actor for Task {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.parts.tether.clone().hold(context, self);
        self.step(Input::Begin, context);
    }
}

impl Handler<TurnFinished> for Task {
    type Result = ();

    fn handle(&mut self, TurnFinished { turn, end }: TurnFinished, context: &mut Context<Self>) {
        self.step(Input::TurnEnded { turn, end }, context);
    }
}

impl Handler<ChildExited<TurnId>> for Task {
    type Result = ();

    /// A turn that had said its end is not heard here any more.
    fn handle(&mut self, ChildExited { child, exit }: ChildExited<TurnId>, context: &mut Context<Self>) {
        self.step(Input::TurnCrashed { turn: child, why: exit.describe().to_owned() }, context);
    }
}

impl Handler<AskPerson> for Task {
    type Result = ();

    fn handle(&mut self, AskPerson(question): AskPerson, _: &mut Context<Self>) {
        self.tell_session(QuestionAsked { task: self.task, question });
    }
}

impl Handler<Answered> for Task {
    type Result = ();

    fn handle(&mut self, answered: Answered, _: &mut Context<Self>) {
        self.tell_turn(answered);
    }
}

impl Handler<ReplaceExecutor> for Task {
    type Result = ();

    fn handle(&mut self, replace: ReplaceExecutor, _: &mut Context<Self>) {
        self.parts.executor = replace.0.clone();
        self.tell_turn(replace);
    }
}

impl Handler<CallsLost> for Task {
    type Result = ();

    /// Nothing that was started lives any more. That is also what a sweep would have said which died with its executor.
    fn handle(&mut self, lost: CallsLost, context: &mut Context<Self>) {
        self.tell_turn(lost);
        self.step(Input::Swept, context);
    }
}

impl Handler<StopTask> for Task {
    type Result = ();

    fn handle(&mut self, StopTask(reason): StopTask, context: &mut Context<Self>) {
        self.step(Input::Stop(reason), context);
    }
}

impl Handler<SteerTask> for Task {
    type Result = ();

    fn handle(&mut self, SteerTask(steering): SteerTask, context: &mut Context<Self>) {
        self.step(Input::Steer(steering), context);
    }
}

impl Handler<Swept> for Task {
    type Result = ();

    fn handle(&mut self, _: Swept, context: &mut Context<Self>) {
        self.step(Input::Swept, context);
    }
}
