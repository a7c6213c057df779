//! Calls are taken from the answer, and judged: what runs, what a person is asked, what is refused.

use super::{
    Call, Calls, Kind, State,
    job::{Command, Inspection, Job},
};
use crate::{
    command::shell_quote,
    ids::CallId,
    machine::{
        approval::{self, CallKey, Refusal, Verdict},
        turn::Effect,
    },
    model::item::{ItemBody, ResponseItem},
    tool::{self, ToolCall, apply_patch::PatchCall, shell::ShellCall},
    wire::event::EventMsg,
};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// What the model is told of the calls in an answer that it did not finish.
const CUT_SHORT: &str = "not run: the answer that held this call was cut short";

impl Calls {
    /// Settles the call in `item`, if it is one, without running it: it may have been cut short.
    pub(in crate::machine::turn) fn refuse(&mut self, item: &ResponseItem) {
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
    pub(in crate::machine::turn) fn add(&mut self, item: &ResponseItem) -> Vec<Effect> {
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

    pub(super) fn push(&mut self, id: &CallId, kind: Kind, state: State) -> CallKey {
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
    pub(super) fn judged(
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
}
