use super::{
    ClientGone, ClientSaid, ConnectionId, ToClient,
    messages::{Admission, Notes},
    sink::{ClientSink, Outgoing},
};
use crate::{
    app_server::{
        AppServer,
        caller::Caller,
        messages::{Asked, Decided, Disconnected},
        unix_millis,
    },
    flow::Credit,
};
use actix::{Actor, ActorContext, AsyncContext, Context, Handler, WeakAddr};
use bytes::Bytes;
use llmx_protocol::machine::connection::{self, Effect, Input, ServerInfo};

/// One client. Child of the AppServer; ends when its client is gone.
pub struct Connection {
    id: ConnectionId,
    machine: connection::Connection,
    server: WeakAddr<AppServer>,
    sink: Box<dyn ClientSink>,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        info: ServerInfo,
        server: WeakAddr<AppServer>,
        sink: Box<dyn ClientSink>,
    ) -> Self {
        Self { id, machine: connection::Connection::new(info), server, sink }
    }

    fn step(&mut self, input: Input<'_>, mut admission: Option<Admission>, context: &mut Context<Self>) {
        for effect in self.machine.apply(input) {
            match effect {
                Effect::Send(line) => {
                    self.send(Bytes::from(line), admission.take().map(Admission::into_credit), context);
                }
                Effect::Call { id, request } => {
                    let caller = Caller::new(self.id, context.address().recipient(), id, admission.take());
                    let originator = self.machine.client().map(|client| client.name.clone()).unwrap_or_default();
                    self.tell_server(Asked { request, caller, originator });
                }
                Effect::Decide { thread, call, decision } => self.tell_server(Decided { thread, call, decision }),
            }
        }
    }

    /// A server that is gone drops what it is told, and with it the callers, who then hear so.
    fn tell_server<M>(&self, message: M)
    where
        M: actix::Message<Result = ()> + Send + 'static,
        AppServer: Handler<M>,
    {
        if let Some(server) = self.server.upgrade() {
            server.do_send(message);
        }
    }

    fn send(&mut self, bytes: Bytes, credit: Option<Credit>, context: &mut Context<Self>) {
        if self.sink.send(Outgoing { bytes, credit }).is_err() {
            self.end(context);
        }
    }

    fn note(&mut self, notes: Notes, context: &mut Context<Self>) {
        if self.machine.client().is_none() {
            return;
        }
        if self.machine.wants_everything() {
            return self.send(notes.lines, notes.credit, context);
        }
        let mut start = 0;
        for (method, end) in notes.parts.iter() {
            if self.machine.wants(method) {
                self.send(notes.lines.slice(start..*end), notes.credit.clone(), context);
            }
            start = *end;
        }
    }

    fn end(&mut self, context: &mut Context<Self>) {
        self.tell_server(Disconnected(self.id));
        context.stop();
    }
}

impl Actor for Connection {
    type Context = Context<Self>;
}

impl Handler<ClientSaid> for Connection {
    type Result = ();

    fn handle(&mut self, ClientSaid { line, admission }: ClientSaid, context: &mut Context<Self>) {
        self.step(Input::Line(line.as_deref().map_err(|error| *error)), Some(admission), context);
    }
}

impl Handler<ClientGone> for Connection {
    type Result = ();

    fn handle(&mut self, _: ClientGone, context: &mut Context<Self>) {
        self.end(context);
    }
}

impl Handler<ToClient> for Connection {
    type Result = ();

    fn handle(&mut self, message: ToClient, context: &mut Context<Self>) {
        match message {
            ToClient::Answer(answer) => self.send(answer.line, answer.credit, context),
            ToClient::Notes(notes) => self.note(notes, context),
            ToClient::Ask { thread, call, request } => {
                self.step(Input::Ask { thread: &thread, call: &call, request: &request }, None, context);
            }
            ToClient::Settled { thread, call } => {
                self.step(Input::Settled { thread: &thread, call: &call, now: unix_millis() }, None, context);
            }
            ToClient::CutOff(why) => {
                self.sink.cut_off(&why);
                self.end(context);
            }
        }
    }
}
