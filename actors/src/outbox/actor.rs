use super::{Close, Delivery, Publish, Recall, Remember, Seal, Subscribe, Subscriber};
use crate::supervise::{Tether, crash_point};
use actix::{Actor, ActorContext, Context, Handler, MessageResult};
use bytes::Bytes;
use llmx_protocol::{
    ids::SubmissionId,
    machine::{gate::Gate, session::Memory},
    wire::event::EventMsg,
};
use serde::Serialize;

/// Numbers, serializes and fans out a session's events; holds the session's memory, which outlives the session's
/// actor. Child of the Engine, on the session's arbiter.
pub struct Outbox {
    gate: Gate,
    seq: u64,
    memory: Memory,
    sealed: bool,
    subscribers: Vec<Box<dyn Subscriber>>,
    tether: Tether,
}

/// [`Event`](llmx_protocol::wire::event::Event) by reference.
#[derive(Serialize)]
struct EventLine<'a> {
    id: &'a SubmissionId,
    seq: u64,
    msg: &'a EventMsg,
}

impl Outbox {
    /// An outbox that has said nothing yet.
    #[must_use]
    pub fn new(subscriber: Box<dyn Subscriber>, tether: Tether) -> Self {
        Self {
            gate: Gate::default(),
            seq: 0,
            memory: Memory::default(),
            sealed: false,
            subscribers: vec![subscriber],
            tether,
        }
    }

    fn lines(&mut self, id: &SubmissionId, msgs: &[EventMsg]) -> Bytes {
        let mut lines = Vec::with_capacity(128 * msgs.len());
        for msg in msgs {
            self.seq += 1;
            let start = lines.len();
            match serde_json::to_writer(&mut lines, &EventLine { id, seq: self.seq, msg }) {
                Ok(()) => lines.push(b'\n'),
                Err(error) => {
                    tracing::error!(%error, "event cannot be serialized");
                    lines.truncate(start);
                    self.seq -= 1;
                }
            }
        }
        lines.into()
    }
}

impl Actor for Outbox {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.tether.clone().hold(context, self);
    }
}

impl Handler<Publish> for Outbox {
    type Result = ();

    fn handle(&mut self, Publish { origin, id, mut msgs, credit }: Publish, _: &mut Context<Self>) {
        crash_point::<Self>(&"Publish");
        msgs.retain(|msg| self.gate.admits(origin, msg));
        if self.sealed || msgs.is_empty() {
            return;
        }
        let lines = self.lines(&id, &msgs);
        self.subscribers.retain_mut(|s| s.deliver(Delivery { lines: lines.clone(), credit: credit.clone() }).is_ok());
    }
}

impl Handler<Remember> for Outbox {
    type Result = ();

    fn handle(&mut self, Remember(record): Remember, _: &mut Context<Self>) {
        crash_point::<Self>(&"Remember");
        self.memory.fold(record);
    }
}

impl Handler<Recall> for Outbox {
    type Result = MessageResult<Recall>;

    fn handle(&mut self, _: Recall, _: &mut Context<Self>) -> MessageResult<Recall> {
        crash_point::<Self>(&"Recall");
        MessageResult(self.memory.clone())
    }
}

impl Handler<Subscribe> for Outbox {
    type Result = ();

    fn handle(&mut self, Subscribe(subscriber): Subscribe, _: &mut Context<Self>) {
        self.subscribers.push(subscriber);
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
        for subscriber in &mut self.subscribers {
            subscriber.close(&end);
        }
        context.stop();
    }
}
