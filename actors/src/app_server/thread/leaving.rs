//! How a thread goes that nobody needs: [`Stay`](llmx_protocol::surface::Stay) says when.

use super::{
    actor::LoadedThread,
    messages::{MayGo, Rests},
    turns::new_id,
};
use crate::app_server::messages::{ThreadIdle, ThreadOver, ThreadStays};
use actix::{ActorContext, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};

impl LoadedThread {
    /// By someone who follows it or is about to, or for what is under way.
    fn is_needed(&self) -> bool {
        !self.followers.nobody()
            || self.joining > 0
            || self.submitting
            || !self.queue.is_empty()
            || self.surface.is_busy()
            || self.starting.is_some()
    }

    /// To be called when something that it was needed for may be over.
    pub(super) fn ask_to_go(&mut self) {
        if self.stay.asks(self.is_needed())
            && let Some(server) = self.server.upgrade()
        {
            server.do_send(ThreadIdle(self.facts.id.clone()));
        }
    }

    fn go(&self, context: &mut Context<Self>) {
        let (Some(session), id) = (self.session.clone(), self.facts.id.clone()) else {
            return;
        };
        let leaving = async move {
            // One that is closed already is what is wanted.
            let _ = session.leave().await;
            session.closed().await;
        };
        context.spawn(leaving.into_actor(self).map(move |(), thread, context| {
            if let Some(server) = thread.server.upgrade() {
                server.do_send(ThreadOver(id));
            }
            context.stop();
        }));
    }
}

impl Handler<Rests> for LoadedThread {
    type Result = ();

    fn handle(&mut self, _: Rests, context: &mut Context<Self>) {
        self.stay.session_rests();
        // Settings for the next turn that came while one ran: the thread is to go on under them, whoever loads it then.
        if std::mem::take(&mut self.unsaid) {
            let op = self.settings.override_op();
            self.submit(new_id(), op, context, |_, _| {});
        }
        self.ask_to_go();
    }
}

impl Handler<MayGo> for LoadedThread {
    type Result = ();

    fn handle(&mut self, _: MayGo, context: &mut Context<Self>) {
        if self.stay.may_go(self.is_needed()) {
            return self.go(context);
        }
        if let Some(server) = self.server.upgrade() {
            server.do_send(ThreadStays(self.facts.id.clone()));
        }
        self.ask_to_go();
    }
}
