mod thread;
mod unwritten;

use super::{
    Adopt, Attach, Attached, Close, Events, JournalFailed, Publish, Recall, Remember, ReportTo, Rest, Seal, Subscriber,
    Written,
    messages::NotDurable,
    scribe::{Held, Scribe, Writing},
    subscribers::Subscribers,
};
use crate::{
    flow::Credit,
    journal::Appended,
    message_history::MessageHistory,
    supervise::{Tether, crash_point},
    threads::{Journal, ThreadOrigin},
};
use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, MessageResult, WeakRecipient};
use llmx_protocol::{
    ids::{SessionId, SubmissionId},
    journal::{LineWriter, Restored},
    machine::{
        gate::{Gate, Origin},
        session::{Memory, SessionEnd},
    },
    wire::event::EventMsg,
};
use std::{mem, sync::Arc, time::Duration};

/// What an outbox is made of.
pub struct OutboxParts {
    /// The thread that it speaks for.
    pub thread: SessionId,
    /// When that began, since the beginning of 1970.
    pub started: Duration,
    /// Who starts threads.
    pub origin: ThreadOrigin,
    /// What the user typed, in all sessions.
    pub history: Option<Arc<MessageHistory>>,
    /// The first subscriber.
    pub subscriber: Box<dyn Subscriber>,
    /// Ends with the engine.
    pub tether: Tether,
}

/// Numbers and fans out a session's events, each when it is journalled; holds the session's memory, which outlives the
/// session's actor. Child of the Engine, on the session's arbiter.
pub struct Outbox {
    parts: Parts,
    gate: Gate,
    seq: u64,
    /// The last number that was handed out.
    published: u64,
    memory: Memory,
    sealed: bool,
    closing: Option<SessionEnd>,
    /// To let go of everything as soon as it is written.
    resting: bool,
    writing: Option<Writing>,
    history: Option<Arc<MessageHistory>>,
    subscribers: Subscribers,
    scribe: Option<Scribe>,
    session: Option<WeakRecipient<JournalFailed>>,
    /// Wait until what was said before them is out.
    arriving: Vec<Attach>,
}

struct Parts {
    thread: SessionId,
    started: Duration,
    origin: ThreadOrigin,
    tether: Tether,
}

impl Outbox {
    /// An outbox that has said nothing yet; `journal`: where the thread is kept, if it is.
    #[must_use]
    pub fn new(parts: OutboxParts, journal: Option<(Box<dyn Journal>, Writing)>) -> Self {
        let mut subscribers = Subscribers::default();
        subscribers.add(parts.subscriber);
        let OutboxParts { thread, started, origin, history, tether, .. } = parts;
        Self {
            parts: Parts { thread, started, origin, tether },
            gate: Gate::default(),
            seq: 0,
            published: 0,
            memory: Memory::default(),
            sealed: false,
            closing: None,
            resting: false,
            writing: journal.as_ref().map(|(_, writing)| writing.clone()),
            history,
            subscribers,
            scribe: journal.map(|(journal, writing)| Scribe::new(journal, writing)),
            session: None,
            arriving: Vec::new(),
        }
    }

    /// The outbox of a thread that goes on.
    #[must_use]
    pub fn resumed(parts: OutboxParts, restored: &Restored, journal: Box<dyn Journal>, writing: Writing) -> Self {
        let writer = LineWriter::after(restored.written.clone(), restored.meta.instructions.clone());
        Self {
            gate: restored.gate.clone(),
            seq: restored.seq,
            published: restored.seq,
            memory: restored.memory.clone(),
            scribe: Some(Scribe::resumed(journal, writing.clone(), writer, restored.seq)),
            writing: Some(writing),
            ..Self::new(parts, None)
        }
    }

    fn publish(&mut self, Publish { origin, id, mut msgs, credit }: Publish, outbox: Addr<Self>) {
        if let Some(why) = self.failure() {
            return self.publish_failure(origin, &id, &msgs, &why);
        }
        let gate = self.gate.clone();
        msgs.retain(|msg| self.gate.admits(origin, msg));
        if msgs.is_empty() {
            return;
        }
        self.say_where(&mut msgs);
        let first = self.seq + 1;
        self.seq += msgs.len() as u64;
        let scribe = self.scribe.as_mut().filter(|scribe| scribe.has_begun() && !scribe.may_pass(&msgs, self.seq));
        let events = Arc::new(Events::new(id, first, msgs));
        match scribe {
            None => self.deliver(&events, credit),
            Some(scribe) => {
                scribe.hold(Held { origin, events, credit }, &gate);
                self.write(outbox);
            }
        }
    }

    /// The session does not know where it is kept.
    fn say_where(&self, msgs: &mut [EventMsg]) {
        for msg in msgs {
            if let EventMsg::SessionConfigured(configured) = msg {
                configured.rollout_path = self.scribe.as_ref().and_then(Scribe::path).cloned();
                let history = self.history.as_ref().map(|history| history.extent());
                (configured.history_log_id, configured.history_entry_count) = history.unwrap_or_default();
            }
        }
    }

    fn deliver(&mut self, events: &Arc<Events>, credit: Option<Credit>) {
        self.published = events.iter().last().map_or(self.published, |(seq, _)| seq);
        self.subscribers.deliver(events, credit);
    }

    fn write(&mut self, outbox: Addr<Self>) {
        if let Some(scribe) = &mut self.scribe {
            scribe.write(&self.gate, self.seq, move |appended| outbox.do_send(Written(appended)));
        }
    }

    fn written(&mut self, Appended { journal, lines, result }: Appended, outbox: Addr<Self>) {
        let Some(scribe) = &mut self.scribe else {
            return;
        };
        match result {
            Ok(()) => {
                let not_durable_to = outbox.downgrade();
                let batch = scribe.written(journal, move |error| {
                    if let Some(outbox) = not_durable_to.upgrade() {
                        outbox.do_send(NotDurable(error));
                    }
                });
                for held in batch.into_iter().flat_map(|batch| batch.held) {
                    self.deliver(&held.events, held.credit);
                }
                self.write(outbox);
            }
            Err(error) => {
                let lost = scribe.not_written(journal, lines, error.to_string());
                self.not_written(lost);
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.scribe.as_ref().is_none_or(Scribe::is_idle)
    }

    /// Does what had to wait until everything that was said is out.
    fn catch_up(&mut self, context: &mut Context<Self>) {
        if !self.is_idle() {
            return;
        }
        for Attach { subscriber, open, attached } in mem::take(&mut self.arriving) {
            self.subscribers.add(subscriber);
            let _ = attached.send(Attached { thread: self.parts.thread.clone(), seq: self.published, open });
        }
        if mem::take(&mut self.resting) && self.scribe.as_ref().is_some_and(Scribe::has_written_everything) {
            self.let_go();
        }
        if let Some(end) = self.closing.take() {
            self.subscribers.close(&end);
            context.stop();
        }
    }
}

impl Actor for Outbox {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.parts.tether.clone().hold(context, self);
    }
}

impl Handler<Publish> for Outbox {
    type Result = ();

    fn handle(&mut self, publish: Publish, context: &mut Context<Self>) {
        crash_point::<Self>(&"Publish");
        if !self.sealed {
            self.publish(publish, context.address());
        }
    }
}

impl Handler<Remember> for Outbox {
    type Result = ();

    fn handle(&mut self, Remember(record): Remember, context: &mut Context<Self>) {
        crash_point::<Self>(&"Remember");
        self.remember(record);
        self.write(context.address());
    }
}

impl Handler<Written> for Outbox {
    type Result = ();

    fn handle(&mut self, Written(appended): Written, context: &mut Context<Self>) {
        crash_point::<Self>(&"Written");
        self.written(appended, context.address());
        self.catch_up(context);
    }
}

impl Handler<NotDurable> for Outbox {
    type Result = ();

    /// Of a thread that rests nobody can say anything: there is no journal to write it to.
    fn handle(&mut self, NotDurable(error): NotDurable, context: &mut Context<Self>) {
        if self.scribe.is_some() && self.closing.is_none() && !self.sealed {
            let msgs = vec![EventMsg::warning(format!("the thread may not survive a power cut: {error}"))];
            let warning = Publish { origin: Origin::Session, id: SubmissionId::default(), msgs, credit: None };
            self.publish(warning, context.address());
        }
    }
}

impl Handler<Recall> for Outbox {
    type Result = MessageResult<Recall>;

    /// Whoever wants it now wants it to stay.
    fn handle(&mut self, _: Recall, _: &mut Context<Self>) -> MessageResult<Recall> {
        crash_point::<Self>(&"Recall");
        self.resting = false;
        MessageResult(self.memory.clone())
    }
}

impl Handler<ReportTo> for Outbox {
    type Result = ();

    fn handle(&mut self, ReportTo(session): ReportTo, _: &mut Context<Self>) {
        self.session = Some(session);
    }
}

impl Handler<Attach> for Outbox {
    type Result = ();

    fn handle(&mut self, attach: Attach, context: &mut Context<Self>) {
        self.arriving.push(attach);
        self.catch_up(context);
    }
}

impl Handler<Rest> for Outbox {
    type Result = ();

    fn handle(&mut self, _: Rest, context: &mut Context<Self>) {
        self.resting = true;
        if let Some(scribe) = &mut self.scribe {
            scribe.rest(&self.gate, self.seq);
        }
        self.write(context.address());
        self.catch_up(context);
    }
}

impl Handler<Adopt> for Outbox {
    type Result = ();

    fn handle(&mut self, Adopt(opened): Adopt, _: &mut Context<Self>) {
        self.adopt(*opened);
    }
}

impl Handler<Seal> for Outbox {
    type Result = ();

    fn handle(&mut self, _: Seal, _: &mut Context<Self>) {
        self.sealed = true;
    }
}

impl Handler<Close> for Outbox {
    type Result = ();

    fn handle(&mut self, Close(end): Close, context: &mut Context<Self>) {
        crash_point::<Self>(&"Close");
        self.closing = Some(end);
        if let Some(scribe) = &mut self.scribe {
            scribe.rest(&self.gate, self.seq);
        }
        self.write(context.address());
        self.catch_up(context);
    }
}
