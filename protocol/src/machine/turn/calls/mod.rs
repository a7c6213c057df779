//! The tool calls of one response: each is settled once, with exactly one output.

mod job;
mod judging;
mod running;
mod settling;

use self::{job::Job, running::Running};
use super::{CallEnd, StartCall};
use crate::{
    ids::{CallId, TurnId},
    machine::{
        approval::{Answer, CallKey},
        settings::Settings,
        turn::Effect,
    },
    model::item::ResponseItem,
    patch::TurnDiff,
    tool::output,
    wire::event::{EventMsg, ExecOutputStream},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

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
