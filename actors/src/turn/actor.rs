use super::{Answered, AskPerson, CallsLost, ReplaceExecutor, StopTurn, TurnFinished, YieldTurn};
use crate::{
    executor::{CallEnded, CallOutput, Executor, KillCall, StartCall},
    flow::{Credit, Credits},
    model_stream::{CloseStream, ModelEnded, ModelRequest, ModelSaid, ModelStream, Transport},
    outbox::{Outbox, Publish},
    supervise::{ChildExited, Exit, Lifeline, Tether, Timer, crash_point, now, start_watched},
};
use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, WeakRecipient};
use llmx_protocol::{
    context::BASE_INSTRUCTIONS,
    history::Prompt,
    ids::{Attempt, SubmissionId, TaskId, TurnId},
    machine::{
        gate::Origin,
        settings::Settings,
        turn::{self, Effect, Input, Purpose, TurnStart},
    },
    model::{
        failure::Failure,
        family,
        responses::{Reasoning, RequestHead},
    },
    tool,
    wire::event::EventMsg,
};
use std::sync::Arc;

/// What a turn is made of.
pub struct TurnParts {
    /// Its task, for what it says.
    pub task: TaskId,
    /// What it starts from.
    pub start: TurnStart,
    /// What the model is sent.
    pub prompt: Prompt,
    /// The session's.
    pub outbox: Addr<Outbox>,
    /// The session's; may be replaced.
    pub executor: Addr<Executor>,
    /// The way to the model.
    pub transport: Arc<dyn Transport>,
    /// The session's pool for what models say.
    pub credits: Credits,
    /// The task.
    pub asks: WeakRecipient<AskPerson>,
    /// The task.
    pub finished: WeakRecipient<TurnFinished>,
    /// Ends with the task.
    pub tether: Tether,
}

/// One turn. Child of the Task, never restarted.
pub struct Turn {
    parts: TurnParts,
    turn: TurnId,
    submission: SubmissionId,
    settings: Arc<Settings>,
    purpose: Purpose,
    conversation: String,
    machine: turn::Turn,
    model: Option<Addr<ModelStream>>,
    lifeline: Lifeline,
    timer: Timer,
    /// Events of the step under way, sent as one.
    said: Vec<EventMsg>,
}

impl Turn {
    /// A turn that begins when it is started.
    #[must_use]
    pub fn new(parts: TurnParts) -> Self {
        Self {
            turn: parts.start.turn,
            submission: parts.start.submission.clone(),
            settings: parts.start.settings.clone(),
            purpose: parts.start.purpose,
            conversation: parts.start.session.to_string(),
            machine: turn::Turn::new(parts.start.clone()),
            parts,
            model: None,
            lifeline: Lifeline::default(),
            timer: Timer::default(),
            said: Vec::new(),
        }
    }

    fn step(&mut self, input: Input, context: &mut Context<Self>) {
        self.steps([input], None, context);
    }

    fn steps(&mut self, inputs: impl IntoIterator<Item = Input>, credit: Option<Credit>, context: &mut Context<Self>) {
        for input in inputs {
            crash_point::<Self>(&input);
            for effect in self.machine.apply(input, now()) {
                self.perform(effect, credit.as_ref(), context);
            }
        }
        self.publish(credit);
        self.timer.follow(self.machine.deadline(), context, |turn, context| {
            turn.timer.fired();
            turn.step(Input::Tick, context);
        });
    }

    fn perform(&mut self, effect: Effect, credit: Option<&Credit>, context: &mut Context<Self>) {
        crash_point::<Self>(&effect);
        if let Effect::Publish(msg) = effect {
            self.said.push(msg);
            return;
        }
        self.publish(credit.cloned());
        match effect {
            Effect::Publish(_) => {}
            Effect::OpenModel { attempt, in_full } => self.open_model(attempt, in_full, context),
            Effect::CloseModel => self.close_model(),
            Effect::Ask(question) => tell(&self.parts.asks, AskPerson(question)),
            Effect::StartCall(call) => self.start_call(call, context),
            Effect::KillCall(call) => self.parts.executor.do_send(KillCall(call)),
            Effect::Finish(end) => {
                tell(&self.parts.finished, TurnFinished { turn: self.turn, end });
                context.stop();
            }
        }
    }

    fn publish(&mut self, credit: Option<Credit>) {
        if self.said.is_empty() {
            return;
        }
        self.parts.outbox.do_send(Publish {
            origin: Origin::Task(self.parts.task),
            id: self.submission.clone(),
            msgs: std::mem::take(&mut self.said),
            credit,
        });
    }

    fn open_model(&mut self, attempt: Attempt, in_full: bool, context: &mut Context<Self>) {
        let prompt = if in_full { self.parts.prompt.in_full() } else { self.parts.prompt.clone() };
        let request = ModelRequest {
            settings: self.settings.clone(),
            conversation: self.conversation.clone(),
            head: self.head(&prompt),
            prompt,
        };
        let me = context.address();
        let stream = ModelStream {
            attempt,
            request: Some(request),
            transport: self.parts.transport.clone(),
            credits: self.parts.credits.clone(),
            said: me.downgrade().recipient(),
            ended: me.downgrade().recipient(),
            tether: self.lifeline.tether(),
        };
        self.model = Some(start_watched(attempt, me.downgrade().recipient(), |_| stream));
    }

    fn head(&self, prompt: &Prompt) -> RequestHead {
        let settings = &self.settings;
        // A model that does not reason refuses to be told how; an effort that the user set is the user's word.
        let thinks = family::of(&settings.model).reasons || settings.effort.is_some();
        RequestHead {
            model: settings.model.clone(),
            instructions: settings.base_instructions.clone().unwrap_or_else(|| BASE_INSTRUCTIONS.to_owned()),
            tools: tool::specs_json(settings.patch_form()),
            may_call: self.purpose == Purpose::Work,
            parallel_tool_calls: false,
            reasoning: thinks.then_some(Reasoning { effort: settings.effort, summary: settings.summary }),
            store: settings.stored_responses,
            previous_response_id: prompt.previous.clone(),
            prompt_cache_key: Some(self.conversation.clone()),
            verbosity: settings.verbosity,
            output_schema: settings
                .output_schema
                .as_ref()
                .filter(|_| self.purpose == Purpose::Work)
                .map(|schema| schema.to_string().into()),
        }
    }

    /// If the stream's actor is gone already, its exit notice is under way.
    fn close_model(&mut self) {
        if let Some(model) = self.model.take() {
            model.do_send(CloseStream);
        }
    }

    fn start_call(&self, call: turn::StartCall, context: &Context<Self>) {
        let me = context.address();
        self.parts.executor.do_send(StartCall {
            call,
            grace: self.settings.kill_grace,
            output: me.downgrade().recipient(),
            ended: me.downgrade().recipient(),
        });
    }
}

fn tell<M>(parent: &WeakRecipient<M>, message: M)
where
    M: actix::Message<Result = ()> + Send + 'static,
{
    if let Some(parent) = parent.upgrade() {
        parent.do_send(message);
    }
}

impl Actor for Turn {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.parts.tether.clone().hold(context, self);
        self.step(Input::Begin, context);
    }
}

impl Handler<ModelSaid> for Turn {
    type Result = ();

    fn handle(&mut self, ModelSaid { attempt, events, credit }: ModelSaid, context: &mut Context<Self>) {
        let inputs = events.into_iter().map(|event| Input::Model { attempt, event });
        self.steps(inputs, Some(credit), context);
    }
}

impl Handler<ModelEnded> for Turn {
    type Result = ();

    fn handle(&mut self, ModelEnded { attempt, how }: ModelEnded, context: &mut Context<Self>) {
        self.step(Input::ModelEnded { attempt, how }, context);
    }
}

impl Handler<ChildExited<Attempt>> for Turn {
    type Result = ();

    /// A stream that had said its end is not heard here any more; one that had not was closed, or crashed.
    fn handle(&mut self, ChildExited { child, exit }: ChildExited<Attempt>, context: &mut Context<Self>) {
        let how = match exit {
            Exit::Stopped => Ok(()),
            Exit::Panicked(why) => Err(Failure::cut(&format!("the model stream crashed: {why}"))),
        };
        self.step(Input::ModelEnded { attempt: child, how }, context);
    }
}

impl Handler<CallOutput> for Turn {
    type Result = ();

    fn handle(&mut self, CallOutput { call, stream, chunk, credit }: CallOutput, context: &mut Context<Self>) {
        self.steps([Input::CallOutput { call, stream, chunk }], credit, context);
    }
}

impl Handler<CallEnded> for Turn {
    type Result = ();

    fn handle(&mut self, CallEnded { call, end, duration }: CallEnded, context: &mut Context<Self>) {
        self.step(Input::CallEnded { call, end, duration }, context);
    }
}

impl Handler<Answered> for Turn {
    type Result = ();

    fn handle(&mut self, Answered { call, answer }: Answered, context: &mut Context<Self>) {
        self.step(Input::Answered { call, answer }, context);
    }
}

impl Handler<ReplaceExecutor> for Turn {
    type Result = ();

    fn handle(&mut self, ReplaceExecutor(executor): ReplaceExecutor, context: &mut Context<Self>) {
        self.parts.executor = executor;
        self.step(Input::ExecutorReplaced, context);
    }
}

impl Handler<CallsLost> for Turn {
    type Result = ();

    fn handle(&mut self, _: CallsLost, context: &mut Context<Self>) {
        self.step(Input::CallsLost, context);
    }
}

impl Handler<YieldTurn> for Turn {
    type Result = ();

    fn handle(&mut self, _: YieldTurn, context: &mut Context<Self>) {
        self.step(Input::Yield, context);
    }
}

impl Handler<StopTurn> for Turn {
    type Result = ();

    fn handle(&mut self, _: StopTurn, context: &mut Context<Self>) {
        self.step(Input::Stop, context);
    }
}
