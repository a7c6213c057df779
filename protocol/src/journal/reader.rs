//! Lines, read again. A line that is damaged loses what it said and nothing else.

use super::{
    foreign::Foreign,
    interrupted::Unfinished,
    pieces::Pieces,
    settings::{context_of, restored, with_context},
    timestamp::parse_timestamp,
    writer::LineWriter,
};
use crate::{
    history::History,
    ids::{TaskId, TurnId},
    local_files::Wanted,
    machine::{
        gate::{Gate, Origin},
        session::{Memory, Point, Record},
        settings::{Defaults, Settings},
        task::Bookmark,
    },
    model::item::ResponseItem,
    wire::{
        event::{Event, EventMsg},
        op::ConfigureSession,
        rollout::{
            BookmarkLine, Compacted, Configured, ConversationFrom, Numbers, RolloutLine, SessionMeta, TaskEndLine,
            TaskLine, TurnContext,
        },
    },
};
use serde::Deserialize;
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

/// A line that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Its number, counted from 1.
    pub line: u64,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} (byte {}): {}", self.line, self.offset, self.why)
    }
}

/// What a journal holds.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What thread it is.
    pub meta: SessionMeta,
    /// What its session remembers. A task that had no end is still its running one.
    pub memory: Memory,
    /// The part of the conversation that is written item by item: the memory may know more.
    pub written: History,
    /// What may still be said.
    pub gate: Gate,
    /// The last number that may have been handed out.
    pub seq: u64,
    /// What was published, in order.
    pub events: Vec<Event>,
    /// When events were written, by their numbers, since the beginning of 1970; only those of which it is known.
    pub times: BTreeMap<u64, Duration>,
    /// What was last configured, and why it cannot be had, where it cannot: then the session must be configured again.
    pub unconfigurable: Option<String>,
    /// The event that ended the task that was cut.
    pub closing: Option<Event>,
    /// What could not be read.
    pub damage: Vec<Damage>,
    /// When its last line was written, since the beginning of 1970.
    pub last_written: Option<Duration>,
}

impl Restored {
    /// Ends the task that had no end, with an `error` that says `why`; writes the lines that say so. Nothing if there is
    /// none.
    pub fn end_interrupted_task(&mut self, why: &str, now: &str, out: &mut Vec<u8>) {
        let Some((task, id)) = self.memory.running.clone() else {
            return;
        };
        let msg = EventMsg::error(why);
        if self.gate.admits(Origin::Task(task), &msg) {
            self.seq += 1;
            LineWriter::event(&id, self.seq, &msg, now, out);
            let event = Event { id, seq: self.seq, msg };
            self.closing = Some(event.clone());
            self.events.push(event);
            self.times.extend(parse_timestamp(now).map(|now| (self.seq, now)));
        }
        let lost = Record::TaskLost;
        LineWriter::default().record(&lost, &self.memory, now, out);
        self.memory.fold(lost);
    }
}

/// Reads a journal line by line.
#[derive(Debug)]
pub struct Reader<'d> {
    defaults: Option<&'d Defaults>,
    meta: Option<SessionMeta>,
    memory: Memory,
    unconfigurable: Option<String>,
    told: Option<Arc<Settings>>,
    pieces: Pieces,
    unfinished: Unfinished,
    gate: Gate,
    foreign: Option<Foreign>,
    events: Vec<Event>,
    times: BTreeMap<u64, Duration>,
    seq: u64,
    reserved: u64,
    lines: u64,
    damage: Vec<Damage>,
    last_written: Option<Duration>,
}

impl<'d> Reader<'d> {
    /// A reader that has read nothing. `defaults`: what settings are made from that are not written down; without them
    /// settings are not restored, which is enough for those who only want to look.
    #[must_use]
    pub fn new(defaults: Option<&'d Defaults>) -> Self {
        Self {
            defaults,
            meta: None,
            memory: Memory::default(),
            unconfigurable: None,
            told: None,
            pieces: Pieces::default(),
            unfinished: Unfinished::default(),
            gate: Gate::default(),
            foreign: None,
            events: Vec::new(),
            times: BTreeMap::new(),
            seq: 0,
            reserved: 0,
            lines: 0,
            damage: Vec::new(),
            last_written: None,
        }
    }

    /// Takes the next line, without its newline, and where it begins.
    pub fn line(&mut self, offset: u64, bytes: &[u8]) {
        self.lines += 1;
        let bytes = trimmed(bytes);
        if bytes.is_empty() {
            return;
        }
        if let Err(why) = self.read(bytes) {
            self.damage.push(Damage { line: self.lines, offset, why });
        }
    }

    /// Reports a line that could not even be fetched.
    pub fn lost(&mut self, offset: u64, why: String) {
        self.lines += 1;
        self.damage.push(Damage { line: self.lines, offset, why });
    }

    /// What was read; `None` if no line says what thread it is.
    #[must_use]
    pub fn finish(mut self) -> Option<Restored> {
        if let Some(foreign) = self.foreign.take() {
            self.end_foreign(foreign);
        }
        let meta = self.meta?;
        let is_cut = self.pieces.has_unfinished_piece();
        self.pieces.end_piece();
        let written = self.pieces.history();
        self.pieces.close_calls();
        if !is_cut {
            self.pieces.add(self.unfinished.items());
        }
        self.pieces.end_piece();
        self.memory.head.history = self.pieces.history();
        if self.unfinished.is_over() {
            self.memory.fold(Record::TaskLost);
        }
        Some(Restored {
            meta,
            memory: self.memory,
            written,
            gate: self.gate,
            seq: self.seq.max(self.reserved),
            events: self.events,
            times: self.times,
            unconfigurable: self.unconfigurable,
            closing: None,
            damage: self.damage,
            last_written: self.last_written,
        })
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
        let line: RolloutLine<'_> = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if let Some(time) = parse_timestamp(&line.timestamp) {
            self.last_written = Some(time);
        }
        let payload = line.payload.get();
        match &*line.kind {
            "session_meta" => self.meta(parse(payload)?),
            "event_msg" => self.event(&line, parse(payload)?),
            "response_item" => self.pieces.item(ResponseItem::from_model(payload).map_err(|e| e.to_string())?),
            "turn_context" => self.turn_context(parse(payload)?),
            "compacted" => self.compacted(&parse(payload)?)?,
            "configured" => self.configured(parse(payload)?),
            "settings_changed" => self.settings_changed(parse(payload)?),
            "task_started" => self.task_started(parse(payload)?),
            "response_end" => self.pieces.end_counted_piece(parse(payload)?),
            "bookmark" => self.bookmark(parse(payload)?),
            "conversation" => self.conversation(parse(payload)?)?,
            "task_ended" => self.task_ended(&parse(payload)?),
            "task_lost" => self.memory.fold(Record::TaskLost),
            "numbers" => self.reserved = parse::<Numbers>(payload)?.up_to,
            // Written by an engine that knows more.
            _ => {}
        }
        Ok(())
    }

    /// The first says what thread it is; a fork of another engine holds that of its origin too.
    fn meta(&mut self, meta: SessionMeta) {
        if self.meta.is_none() {
            if meta.schema_version.is_none() {
                self.foreign = Some(Foreign::default());
            }
            self.meta = Some(meta);
        }
    }

    fn event(&mut self, line: &RolloutLine<'_>, msg: EventMsg) {
        if msg == EventMsg::Unknown {
            return;
        }
        if let (Some(id), Some(seq)) = (&line.id, line.seq) {
            self.native();
            let event = Event { id: id.clone(), seq, msg };
            let running = self.memory.running.as_ref().filter(|(_, submission)| *submission == event.id);
            if let Some((task, _)) = running {
                self.unfinished.event(&event.msg);
                // Says nothing new: it was let through when it was published.
                let _ = self.gate.admits(Origin::Task(*task), &event.msg);
            }
            self.take_back_from(seq);
            self.seq = self.seq.max(seq);
            self.events.push(self.of_this_thread(event));
        } else if let Some(foreign) = &mut self.foreign {
            foreign.event(msg, &mut self.events);
        }
        self.time_the_new_ones(parse_timestamp(&line.timestamp));
    }

    /// The end of a task that another engine did not write down was when it was last heard of.
    fn time_the_new_ones(&mut self, now: Option<Duration>) {
        let last = self.times.last_key_value().map(|(seq, time)| (*seq, *time));
        let is_new = |event: &&Event| last.is_none_or(|(seq, _)| event.seq > seq);
        for event in self.events.iter().rev().take_while(is_new) {
            let is_guessed = self.foreign.is_some() && matches!(event.msg, EventMsg::TaskComplete { .. });
            let time = if is_guessed { last.map(|(_, time)| time) } else { now };
            self.times.extend(time.map(|time| (event.seq, time)));
        }
    }

    /// A number that comes again: what had it before could not be written in full, and was never handed out.
    fn take_back_from(&mut self, seq: u64) {
        let valid = self.events.iter().rposition(|event| event.seq < seq).map_or(0, |last| last + 1);
        self.events.truncate(valid);
        self.times.split_off(&seq);
    }

    /// A fork holds events of its origin.
    fn of_this_thread(&self, mut event: Event) -> Event {
        if let (EventMsg::ItemStarted(item) | EventMsg::ItemCompleted(item), Some(meta)) = (&mut event.msg, &self.meta)
        {
            item.thread_id = meta.id.clone();
        }
        event
    }

    /// From here on llmx wrote; what was before is closed.
    fn native(&mut self) {
        if let Some(foreign) = self.foreign.take() {
            self.end_foreign(foreign);
        }
    }

    fn end_foreign(&mut self, mut foreign: Foreign) {
        foreign.end(&mut self.events);
        let last = self.times.last_key_value().map(|(_, time)| *time);
        self.time_the_new_ones(last);
        self.seq = self.events.last().map_or(0, |event| event.seq);
        self.memory.last_task = TaskId(foreign.tasks());
        self.memory.last_turn = TurnId(foreign.tasks());
        self.memory.used = foreign.used();
        for id in foreign.names() {
            self.memory.take_name(id);
        }
        self.gate = Gate::after(self.memory.last_task);
        self.memory.head = self.point();
    }

    /// The conversation up to here, every call with its output.
    fn point(&mut self) -> Point {
        self.pieces.close_calls();
        self.pieces.end_piece();
        self.unfinished = Unfinished::default();
        Point { history: self.pieces.history(), told: self.told.clone() }
    }

    fn configured(&mut self, line: Configured) {
        self.native();
        let instructions = line.user_instructions.or_else(|| self.meta.as_ref()?.instructions.clone());
        let Some(defaults) = self.defaults else {
            return;
        };
        match restored(&line.op, instructions, defaults) {
            Ok(settings) => {
                self.unconfigurable = None;
                self.memory.fold(Record::Configured(line.by, Box::new(settings)));
            }
            Err(why) => {
                self.memory.settings = None;
                self.unconfigurable = Some(why);
            }
        }
    }

    fn settings_changed(&mut self, context: TurnContext) {
        if let Some(settings) = &self.memory.settings {
            self.memory.fold(Record::Overridden(Box::new(with_context(settings, context))));
        }
    }

    /// What the model is told; where another engine wrote, also all that is known of the settings.
    fn turn_context(&mut self, context: TurnContext) {
        if self.foreign.is_some() {
            self.foreign_settings(&context);
        }
        let Some(settings) = &self.memory.settings else {
            return;
        };
        if self.told.as_ref().is_none_or(|told| context_of(told) != context) {
            self.told = Some(Arc::new(with_context(settings, context)));
        }
    }

    fn foreign_settings(&mut self, context: &TurnContext) {
        if let Some(settings) = &mut self.memory.settings {
            *settings = with_context(settings, context.clone());
        } else if let Some(defaults) = self.defaults {
            let model_provider = self.meta.as_ref().and_then(|meta| meta.model_provider.clone());
            let cwd = Some(context.cwd.clone());
            let op = ConfigureSession { cwd, model_provider, ..ConfigureSession::default() };
            let wanted = Wanted::by_session(&op, defaults);
            let from_disk = wanted.map(|wanted| wanted.read(&*defaults.files)).unwrap_or_default();
            match Settings::configure(&op, defaults, &from_disk) {
                Ok(settings) => self.memory.settings = Some(with_context(&settings, context.clone())),
                Err(why) => self.unconfigurable = Some(why),
            }
        }
    }

    fn task_started(&mut self, line: TaskLine) {
        self.native();
        let head = self.point();
        self.memory.fold(Record::TaskStarted(TaskId(line.task), line.id, head));
    }

    fn bookmark(&mut self, line: BookmarkLine) {
        let bookmark = Bookmark { id: line.response_id, point: self.point(), heard: Vec::new() };
        self.memory.fold(Record::Bookmark(TaskId(line.task), bookmark));
    }

    fn task_ended(&mut self, line: &TaskEndLine) {
        let (history, next_turn) = (self.point().history, TurnId(line.next_turn));
        self.memory.fold(Record::TaskEnded { history, next_turn, used: line.used });
    }

    fn conversation(&mut self, from: ConversationFrom) -> Result<(), String> {
        let history = match from {
            ConversationFrom::Start => History::default(),
            ConversationFrom::Server { response_id } => History::kept_by_server(response_id),
            ConversationFrom::Bookmark { response_id } => match self.memory.bookmarks.get(&response_id) {
                Some(point) => point.history.clone(),
                None => return Err(format!("the conversation goes on from `{response_id}`, which is not here")),
            },
        };
        self.pieces.restart_at(history);
        Ok(())
    }

    fn compacted(&mut self, line: &Compacted<'_>) -> Result<(), String> {
        match &line.replacement_history {
            None => self.pieces.summed_up(&line.message),
            Some(items) => {
                let items: Result<Vec<_>, _> = items.iter().map(|item| ResponseItem::from_model(item.get())).collect();
                self.pieces.restart_at(History::default().with(items.map_err(|e| e.to_string())?, None));
            }
        }
        Ok(())
    }
}

fn parse<'l, T: Deserialize<'l>>(payload: &'l str) -> Result<T, String> {
    serde_json::from_str(payload).map_err(|e| e.to_string())
}

/// Editors leave byte order marks, and file systems that lost power leave zeros.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let from = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    bytes[from..].trim_ascii()
}
