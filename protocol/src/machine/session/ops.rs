//! What each op does to a session.

use super::{Closing, Effect, Point, Record, Session, seed_of};
use crate::{
    context,
    history::History,
    ids::{CallId, ResponseId, SubmissionId},
    local_files::FromDisk,
    machine::{
        approval::{Kind, Resolution},
        settings::Settings,
        task::{Steering, TaskStart, Work},
    },
    model::item::{ContentPart, ResponseItem},
    wire::{
        decision::ReviewDecision,
        event::AbortReason,
        item::UserInput,
        op::{ConfigureSession, Op},
        submission::{BadSubmission, Submission},
    },
};
use std::sync::Arc;

/// What a UI reads that speaks before the session is there; the words of the engines before llmx.
const NO_SESSION: &str = "No session initialized, expected 'ConfigureSession' as first Op";

impl Session {
    pub(super) fn submit(&mut self, submission: Result<Submission, BadSubmission>, out: &mut Vec<Effect>) {
        let Submission { id, op } = match submission {
            Ok(submission) => submission,
            Err(bad) => return self.answer_error(&bad.id, bad.message, out),
        };
        if matches!(self.memory.closing, Some(Closing::Now | Closing::Shutdown(_))) {
            return self.answer_error(&id, "the session is closing", out);
        }
        if self.memory.settings.is_none() && !matches!(op, Op::ConfigureSession(_)) {
            return self.answer_error(&id, NO_SESSION, out);
        }
        match op {
            Op::ConfigureSession(configure) => self.configure(id, configure, out),
            Op::Interrupt => self.stop_task(AbortReason::Interrupted, out),
            Op::UserInput { ref items, ref last_response_id } => {
                let start = self.prepare(&id, items, last_response_id.as_ref(), None);
                self.start_task(Submission { id, op }, start, out);
            }
            Op::UserTurn(ref turn) => {
                let settings = self.settings().and_then(|s| s.for_turn(turn));
                let start = settings.and_then(|settings| {
                    let schema = turn.final_output_json_schema.clone().map(Arc::new);
                    let start = self.prepare(&id, &turn.items, turn.last_response_id.as_ref(), Some(settings))?;
                    Ok(Prepared { schema, ..start })
                });
                self.start_task(Submission { id, op }, start, out);
            }
            Op::Compact => {
                let start = self.prepare_compaction(&id);
                self.start_task(Submission { id, op }, start, out);
            }
            Op::Steer { id: task, items } => self.steer(id, &task, items, out),
            Op::OverrideTurnContext(change) => match self.settings().and_then(|s| s.overridden(&change)) {
                Ok(settings) => self.record(Record::Overridden(Box::new(settings)), out),
                Err(message) => self.answer_error(&id, message, out),
            },
            Op::ExecApproval { id: task, call_id, decision } => {
                self.decide(&id, Kind::Command, (&task, call_id.as_ref()), decision, out);
            }
            Op::PatchApproval { id: task, call_id, decision } => {
                self.decide(&id, Kind::Patch, (&task, call_id.as_ref()), decision, out);
            }
            Op::AddToHistory { text } => out.push(Effect::AddToHistory(id, text)),
            Op::GetHistoryEntryRequest { offset, log_id } => {
                let id = self.outside_tasks(&id);
                out.push(Effect::LookUpHistory { id, offset, log_id });
            }
            Op::Shutdown => {
                self.record(Record::Closing(Closing::Shutdown(id)), out);
                self.stop_task(AbortReason::Interrupted, out);
            }
            other => self.answer_error(&id, format!("op `{}` is not built yet", other.name()), out),
        }
    }

    fn configure(&mut self, id: SubmissionId, op: Box<ConfigureSession>, out: &mut Vec<Effect>) {
        if self.memory.names_a_task(&id) {
            return self.refuse_used(&id, out);
        }
        let settings = match Settings::configure(&op, &self.defaults, &self.read_for(&id)) {
            Ok(settings) => settings,
            Err(message) => return self.answer_error(&id, message, out),
        };
        if self.running.is_some() {
            self.stop_task(AbortReason::Reconfigured, out);
            self.waiting.push_front(Ok(Submission { id, op: Op::ConfigureSession(op) }));
            return;
        }
        if let Some(path) = op.resume_path.clone() {
            return self.resume(id, op, path, out);
        }
        self.record(Record::Configured(id, Box::new(settings)), out);
        self.publish_configured(out);
    }

    pub(super) fn read_for(&self, id: &SubmissionId) -> FromDisk {
        self.from_disk.get(id).cloned().unwrap_or_default()
    }

    fn settings(&self) -> Result<Settings, String> {
        self.memory.settings.clone().ok_or_else(|| NO_SESSION.to_owned())
    }

    /// Looks whether a task can start, before anything that runs is ended for it.
    fn prepare(
        &self,
        id: &SubmissionId,
        items: &[UserInput],
        from: Option<&ResponseId>,
        settings: Option<Settings>,
    ) -> Result<Prepared, String> {
        if self.memory.names_a_task(id) {
            return Err(used(id));
        }
        let settings = settings.map_or_else(|| self.settings(), Ok)?;
        let point = match from {
            None => None,
            Some(id) => Some(self.bookmark(id, &settings)?),
        };
        Ok(Prepared {
            settings,
            point,
            message: Some(message_of(items, &self.read_for(id))?),
            work: Work::Answer(items.to_vec()),
            schema: None,
        })
    }

    fn prepare_compaction(&self, id: &SubmissionId) -> Result<Prepared, String> {
        if self.memory.names_a_task(id) {
            return Err(used(id));
        }
        if self.memory.head.history.is_empty() {
            return Err("there is no conversation to compact yet".into());
        }
        let settings = self.settings()?;
        Ok(Prepared { settings, point: None, message: None, work: Work::Compact, schema: None })
    }

    fn bookmark(&self, id: &ResponseId, settings: &Settings) -> Result<Point, String> {
        match self.memory.bookmarks.get(id) {
            Some(point) => Ok(point.clone()),
            None if settings.stored_responses => Ok(Point { history: History::kept_by_server(id.clone()), told: None }),
            None => Err(format!("last_response_id `{id}` is not known in this session")),
        }
    }

    fn start_task(&mut self, submission: Submission, start: Result<Prepared, String>, out: &mut Vec<Effect>) {
        let prepared = match start {
            Ok(prepared) => prepared,
            Err(message) => return self.answer_error(&submission.id, message, out),
        };
        if self.running.is_some() {
            self.stop_task(AbortReason::Replaced, out);
            self.waiting.push_front(Ok(submission));
            return;
        }
        let point = prepared.point.unwrap_or_else(|| self.memory.head.clone());
        let head = told(point, prepared.message, &prepared.settings);
        let task = self.memory.last_task.next();
        if matches!(submission.op, Op::UserTurn(_)) {
            self.record(Record::Overridden(Box::new(prepared.settings.clone())), out);
        }
        let history = head.history.clone();
        self.record(Record::TaskStarted(task, submission.id.clone(), head), out);
        self.running = Some(super::Running {
            task,
            submission: submission.id.clone(),
            stopping: None,
            unheard: Vec::new(),
            crashed: None,
        });
        out.push(Effect::StartTask(Box::new(TaskStart {
            task,
            submission: submission.id,
            session: self.id.clone(),
            settings: Arc::new(Settings { output_schema: prepared.schema, ..prepared.settings }),
            history,
            work: prepared.work,
            first_turn: self.memory.last_turn.next(),
            used: self.memory.used,
            seed: seed_of(self.seed, task),
        })));
    }

    fn steer(&mut self, id: SubmissionId, task: &str, input: Vec<UserInput>, out: &mut Vec<Effect>) {
        let message = match message_of(&input, &self.read_for(&id)) {
            Ok(message) => message,
            Err(why) => return self.answer_error(&id, why, out),
        };
        match self.running.as_mut().filter(|running| running.submission.as_str() == task) {
            Some(running) => {
                running.unheard.push(id.clone());
                out.push(Effect::SteerTask(Steering { id, input, message }));
            }
            None => self.answer_error(&id, format!("task `{task}` does not run"), out),
        }
    }

    fn decide(
        &mut self,
        id: &SubmissionId,
        kind: Kind,
        (task, call_id): (&str, Option<&CallId>),
        decision: ReviewDecision,
        out: &mut Vec<Effect>,
    ) {
        match self.approvals.resolve(kind, task, call_id, decision) {
            Resolution::Settled(calls, answer) => out.extend(calls.into_iter().map(|c| Effect::Answer(c, answer))),
            Resolution::Abort => self.stop_task(AbortReason::Interrupted, out),
            Resolution::Unknown => {
                let call = call_id.map_or_else(String::new, |c| format!(" and call `{c}`"));
                let of = if kind == Kind::Patch { " of a patch" } else { "" };
                self.answer_error(id, format!("no approval{of} is open for `{task}`{call}"), out);
            }
        }
    }

    fn refuse_used(&self, id: &SubmissionId, out: &mut Vec<Effect>) {
        self.answer_error(id, used(id), out);
    }
}

/// A task that can start.
struct Prepared {
    settings: Settings,
    point: Option<Point>,
    message: Option<ResponseItem>,
    work: Work,
    schema: Option<Arc<serde_json::Value>>,
}

/// The conversation with a message of the user, and what the model must know before it.
fn told(point: Point, message: Option<ResponseItem>, settings: &Settings) -> Point {
    let Some(message) = message else {
        return point;
    };
    let mut items = match &point.told {
        None => context::initial_items(settings),
        Some(before) => context::changed_environment(settings, before).into_iter().collect(),
    };
    items.push(message);
    Point { history: point.history.with(items, None), told: Some(Arc::new(settings.clone())) }
}

fn used(id: &SubmissionId) -> String {
    format!("submission id `{id}` was used before: every task needs an id of its own")
}

fn message_of(items: &[UserInput], from_disk: &FromDisk) -> Result<ResponseItem, String> {
    if items.is_empty() {
        return Err("user input has no items".into());
    }
    let part = |item: &UserInput| match item {
        UserInput::Text { text } => ContentPart::Text(text.clone()),
        UserInput::Image { image_url } => ContentPart::Image { url: image_url.clone() },
        UserInput::LocalImage { path } => match from_disk.image(path) {
            Ok(url) => ContentPart::Image { url },
            Err(text) => ContentPart::Text(text),
        },
    };
    let parts: Vec<_> = items.iter().map(part).collect();
    Ok(ResponseItem::user_message(&parts))
}
