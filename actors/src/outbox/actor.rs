use super::{Close, Delivery, Events, Publish, Recall, Remember, Seal, Subscribe, Subscriber};
use crate::supervise::{Tether, crash_point};
use actix::{Actor, ActorContext, Context, Handler, MessageResult};
use llmx_protocol::machine::{gate::Gate, session::Memory};
use std::sync::Arc;

/// Numbers and fans out a session's events; holds the session's memory, which outlives the session's
/// actor. Child of the Engine, on the session's arbiter.
pub struct Outbox {
    gate: Gate,
    seq: u64,
    memory: Memory,
    sealed: bool,
    subscribers: Vec<Box<dyn Subscriber>>,
    tether: Tether,
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
        let first = self.seq + 1;
        self.seq += msgs.len() as u64;
        let delivery = Delivery { events: Arc::new(Events::new(id, first, msgs)), credit };
        self.subscribers.retain_mut(|s| s.deliver(delivery.clone()).is_ok());
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
