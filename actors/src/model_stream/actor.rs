use super::{CloseStream, ModelEnded, ModelRequest, ModelSaid, Transport, pump};
use crate::{
    flow::Credits,
    supervise::{Tether, crash_point},
};
use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, WeakRecipient, WrapFuture};
use llmx_protocol::ids::Attempt;
use std::sync::Arc;

/// One try. Child of a Turn, which learns from [`ModelEnded`] how it went and from `ChildExited` that the connection
/// is closed.
pub struct ModelStream {
    /// The number of this try.
    pub attempt: Attempt,
    /// What to ask; taken when it starts.
    pub request: Option<ModelRequest>,
    /// The way to the model.
    pub transport: Arc<dyn Transport>,
    /// Of the session's pool for what models say.
    pub credits: Credits,
    /// The turn.
    pub said: WeakRecipient<ModelSaid>,
    /// The turn.
    pub ended: WeakRecipient<ModelEnded>,
    /// Ends with the turn.
    pub tether: Tether,
}

impl Actor for ModelStream {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.tether.clone().hold(context, self);
        let Some(request) = self.request.take() else {
            return context.stop();
        };
        let sink = pump::Sink { attempt: self.attempt, turn: self.said.clone(), credits: self.credits.clone() };
        let pump = pump::run(self.transport.clone(), request, sink);
        context.spawn(pump.into_actor(self).map(|how, stream: &mut Self, context: &mut Context<Self>| {
            crash_point::<Self>(&"Ended");
            if let Some(turn) = stream.ended.upgrade() {
                turn.do_send(ModelEnded { attempt: stream.attempt, how });
            }
            context.stop();
        }));
    }
}

impl Handler<CloseStream> for ModelStream {
    type Result = ();

    /// The pump, and with it the connection, is dropped before the turn is told that this actor is gone.
    fn handle(&mut self, _: CloseStream, context: &mut Context<Self>) {
        crash_point::<Self>(&"CloseStream");
        context.stop();
    }
}
