//! The model and its server: what a scripted answer is on the wire, and what the server remembers of it.

use crate::{
    script::{Answer, Call, Ending, Fault, Said},
    trace::Response,
};
use llmx_protocol::{
    ids::{Attempt, ResponseId, TurnId},
    model::{
        event::{ItemKind, ModelEvent},
        failure::{Failure, FailureKind},
        item::ResponseItem,
    },
    wire::usage::TokenUsage,
};
use serde_json::json;
use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

/// How long a connection may be silent.
pub(super) const IDLE: Duration = Duration::from_secs(300);

/// One connection.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) turn: TurnId,
    pub(super) attempt: Attempt,
    pub(super) next: VecDeque<Next>,
    pub(super) response: Response,
    pub(super) answered: bool,
    /// Told to close.
    pub(super) closing: bool,
    /// Closed.
    pub(super) exited: bool,
    /// Since when it is silent.
    pub(super) silent: Option<Instant>,
}

#[derive(Clone, Debug)]
pub(super) enum Next {
    Says(ModelEvent),
    Ends(Result<(), Failure>),
    Silence,
}

/// What the server keeps, by response.
#[derive(Debug, Default)]
pub(super) struct Server {
    kept: HashMap<ResponseId, Vec<ResponseItem>>,
    requests: usize,
}

impl Server {
    pub(super) fn knows(&self, previous: Option<&ResponseId>, sent: &[ResponseItem]) -> Vec<ResponseItem> {
        let mut known = previous.and_then(|id| self.kept.get(id)).cloned().unwrap_or_default();
        known.extend_from_slice(sent);
        known
    }

    /// Answers a request; `known` is what it knows with it.
    pub(super) fn answer(&mut self, turn: TurnId, attempt: Attempt, known: &[ResponseItem], answer: &Answer) -> Stream {
        self.requests += 1;
        let (next, response) = speak(self.requests, known.len(), answer);
        if let Some(id) = &response.id {
            self.kept.insert(id.clone(), [known, &response.items].concat());
        }
        Stream { turn, attempt, next, response, answered: false, closing: false, exited: false, silent: None }
    }
}

/// An item is a token to this server.
fn speak(n: usize, known: usize, answer: &Answer) -> (VecDeque<Next>, Response) {
    let mut said = Speech { n, events: Vec::new(), done: Vec::new(), never_done: Vec::new() };
    let named = !matches!(answer.ending, Ending::Completed { named: false, .. });
    let id = named.then(|| ResponseId::from(format!("resp_{n}")));
    said.events.push(ModelEvent::Created { response_id: id.clone() });
    for (slot, item) in (0..).zip(&answer.items) {
        said.say(slot, item);
    }
    let items = [said.done, said.never_done].concat();
    let tokens = i64::try_from(known + items.len()).unwrap();
    let says = said.events.into_iter().map(Next::Says);
    match answer.ending {
        Ending::Completed { incomplete, again, .. } => {
            let completed = |response_id| ModelEvent::Completed {
                response_id,
                usage: Some(TokenUsage { total_tokens: tokens, ..TokenUsage::default() }),
                incomplete: incomplete.then(|| "max_output_tokens".to_owned()),
            };
            let more = (0..again).flat_map(|k| {
                let late = ModelEvent::TextDelta { slot: 90 + u32::from(k), delta: "late".into() };
                [completed(Some(format!("resp_{n}_{k}").into())), late]
            });
            let next = says.chain([Next::Says(completed(last_name(n, id.as_ref())))]).chain(more.map(Next::Says));
            (next.chain([Next::Ends(Ok(()))]).collect(), Response { id, items })
        }
        Ending::Fails { how, after } => {
            let spoken = if how == Fault::Refused { 0 } else { after.into() };
            (says.take(spoken).chain([Next::Ends(fault(how))]).collect(), Response::default())
        }
        Ending::Hangs { after } => {
            let idle = Next::Ends(Err(Failure::idle(IDLE)));
            (says.take(after.into()).chain([Next::Silence, idle]).collect(), Response::default())
        }
    }
}

/// Servers name a response at its beginning, at its end or twice; some not at all, in one of two ways.
fn last_name(n: usize, id: Option<&ResponseId>) -> Option<ResponseId> {
    match id {
        Some(id) => (!n.is_multiple_of(3)).then(|| id.clone()),
        None => n.is_multiple_of(2).then(|| "".into()),
    }
}

fn fault(how: Fault) -> Result<(), Failure> {
    Err(match how {
        Fault::EndsEarly => return Ok(()),
        Fault::Refused => Failure::connect("refused"),
        Fault::Cut => Failure::cut("reset"),
        Fault::BusyFor(wait) => {
            Failure { retry_after: Some(wait), ..Failure::new(FailureKind::RateLimited, "too many requests") }
        }
        Fault::Quota => Failure::new(FailureKind::Quota, "no money"),
        Fault::PreviousUnknown => Failure::new(FailureKind::PreviousResponseNotFound, "what response?"),
    })
}

struct Speech {
    n: usize,
    events: Vec<ModelEvent>,
    done: Vec<ResponseItem>,
    /// Messages of which only deltas come.
    never_done: Vec<ResponseItem>,
}

impl Speech {
    fn say(&mut self, slot: u32, said: &Said) {
        match said {
            Said::Message { deltas, whole } => self.message(slot, *deltas, *whole),
            Said::Blank => self.item(slot, ItemKind::Message, ResponseItem::message("assistant", " ")),
            Said::Reasoning { summaries, raw } => self.reasoning(slot, *summaries, *raw),
            Said::Call { call, repeats_an_id } => {
                let id = if *repeats_an_id { "call_again".into() } else { format!("call_{}_{slot}", self.n) };
                self.item(slot, ItemKind::FunctionCall, call_item(*call, &id));
            }
        }
    }

    fn item(&mut self, slot: u32, kind: ItemKind, item: ResponseItem) {
        self.events.push(ModelEvent::ItemStarted { slot, kind });
        if !item.is_blank() {
            self.done.push(item.clone());
        }
        self.events.push(ModelEvent::ItemDone { slot, item });
    }

    fn message(&mut self, slot: u32, deltas: u8, whole: bool) {
        let piece = format!("word {}.{slot} ", self.n);
        self.events.push(ModelEvent::ItemStarted { slot, kind: ItemKind::Message });
        self.events.extend((0..deltas).map(|_| ModelEvent::TextDelta { slot, delta: piece.clone() }));
        let item = ResponseItem::message("assistant", &piece.repeat(if whole { 1.max(deltas) } else { deltas }.into()));
        if whole {
            self.done.push(item.clone());
            self.events.push(ModelEvent::ItemDone { slot, item });
        } else if deltas > 0 {
            self.never_done.push(item);
        }
    }

    fn reasoning(&mut self, slot: u32, summaries: u8, raw: bool) {
        let text = |k| format!("thought {}.{slot}.{k}", self.n);
        let part = |k| json!({"type": "summary_text", "text": text(k)});
        let summary: Vec<_> = (0..summaries).map(part).collect();
        let content = if raw { json!([{"type": "reasoning_text", "text": text(9)}]) } else { json!([]) };
        let item = json!({"type": "reasoning", "summary": summary, "content": content, "encrypted_content": "x"});
        self.events.push(ModelEvent::ReasoningSectionBreak { slot });
        for k in 0..summaries {
            self.events.push(ModelEvent::ReasoningSummaryDelta { slot, delta: text(k) });
        }
        if raw {
            self.events.push(ModelEvent::ReasoningTextDelta { slot, delta: text(9) });
        }
        self.item(slot, ItemKind::Reasoning, ResponseItem::from_model(&item.to_string()).unwrap());
    }
}

fn patch_of(file: &str) -> String {
    format!("*** Begin Patch\n*** Add File: {file}\n+x\n*** End Patch")
}

fn call_item(call: Call, id: &str) -> ResponseItem {
    let function = |name: &str, arguments: serde_json::Value| {
        let arguments = arguments.to_string();
        json!({"type": "function_call", "call_id": id, "name": name, "arguments": arguments})
    };
    let shell = |words: &[&str]| function("shell", json!({"command": words}));
    let local = |words: &[&str]| {
        let action = json!({"type": "exec", "command": words});
        json!({"type": "local_shell_call", "call_id": id, "status": "completed", "action": action})
    };
    let item = match call {
        Call::Safe => shell(&["ls"]),
        Call::Plain => shell(&["make"]),
        Call::OtherPlain => shell(&["make", "test"]),
        Call::Dangerous => shell(&["rm", "-rf", "build"]),
        Call::Escalated => function("shell", json!({"command": ["make"], "with_escalated_permissions": true})),
        Call::Hasty => function("shell", json!({"command": ["make"], "timeout_ms": 1000})),
        Call::LocalShell => local(&["make"]),
        Call::Nothing => local(&[]),
        Call::Custom => json!({"type": "custom_tool_call", "call_id": id, "name": "poem", "input": "roses"}),
        Call::Patch => function("apply_patch", json!({"input": patch_of("f")})),
        Call::FreeformPatch => {
            json!({"type": "custom_tool_call", "call_id": id, "name": "apply_patch", "input": patch_of("f")})
        }
        Call::PatchInShell => shell(&["apply_patch", &patch_of("f")]),
        Call::PatchOutside => function("apply_patch", json!({"input": patch_of("/outside/f")})),
        Call::Misfit => function("apply_patch", json!({"input": patch_of("misfit")})),
        Call::NoPatch => function("apply_patch", json!({"input": "*** Begin Patch\n*** End Patch"})),
        Call::Plan => function("update_plan", json!({"plan": [{"step": "think", "status": "pending"}]})),
        Call::BadArguments => {
            json!({"type": "function_call", "call_id": id, "name": "shell", "arguments": "{\"command\":"})
        }
        Call::UnknownTool => function("browser", json!({})),
    };
    ResponseItem::from_model(&item.to_string()).unwrap()
}
