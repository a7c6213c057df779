//! The tool calls of one response: each is settled once, with exactly one output.

mod job;
mod running;

use self::{
    job::{Application, Command, Inspection, Job},
    running::{Ending, Running},
};
use super::{CallEnd, Inspected, StartCall};
use crate::{
    command::shell_quote,
    ids::{CallId, TurnId},
    machine::{
        approval::{self, Answer, CallKey, Question, Refusal, Verdict},
        settings::Settings,
        turn::Effect,
    },
    model::item::{ItemBody, ResponseItem},
    patch::TurnDiff,
    tool::{
        self, ToolCall,
        apply_patch::{self, PatchCall},
        output,
        shell::ShellCall,
    },
    wire::event::{EventMsg, ExecOutputStream},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::{
    mem,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// What the model is told of the calls in an answer that it did not finish.
const CUT_SHORT: &str = "not run: the answer that held this call was cut short";

#[derive(Debug)]
pub(super) struct Calls {
    turn: TurnId,
    settings: Arc<Settings>,
    list: Vec<Call>,
    /// What the task's patches have done so far.
    diff: Arc<TurnDiff>,
}

#[derive(Debug)]
struct Call {
    /// The model's id, for the output.
    id: CallId,
    /// The id that the UI sees: the model's, made unique within the response.
    shown: CallId,
    kind: Kind,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Function,
    Custom,
}

#[derive(Debug)]
enum State {
    Asked(Job),
    Ready(Job),
    Running(Box<Running>),
    /// The sandbox seems to have stopped it; whether it may run again without is for a person to say.
    Denied(Box<Denied>),
    Settled(String),
}

#[derive(Debug)]
struct Denied {
    was: Running,
    end: CallEnd,
    duration: Duration,
    /// It may.
    approved: bool,
}

/// A call that may run now.
pub(super) struct Started {
    pub(super) call: StartCall,
    /// What the UI is told of it; nothing of a look at files, or where it begins once more.
    pub(super) begin: Option<EventMsg>,
    pub(super) timeout: Duration,
}

impl Calls {
    pub(super) fn new(turn: TurnId, settings: Arc<Settings>, diff: Arc<TurnDiff>) -> Self {
        Self { turn, settings, list: Vec::new(), diff }
    }

    /// What the task's patches have done by now.
    pub(super) fn diff(&self) -> Arc<TurnDiff> {
        self.diff.clone()
    }

    /// Settles the call in `item`, if it is one, without running it: it may have been cut short.
    pub(super) fn refuse(&mut self, item: &ResponseItem) {
        let text = || State::Settled(CUT_SHORT.to_owned());
        match item.body() {
            ItemBody::FunctionCall { call_id, .. } | ItemBody::LocalShellCall { call_id, .. } => {
                self.push(call_id, Kind::Function, text());
            }
            ItemBody::CustomToolCall { call_id, .. } => {
                self.push(call_id, Kind::Custom, text());
            }
            _ => {}
        }
    }

    /// Takes the call in `item`, if it is one, and says what is to be done before it can run.
    pub(super) fn add(&mut self, item: &ResponseItem) -> Vec<Effect> {
        match item.body() {
            ItemBody::FunctionCall { call_id, name, arguments } => {
                self.add_call(call_id, Kind::Function, tool::parse(name, arguments))
            }
            ItemBody::CustomToolCall { call_id, name, input } => {
                self.add_call(call_id, Kind::Custom, tool::parse_custom(name, input))
            }
            ItemBody::LocalShellCall { call_id, command, .. } if command.first().is_none_or(String::is_empty) => {
                self.add_call(call_id, Kind::Function, Err(tool::shell::no_words()))
            }
            ItemBody::LocalShellCall { call_id, command, timeout_ms, working_directory } => {
                let call = ShellCall {
                    command: command.clone(),
                    workdir: working_directory.clone(),
                    timeout: timeout_ms.map(Duration::from_millis),
                    escalate: false,
                    justification: None,
                };
                self.add_call(call_id, Kind::Function, tool::shell_call(call))
            }
            _ => Vec::new(),
        }
    }

    fn add_call(&mut self, id: &CallId, kind: Kind, call: Result<ToolCall, String>) -> Vec<Effect> {
        match call {
            Err(text) => {
                self.push(id, kind, State::Settled(text));
                Vec::new()
            }
            Ok(ToolCall::UpdatePlan(plan)) => {
                self.push(id, kind, State::Settled(tool::update_plan::ANSWER.to_owned()));
                vec![Effect::Publish(EventMsg::PlanUpdate(plan))]
            }
            Ok(ToolCall::Shell(call)) => self.add_shell(id, kind, call),
            Ok(ToolCall::ApplyPatch(call)) => {
                self.add_patch(id, kind, call);
                Vec::new()
            }
        }
    }

    fn add_shell(&mut self, id: &CallId, kind: Kind, call: ShellCall) -> Vec<Effect> {
        let cwd = self.directory(call.workdir.as_deref());
        let verdict = approval::decide(&self.settings, &call);
        let words = shell_quote(&call.command);
        let key = self.push(id, kind, State::Settled(String::new()));
        self.judged(key, verdict, &words, |confinement| Job::Command(Command { call, cwd, confinement }))
    }

    /// Whether a patch may be applied is known when its files have been looked at, which is when its turn comes: what is
    /// called before it may change them.
    fn add_patch(&mut self, id: &CallId, kind: Kind, PatchCall { patch, workdir, timeout }: PatchCall) {
        let cwd = self.directory(workdir.as_deref());
        let timeout = timeout.unwrap_or(tool::shell::DEFAULT_TIMEOUT);
        self.push(id, kind, State::Ready(Job::Inspection(Inspection { patch: Arc::new(patch), cwd, timeout })));
    }

    fn directory(&self, workdir: Option<&str>) -> PathBuf {
        workdir.map_or_else(|| self.settings.cwd.clone(), |workdir| self.settings.cwd.join(workdir))
    }

    fn push(&mut self, id: &CallId, kind: Kind, state: State) -> CallKey {
        let index = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        let taken = |name: &str| self.list.iter().any(|c| c.shown.as_str() == name);
        let shown = if id.as_str().is_empty() || taken(id.as_str()) {
            CallId::from(format!("{id}#{}.{index}", self.turn))
        } else {
            id.clone()
        };
        self.list.push(Call { id: id.clone(), shown, kind, state });
        CallKey { turn: self.turn, index }
    }

    /// Gives a call the state that the verdict on it leads to. `subject` says to the user what cannot be done.
    fn judged(
        &mut self,
        key: CallKey,
        verdict: Verdict,
        subject: &str,
        job: impl FnOnce(approval::Confinement) -> Job,
    ) -> Vec<Effect> {
        let settings = self.settings.clone();
        let Some(call) = self.get(key) else {
            return Vec::new();
        };
        match verdict {
            Verdict::Run(confinement) => {
                call.state = State::Ready(job(confinement));
                Vec::new()
            }
            Verdict::Ask(confinement) => {
                let job = job(confinement).awaiting_approval();
                let question = job.question(key, &call.shown, &settings);
                call.state = State::Asked(job);
                question.map(Effect::Ask).into_iter().collect()
            }
            Verdict::Refuse(Refusal::Policy(text)) => {
                call.state = State::Settled(text);
                Vec::new()
            }
            Verdict::Refuse(Refusal::NoSandbox(text)) => {
                call.state = State::Settled(text.clone());
                vec![Effect::Publish(EventMsg::warning(format!("{subject}: {text}")))]
            }
        }
    }

    pub(super) fn answered(&mut self, key: CallKey, answer: Answer) -> Vec<Effect> {
        let Some(call) = self.get(key) else {
            return Vec::new();
        };
        match (&mut call.state, answer) {
            (State::Asked(job), Answer::Approved) => call.state = State::Ready(job.clone()),
            (State::Asked(job), Answer::Denied) => call.state = State::Settled(job.rejection().to_owned()),
            (State::Denied(denied), Answer::Approved) => denied.approved = true,
            (State::Denied(_), Answer::Denied) => return self.leave_denied(key, None),
            _ => {}
        }
        Vec::new()
    }

    /// The next call that may run, unless one runs: the model's calls share a work tree.
    pub(super) fn start_next(&mut self, now: Instant) -> Option<Started> {
        let index = self.next_to_start()?;
        let key = CallKey { turn: self.turn, index };
        let settings = self.settings.clone();
        let call = self.get(key)?;
        let (job, begun) = match &call.state {
            State::Ready(job) => (job.clone(), false),
            State::Denied(denied) => (denied.was.job.clone().unconfined(), true),
            _ => return None,
        };
        let begin = if begun { None } else { job.begin(&call.shown, &settings) };
        let started = Started { call: job.start(key, &settings), begin, timeout: job.timeout() };
        call.state = State::Running(Box::new(Running::new(job, now)));
        Some(started)
    }

    /// Between a call's first failure and its second try no other begins. A patch waits for those before it, which may be
    /// of the same files.
    fn next_to_start(&self) -> Option<u32> {
        let mut a_patch_waits = false;
        let mut next = None;
        for (index, call) in (0..).zip(&self.list) {
            match &call.state {
                State::Running(_) => return None,
                State::Denied(denied) => return denied.approved.then_some(index),
                State::Ready(Job::Inspection(_)) if a_patch_waits => {}
                State::Ready(_) => next = next.or(Some(index)),
                State::Asked(job) => a_patch_waits |= matches!(job, Job::Application(_)),
                State::Settled(_) => {}
            }
        }
        next
    }

    /// The call that runs, and since when.
    pub(super) fn running(&self) -> Option<(CallKey, Instant)> {
        (0..).zip(&self.list).find_map(|(index, call)| match &call.state {
            State::Running(running) => Some((CallKey { turn: self.turn, index }, running.since)),
            _ => None,
        })
    }

    /// The call that runs now was the dead executor's; the next one will not be.
    pub(super) fn executor_replaced(&mut self) {
        for call in &mut self.list {
            if let State::Running(running) = &mut call.state {
                running.orphaned = true;
            }
        }
    }

    /// The call that a dead executor was told to run, and since when.
    pub(super) fn orphaned(&self) -> Option<(CallKey, Instant)> {
        let (call, since) = self.running()?;
        let State::Running(running) = &self.list.get(call.index as usize)?.state else {
            return None;
        };
        running.orphaned.then_some((call, since))
    }

    /// What a command wrote is shown at once; what is said of a patch comes with its end.
    pub(super) fn wrote(&mut self, call: CallKey, stream: ExecOutputStream, chunk: &[u8]) -> Option<EventMsg> {
        let call = self.get(call)?;
        let State::Running(running) = &mut call.state else {
            return None;
        };
        match stream {
            ExecOutputStream::Stdout => running.output.push_stdout(chunk),
            ExecOutputStream::Stderr => running.output.push_stderr(chunk),
        }
        let chunk = || BASE64_STANDARD.encode(chunk);
        let is_command = matches!(running.job, Job::Command(_));
        is_command.then(|| EventMsg::ExecCommandOutputDelta { call_id: call.shown.clone(), stream, chunk: chunk() })
    }

    /// Takes in how a call ended, and says what follows from that; `None` if it does not run.
    pub(super) fn ended(&mut self, key: CallKey, end: CallEnd, duration: Duration) -> Option<Vec<Effect>> {
        let call = self.get(key)?;
        if !matches!(call.state, State::Running(_)) {
            return None;
        }
        let State::Running(running) = mem::replace(&mut call.state, State::Settled(String::new())) else {
            return None;
        };
        Some(match (&running.job, end) {
            (Job::Inspection(inspection), CallEnd::Inspected(Ok(found))) if running.ending.is_none() => {
                let timeout = inspection.timeout;
                self.inspected(key, found, timeout)
            }
            (_, end) if running.failed_at_the_sandbox(&end, &self.settings) => {
                self.ask_whether_again(key, Denied { was: *running, end, duration, approved: false })
            }
            (_, end) => self.settle(key, &running, &end, duration),
        })
    }

    fn inspected(&mut self, key: CallKey, found: Inspected, timeout: Duration) -> Vec<Effect> {
        if found.plan.is_empty() {
            if let Some(call) = self.get(key) {
                call.state = State::Settled(apply_patch::REJECTED_AS_EMPTY.to_owned());
            }
            return Vec::new();
        }
        let verdict = approval::decide_patch(&self.settings, !found.outside.is_empty());
        self.judged(key, verdict, "apply_patch", |confinement| {
            Job::Application(Application { found, timeout, confinement, asked: false })
        })
    }

    fn ask_whether_again(&mut self, key: CallKey, denied: Denied) -> Vec<Effect> {
        let settings = self.settings.clone();
        let Some(call) = self.get(key) else {
            return Vec::new();
        };
        let question: Option<Question> = denied.was.job.question_whether_again(key, &call.shown, &settings);
        call.state = State::Denied(Box::new(denied));
        question.map(Effect::Ask).into_iter().collect()
    }

    /// What was denied stays as it ended the first time.
    fn leave_denied(&mut self, key: CallKey, ending: Option<Ending>) -> Vec<Effect> {
        let Some(call) = self.get(key) else {
            return Vec::new();
        };
        match mem::replace(&mut call.state, State::Settled(String::new())) {
            State::Denied(denied) => {
                let Denied { was, end, duration, .. } = *denied;
                self.settle(key, &Running { ending, ..was }, &end, duration)
            }
            other => {
                call.state = other;
                Vec::new()
            }
        }
    }

    fn settle(&mut self, key: CallKey, was: &Running, end: &CallEnd, duration: Duration) -> Vec<Effect> {
        let form = self.settings.answer_form();
        let text = was.text_for_model(end, duration, form);
        let Some(call) = self.get(key) else {
            return Vec::new();
        };
        let mut events: Vec<_> = was.end_event(&call.shown, end, duration, &text).into_iter().collect();
        call.state = State::Settled(text);
        if let (Job::Application(done), CallEnd::Exited(0)) = (&was.job, end) {
            Arc::make_mut(&mut self.diff).record(&done.found.base, done.found.plan.changes());
            events.push(EventMsg::TurnDiff { unified_diff: self.diff.unified_diff() });
        }
        events.into_iter().map(Effect::Publish).collect()
    }

    /// Marks a running call as out of time; whether it is to be killed for that.
    pub(super) fn time_out(&mut self, call: CallKey) -> bool {
        self.end_running(call, Ending::TimedOut)
    }

    /// Settles everything that does not run, and names what must be killed.
    pub(super) fn abort(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for index in 0..u32::try_from(self.list.len()).unwrap_or(u32::MAX) {
            let key = CallKey { turn: self.turn, index };
            match self.get(key) {
                Some(Call { state: State::Denied(_), .. }) => {
                    effects.extend(self.leave_denied(key, Some(Ending::Aborted)));
                }
                Some(Call { state: state @ (State::Asked(_) | State::Ready(_)), .. }) => {
                    *state = State::Settled(output::aborted_command(Duration::ZERO));
                }
                _ => {}
            }
        }
        if let Some((call, _)) = self.running() {
            self.end_running(call, Ending::Aborted);
            effects.push(Effect::KillCall(call));
        }
        effects
    }

    fn end_running(&mut self, call: CallKey, ending: Ending) -> bool {
        match self.get(call) {
            Some(Call { state: State::Running(running), .. }) if running.ending.is_none() => {
                running.ending = Some(ending);
                true
            }
            // An abort outranks a timeout that is under way: what the model is told should be what the user did.
            Some(Call { state: State::Running(running), .. }) => {
                running.ending = Some(ending);
                false
            }
            _ => false,
        }
    }

    pub(super) fn all_settled(&self) -> bool {
        self.list.iter().all(|c| matches!(c.state, State::Settled(_)))
    }

    /// One output for each call, in the calls' order. A call that is not settled counts as aborted.
    pub(super) fn outputs(&self) -> Vec<ResponseItem> {
        self.list.iter().map(Call::output).collect()
    }

    fn get(&mut self, call: CallKey) -> Option<&mut Call> {
        if call.turn == self.turn { self.list.get_mut(call.index as usize) } else { None }
    }
}

impl Call {
    fn output(&self) -> ResponseItem {
        let aborted = output::aborted_command(Duration::ZERO);
        let text = if let State::Settled(text) = &self.state { text } else { &aborted };
        match self.kind {
            Kind::Function => ResponseItem::function_call_output(&self.id, text),
            Kind::Custom => ResponseItem::custom_tool_call_output(&self.id, text),
        }
    }
}
