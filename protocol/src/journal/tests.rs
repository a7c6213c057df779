//! What is written is read again; what is damaged loses itself only.

use super::*;
use crate::{
    history::History,
    ids::{ResponseId, SubmissionId, TaskId, TurnId},
    machine::{
        fixture,
        gate::Origin,
        session::{Memory, Point, Record},
        task::Bookmark,
    },
    model::item::ResponseItem,
    wire::{
        event::EventMsg,
        rollout::{SCHEMA_VERSION, SessionMeta},
        usage::TokenUsage,
    },
};
use proptest::prelude::*;
use std::sync::Arc;

const NOW: &str = "2026-01-02T03:04:05.678Z";

/// A session as its outbox sees it, and its journal.
#[derive(Default)]
struct Session {
    memory: Memory,
    writer: LineWriter,
    journal: Vec<u8>,
    seq: u64,
    gate: crate::machine::gate::Gate,
    published: Vec<(u64, EventMsg)>,
}

impl Session {
    fn begun() -> Self {
        let mut session = Self::default();
        let meta = SessionMeta { id: "thread".into(), schema_version: Some(SCHEMA_VERSION), ..SessionMeta::default() };
        session.writer.meta(&meta, NOW, &mut session.journal);
        session.record(Record::Configured("c".into(), Box::new(fixture::settings())));
        session
    }

    fn record(&mut self, record: Record) {
        self.writer.record(&record, &self.memory, NOW, &mut self.journal);
        self.memory.fold(record);
    }

    fn say(&mut self, id: &SubmissionId, msg: EventMsg) {
        assert!(self.gate.admits(Origin::Task(self.memory.last_task), &msg));
        self.seq += 1;
        LineWriter::event(id, self.seq, &msg, NOW, &mut self.journal);
        self.published.push((self.seq, msg));
    }

    /// A task of so many turns, from a bookmark or the end; one that is cut has no end.
    fn task(&mut self, turns: &[Turn], from: Option<usize>, cut: bool) {
        let bookmarks = self.bookmarks();
        let from = from.filter(|_| !bookmarks.is_empty()).map(|n| &bookmarks[n % bookmarks.len()]);
        let head = from.map_or(&self.memory.head, |id| &self.memory.bookmarks[id]).history.clone();
        let (task, told) = (self.memory.last_task.next(), Some(Arc::new(fixture::settings())));
        let id = SubmissionId::from(format!("u{task}"));
        let mut history = head.with(vec![ResponseItem::message("user", &format!("question {task}"))], None);
        self.record(Record::TaskStarted(task, id.clone(), Point { history: history.clone(), told: told.clone() }));
        self.say(&id, EventMsg::TaskStarted { model_context_window: None });
        for (n, turn) in turns.iter().enumerate() {
            let mut said = vec![ResponseItem::message("assistant", &turn.text)];
            self.say(&id, EventMsg::AgentMessage { message: turn.text.clone(), item_id: None });
            let call_id = format!("call-{n}");
            if turn.calls {
                let json = serde_json::json!({"type": "function_call", "call_id": call_id, "name": "shell", "arguments": "{}"});
                said.push(ResponseItem::from_model(&json.to_string()).unwrap());
            }
            let outputs = turn.calls.then(|| ResponseItem::function_call_output(&call_id.as_str().into(), "out"));
            if cut && n + 1 == turns.len() {
                return;
            }
            let stored = turn.stored.then(|| ResponseId::from(format!("stored-{task}-{n}")));
            history = history.with(said, stored).with(outputs.into_iter().collect(), None);
            let bookmark = ResponseId::from(format!("r-{task}-{n}"));
            let point = Point { history: history.clone(), told: told.clone() };
            self.record(Record::Bookmark(task, Bookmark { id: bookmark.clone(), point, heard: Vec::new() }));
            self.say(&id, EventMsg::TurnComplete { response_id: Some(bookmark) });
        }
        self.say(&id, EventMsg::TaskComplete { last_agent_message: None });
        let used = TokenUsage { total_tokens: 7, ..TokenUsage::default() };
        self.record(Record::TaskEnded { history, next_turn: TurnId(task.0 * 100), used });
    }

    fn compact(&mut self) {
        let task = self.memory.last_task.next();
        let id = SubmissionId::from(format!("u{task}"));
        self.record(Record::TaskStarted(task, id.clone(), self.memory.head.clone()));
        self.say(&id, EventMsg::TaskStarted { model_context_window: None });
        let history = History::default().with(vec![ResponseItem::message("user", "in short")], None);
        self.say(&id, EventMsg::TaskComplete { last_agent_message: None });
        self.record(Record::TaskEnded { history, next_turn: TurnId(task.0 * 100), used: TokenUsage::default() });
    }

    fn bookmarks(&self) -> Vec<ResponseId> {
        let mut ids: Vec<_> = self.memory.bookmarks.keys().cloned().collect();
        ids.sort();
        ids
    }

    fn lines(&self) -> Vec<&[u8]> {
        self.journal.split_inclusive(|b| *b == b'\n').collect()
    }
}

#[derive(Clone, Debug)]
struct Turn {
    text: String,
    calls: bool,
    stored: bool,
}

fn read(journal: &[u8]) -> Restored {
    let defaults = fixture::defaults();
    let mut reader = Reader::new(Some(&defaults));
    let mut offset = 0;
    for line in journal.split_inclusive(|b| *b == b'\n') {
        reader.line(offset, line.strip_suffix(b"\n").unwrap_or(line));
        offset += line.len() as u64;
    }
    reader.finish().unwrap()
}

fn texts(history: &History) -> Vec<String> {
    history.items().iter().map(|item| item.json().to_string()).collect()
}

/// Each call has one output, and each output its call before it.
fn is_paired(history: &History) -> bool {
    let mut open = Vec::new();
    history.items().iter().all(|item| {
        let value: serde_json::Value = serde_json::from_str(item.json()).unwrap();
        let call = value["call_id"].as_str().unwrap_or_default().to_owned();
        match value["type"].as_str() {
            Some("function_call") => {
                open.push(call);
                true
            }
            Some("function_call_output") => match open.iter().position(|c| *c == call) {
                Some(at) => {
                    open.remove(at);
                    true
                }
                None => false,
            },
            _ => true,
        }
    }) && open.is_empty()
}

fn turn() -> impl Strategy<Value = Turn> {
    ("[a-z\u{e9}\n\"]{1,8}", any::<bool>(), any::<bool>()).prop_map(|(text, calls, stored)| Turn {
        text,
        calls,
        stored,
    })
}

#[derive(Clone, Debug)]
enum Step {
    Task(Vec<Turn>, Option<usize>),
    Compact,
}

fn session() -> impl Strategy<Value = (Vec<Step>, Option<Vec<Turn>>)> {
    let task =
        (prop::collection::vec(turn(), 1..4), prop::option::of(0usize..8)).prop_map(|(t, from)| Step::Task(t, from));
    let step = prop_oneof![6 => task, 1 => Just(Step::Compact)];
    (prop::collection::vec(step, 0..6), prop::option::of(prop::collection::vec(turn(), 1..3)))
}

fn played(steps: &[Step], cut: Option<&[Turn]>) -> Session {
    let mut session = Session::begun();
    for step in steps {
        match step {
            Step::Task(turns, from) => session.task(turns, *from, false),
            Step::Compact => session.compact(),
        }
    }
    if let Some(turns) = cut {
        session.task(turns, None, true);
    }
    session
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_journal_is_the_same_conversation((steps, _) in session()) {
        let session = played(&steps, None);
        let restored = read(&session.journal);
        prop_assert!(restored.damage.is_empty(), "{:?}", restored.damage);
        prop_assert_eq!(texts(&restored.memory.head.history), texts(&session.memory.head.history));
        for (id, point) in &session.memory.bookmarks {
            prop_assert_eq!(texts(&restored.memory.bookmarks[id].history), texts(&point.history));
            let prompt = |p: &Point| p.history.prompt(true).previous;
            prop_assert_eq!(prompt(&restored.memory.bookmarks[id]), prompt(point));
        }
        prop_assert_eq!(restored.memory.bookmarks.len(), session.memory.bookmarks.len());
        prop_assert_eq!(restored.memory.last_task, session.memory.last_task);
        prop_assert_eq!(restored.memory.last_turn, session.memory.last_turn);
        prop_assert_eq!(restored.memory.used, session.memory.used);
        let events: Vec<_> = restored.events.iter().map(|e| (e.seq, e.msg.clone())).collect();
        prop_assert_eq!(&events, &session.published);
        prop_assert_eq!(restored.seq, session.seq);
    }

    /// Wherever the engine died, and however often: nothing that was published is lost, and it goes on from there.
    #[test]
    fn a_journal_that_breaks_off_goes_on((steps, cut) in session(), at in any::<prop::sample::Index>(), more in turn()) {
        let session = played(&steps, cut.as_deref());
        let lines = session.lines();
        let first = 2.min(lines.len());
        let until = first + at.index(lines.len() - first + 1);
        let mut journal = lines[..until].concat();
        let mut restored = read(&journal);
        let published = restored.events.len();
        restored.end_interrupted_task("died", NOW, &mut journal);
        prop_assert_eq!(restored.memory.running.as_ref().map(|(t, _)| *t), None::<TaskId>);
        prop_assert!(is_paired(&restored.memory.head.history));
        for said in &session.published[..published] {
            if let EventMsg::AgentMessage { message, .. } = &said.1 && !steps.iter().any(|s| matches!(s, Step::Compact | Step::Task(_, Some(_)))) {
                let shown = ResponseItem::message("assistant", message);
                prop_assert!(texts(&restored.memory.head.history).contains(&shown.json().to_string()));
            }
        }
        let mut next = Session {
            memory: restored.memory.clone(),
            writer: LineWriter::after(restored.written.clone(), None),
            journal,
            seq: restored.seq,
            gate: restored.gate.clone(),
            published: restored.events.iter().map(|e| (e.seq, e.msg.clone())).collect(),
        };
        next.task(&[more], None, false);
        let again = read(&next.journal);
        prop_assert_eq!(texts(&again.memory.head.history), texts(&next.memory.head.history));
        let events: Vec<_> = again.events.iter().map(|e| (e.seq, e.msg.clone())).collect();
        prop_assert_eq!(&events, &next.published);
    }

    #[test]
    fn a_damaged_line_loses_itself_only((steps, cut) in session(), at in any::<prop::sample::Index>(), garbage in "[a-z{}\",]{1,20}") {
        let session = played(&steps, cut.as_deref());
        let lines = session.lines();
        let bad = 1 + at.index(lines.len() - 1);
        let mut journal = Vec::new();
        for (n, line) in lines.iter().enumerate() {
            journal.extend_from_slice(if n == bad { garbage.as_bytes() } else { line.strip_suffix(b"\n").unwrap() });
            journal.push(b'\n');
        }
        let restored = read(&journal);
        let offset: usize = lines[..bad].iter().map(|l| l.len()).sum();
        prop_assert_eq!(restored.damage[0].line, bad as u64 + 1);
        prop_assert_eq!(restored.damage[0].offset, offset as u64);
        prop_assert!(session.published.len() - restored.events.len() <= 1);
        prop_assert!(is_paired(&restored.memory.head.history));
        for point in restored.memory.bookmarks.values() {
            prop_assert!(is_paired(&point.history));
        }
    }
}

#[test]
fn a_torn_end_zeros_and_a_byte_order_mark_are_survived() {
    let mut session = Session::begun();
    session.task(&[Turn { text: "hello".into(), calls: true, stored: false }], None, false);
    let mut journal = b"\xef\xbb\xbf".to_vec();
    journal.extend_from_slice(&session.journal);
    journal.extend_from_slice(b"\0\0\0\0\n{\"timestamp\":\"2026");
    let restored = read(&journal);
    assert_eq!(texts(&restored.memory.head.history), texts(&session.memory.head.history));
    assert_eq!(restored.damage.len(), 1);
}

#[test]
fn a_file_of_another_engine_is_read() {
    let lines = [
        r#"{"timestamp":"2025-09-01T10:00:00.000Z","type":"session_meta","payload":{"id":"old","timestamp":"2025-09-01T10:00:00.000Z","cwd":"/w","originator":"codex_cli_rs","cli_version":"0.1","instructions":null,"source":"cli","model_provider":"here"}}"#,
        r#"{"timestamp":"t","type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}}"#,
        r#"{"timestamp":"t","type":"event_msg","payload":{"type":"user_message","message":"hi","kind":"plain"}}"#,
        r#"{"timestamp":"t","type":"turn_context","payload":{"cwd":"/w","approval_policy":"never","sandbox_policy":{"mode":"read-only"},"model":"m","summary":"auto"}}"#,
        r#"{"timestamp":"t","type":"event_msg","payload":{"type":"never_heard_of","x":1}}"#,
        r#"{"timestamp":"t","type":"response_item","payload":{"type":"function_call","name":"shell","arguments":"{}","call_id":"c"}}"#,
        r#"{"timestamp":"t","type":"response_item","payload":{"type":"ghost_snapshot","ghost_commit":{}}}"#,
        r#"{"timestamp":"t","type":"event_msg","payload":{"type":"agent_message","message":"done"}}"#,
        r#"{"timestamp":"t","type":"event_msg","payload":{"type":"turn_aborted","reason":"interrupted"}}"#,
        r#"{"timestamp":"t","type":"event_msg","payload":{"type":"user_message","message":"again"}}"#,
        r#"{"timestamp":"t","type":"future_line","payload":{}}"#,
    ];
    let mut restored = read(lines.join("\n").as_bytes());
    assert!(restored.damage.is_empty(), "{:?}", restored.damage);
    let names: Vec<_> =
        restored.events.iter().map(|e| format!("{}:{}:{}", e.seq, e.id, fixture::name(&e.msg))).collect();
    let expected = "1:before-1:task_started 2:before-1:user_message 3:before-1:agent_message 4:before-1:turn_aborted 5:before-1:error \
                    6:before-2:task_started 7:before-2:user_message 8:before-2:task_complete";
    assert_eq!(names.join(" "), expected);
    let settings = restored.memory.settings.clone().unwrap();
    assert_eq!((settings.model.as_str(), settings.cwd.to_str()), ("m", Some("/w")));
    assert!(is_paired(&restored.memory.head.history));
    assert!(restored.memory.names_a_task(&"before-2".into()));
    let mut nothing = Vec::new();
    restored.end_interrupted_task("died", NOW, &mut nothing);
    assert!(nothing.is_empty());
}

#[test]
fn what_a_summary_replaced_is_not_written_again() {
    let mut session = Session::begun();
    for n in 0..20 {
        session.task(&[Turn { text: format!("{n}").repeat(50), calls: false, stored: false }], None, false);
    }
    let before = session.journal.len();
    session.compact();
    assert!(session.journal.len() - before < 1500, "{}", session.journal.len() - before);
}
