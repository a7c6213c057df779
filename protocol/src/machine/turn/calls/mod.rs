//! The tool calls of one response: each is settled once, with exactly one output.

use super::{CallEnd, StartCall};
use crate::{
    command,
    ids::{CallId, TurnId},
    machine::{
        approval::{self, Answer, CallKey, Confinement, Question, Refusal, Verdict},
        settings::Settings,
        turn::Effect,
    },
    model::item::{ItemBody, ResponseItem},
    tool::{self, ToolCall, output, output::OutputBuffer, shell::ShellCall},
    wire::{
        event::{EventMsg, ExecApprovalRequest, ExecCommandBegin, ExecCommandEnd, ExecOutputStream},
        policy::SandboxPolicy,
    },
};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// What the model is told of the calls in an answer that it did not finish.
const CUT_SHORT: &str = "not run: the answer that held this call was cut short";

#[derive(Debug)]
pub(super) struct Calls {
    turn: TurnId,
    list: Vec<Call>,
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
    Asked(Command),
    Ready(Command),
    Running(Box<Running>),
    Settled(String),
}

#[derive(Clone, Debug)]
struct Command {
    call: ShellCall,
    cwd: PathBuf,
    confinement: Confinement,
    sandbox_policy: SandboxPolicy,
    session_cwd: PathBuf,
}

#[derive(Debug)]
struct Running {
    command: Command,
    since: Instant,
    output: OutputBuffer,
    ending: Option<Ending>,
    /// Its executor died.
    orphaned: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    TimedOut,
    Aborted,
}

/// A call that may run now.
pub(super) struct Started {
    pub(super) call: StartCall,
    pub(super) begin: EventMsg,
    pub(super) timeout: Duration,
}

impl Calls {
    pub(super) fn new(turn: TurnId) -> Self {
        Self { turn, list: Vec::new() }
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
    pub(super) fn add(&mut self, item: &ResponseItem, settings: &Settings) -> Vec<Effect> {
        match item.body() {
            ItemBody::FunctionCall { call_id, name, arguments } => {
                self.add_function(call_id, tool::parse(name, arguments), settings)
            }
            ItemBody::LocalShellCall { call_id, command, .. } if command.first().is_none_or(String::is_empty) => {
                self.add_function(call_id, Err(tool::shell::no_words()), settings)
            }
            ItemBody::LocalShellCall { call_id, command, timeout_ms, working_directory } => {
                let call = ShellCall {
                    command: command.clone(),
                    workdir: working_directory.clone(),
                    timeout: timeout_ms.map(Duration::from_millis),
                    escalate: false,
                    justification: None,
                };
                self.add_function(call_id, Ok(ToolCall::Shell(call)), settings)
            }
            ItemBody::CustomToolCall { call_id, name, .. } => {
                let text = output::unsupported_custom_call(name);
                self.push(call_id, Kind::Custom, State::Settled(text));
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn add_function(&mut self, id: &CallId, call: Result<ToolCall, String>, settings: &Settings) -> Vec<Effect> {
        match call {
            Err(text) => {
                self.push(id, Kind::Function, State::Settled(text));
                Vec::new()
            }
            Ok(ToolCall::UpdatePlan(plan)) => {
                self.push(id, Kind::Function, State::Settled(tool::update_plan::ANSWER.to_owned()));
                vec![Effect::Publish(EventMsg::PlanUpdate(plan))]
            }
            Ok(ToolCall::Shell(call)) => self.add_shell(id, &call, settings),
        }
    }

    fn add_shell(&mut self, id: &CallId, call: &ShellCall, settings: &Settings) -> Vec<Effect> {
        let cwd = call.workdir.as_ref().map_or_else(|| settings.cwd.clone(), |w| settings.cwd.join(w));
        let verdict = approval::decide(settings, call);
        let command = |confinement| Command {
            call: call.clone(),
            cwd: cwd.clone(),
            confinement,
            sandbox_policy: settings.sandbox_policy.clone(),
            session_cwd: settings.cwd.clone(),
        };
        match verdict {
            Verdict::Run(confinement) => {
                self.push(id, Kind::Function, State::Ready(command(confinement)));
                Vec::new()
            }
            Verdict::Ask(confinement) => {
                let command = command(confinement);
                let (call, shown) = self.push(id, Kind::Function, State::Asked(command.clone()));
                vec![Effect::Ask(question(call, shown, command))]
            }
            Verdict::Refuse(Refusal::Policy(text)) => {
                self.push(id, Kind::Function, State::Settled(text));
                Vec::new()
            }
            Verdict::Refuse(Refusal::NoSandbox(text)) => {
                self.push(id, Kind::Function, State::Settled(text.clone()));
                vec![Effect::Publish(EventMsg::warning(format!("{}: {text}", command::shell_quote(&call.command))))]
            }
        }
    }

    fn push(&mut self, id: &CallId, kind: Kind, state: State) -> (CallKey, CallId) {
        let index = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        let taken = |name: &str| self.list.iter().any(|c| c.shown.as_str() == name);
        let shown = if id.as_str().is_empty() || taken(id.as_str()) {
            CallId::from(format!("{id}#{}.{index}", self.turn))
        } else {
            id.clone()
        };
        self.list.push(Call { id: id.clone(), shown: shown.clone(), kind, state });
        (CallKey { turn: self.turn, index }, shown)
    }

    pub(super) fn answered(&mut self, call: CallKey, answer: Answer) {
        let Some(call) = self.get(call) else {
            return;
        };
        if let State::Asked(command) = &call.state {
            call.state = match answer {
                Answer::Approved => State::Ready(command.clone()),
                Answer::Denied => State::Settled(output::REJECTED.to_owned()),
            };
        }
    }

    /// The next command that may run, unless one runs: the model's calls share a work tree.
    pub(super) fn start_next(&mut self, now: Instant) -> Option<Started> {
        if self.running().is_some() {
            return None;
        }
        let turn = self.turn;
        let (index, call) = (0..).zip(&mut self.list).find(|(_, call)| matches!(call.state, State::Ready(_)))?;
        let State::Ready(command) = &call.state else {
            return None;
        };
        let command = command.clone();
        let started = Started {
            call: StartCall {
                call: CallKey { turn, index },
                command: command.call.command.clone(),
                cwd: command.cwd.clone(),
                confinement: command.confinement,
                sandbox_policy: command.sandbox_policy.clone(),
                session_cwd: command.session_cwd.clone(),
            },
            begin: EventMsg::ExecCommandBegin(ExecCommandBegin {
                call_id: call.shown.clone(),
                command: command.call.command.clone(),
                cwd: command.cwd.clone(),
                parsed_cmd: command::parsed(&command.call.command),
                is_user_shell_command: false,
            }),
            timeout: command.call.timeout.unwrap_or(tool::shell::DEFAULT_TIMEOUT),
        };
        call.state = State::Running(Box::new(Running {
            command,
            since: now,
            output: OutputBuffer::default(),
            ending: None,
            orphaned: false,
        }));
        Some(started)
    }

    /// The command that runs, and since when.
    pub(super) fn running(&self) -> Option<(CallKey, Instant)> {
        (0..).zip(&self.list).find_map(|(index, call)| match &call.state {
            State::Running(running) => Some((CallKey { turn: self.turn, index }, running.since)),
            _ => None,
        })
    }

    /// The command that runs now was the dead executor's; the next one will not be.
    pub(super) fn executor_replaced(&mut self) {
        for call in &mut self.list {
            if let State::Running(running) = &mut call.state {
                running.orphaned = true;
            }
        }
    }

    /// The command that a dead executor was told to run, and since when.
    pub(super) fn orphaned(&self) -> Option<(CallKey, Instant)> {
        let (call, since) = self.running()?;
        let State::Running(running) = &self.list.get(call.index as usize)?.state else {
            return None;
        };
        running.orphaned.then_some((call, since))
    }

    pub(super) fn wrote(&mut self, call: CallKey, stream: ExecOutputStream, chunk: &[u8]) -> Option<EventMsg> {
        let call = self.get(call)?;
        let State::Running(running) = &mut call.state else {
            return None;
        };
        match stream {
            ExecOutputStream::Stdout => running.output.push_stdout(chunk),
            ExecOutputStream::Stderr => running.output.push_stderr(chunk),
        }
        let chunk = BASE64_STANDARD.encode(chunk);
        Some(EventMsg::ExecCommandOutputDelta { call_id: call.shown.clone(), stream, chunk })
    }

    /// Settles a command that ran; `None` if it does not run.
    pub(super) fn ended(&mut self, call: CallKey, end: &CallEnd, duration: Duration) -> Option<EventMsg> {
        let call = self.get(call)?;
        let State::Running(running) = &call.state else {
            return None;
        };
        let text = running.text_for_model(end, duration);
        let event = EventMsg::ExecCommandEnd(Box::new(ExecCommandEnd {
            call_id: call.shown.clone(),
            stdout: running.output.stdout_text(),
            stderr: running.output.stderr_text(),
            aggregated_output: running.output.aggregated_text(),
            exit_code: running.exit_code(end),
            duration,
            formatted_output: text.clone(),
        }));
        call.state = State::Settled(text);
        Some(event)
    }

    /// Marks a running command as out of time; whether it is to be killed for that.
    pub(super) fn time_out(&mut self, call: CallKey) -> bool {
        self.end_running(call, Ending::TimedOut)
    }

    /// Settles everything that did not start and names what must be killed.
    pub(super) fn abort(&mut self) -> Option<CallKey> {
        for call in &mut self.list {
            if matches!(call.state, State::Asked(_) | State::Ready(_)) {
                call.state = State::Settled(output::aborted_command(Duration::ZERO));
            }
        }
        let (call, _) = self.running()?;
        self.end_running(call, Ending::Aborted);
        Some(call)
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

impl Running {
    fn text_for_model(&self, end: &CallEnd, duration: Duration) -> String {
        let timeout = self.command.call.timeout.unwrap_or(tool::shell::DEFAULT_TIMEOUT);
        match (self.ending, end) {
            (Some(Ending::Aborted), _) => output::aborted_command(duration),
            (_, CallEnd::NotStarted(why)) => output::spawn_error(why),
            (_, CallEnd::Lost) => output::spawn_error("the command was lost with its executor; it was ended"),
            (Some(Ending::TimedOut), _) => {
                let body = output::timed_out(timeout, &self.output.model_text());
                output::shell_output(&body, output::TIMEOUT_EXIT_CODE, duration)
            }
            (None, _) => output::shell_output(&self.output.model_text(), self.exit_code(end), duration),
        }
    }

    fn exit_code(&self, end: &CallEnd) -> i32 {
        match (self.ending, end) {
            (Some(Ending::TimedOut), CallEnd::Exited(_) | CallEnd::Signalled(_)) => output::TIMEOUT_EXIT_CODE,
            (_, CallEnd::Exited(code)) => *code,
            (_, CallEnd::Signalled(signal)) => 128 + signal,
            (_, CallEnd::NotStarted(_) | CallEnd::Lost) => -1,
        }
    }
}

fn question(call: CallKey, shown: CallId, command: Command) -> Question {
    Question {
        call,
        confinement: command.confinement,
        request: ExecApprovalRequest {
            call_id: shown,
            parsed_cmd: command::parsed(&command.call.command),
            command: command.call.command,
            cwd: command.cwd,
            reason: command.call.justification,
        },
    }
}
