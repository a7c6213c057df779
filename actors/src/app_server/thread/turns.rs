//! What clients say to a thread: turns, one submission at a time and in the order of the queue, and their ends.

use super::{actor::LoadedThread, review};
use crate::app_server::caller::Caller;
use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use llmx_protocol::{
    ids::SubmissionId,
    surface::{Place, TurnKind},
    wire::{
        item::UserInput,
        op::Op,
        rpc::{
            Empty, RpcError, item, method,
            thread::{ReviewStartResponse, ReviewTarget},
            turn::{Turn, TurnInterruptParams, TurnStartParams, TurnStartResponse, TurnSteerParams, TurnSteerResponse},
        },
        submission::Submission,
    },
};

/// What waits to be submitted.
pub(super) enum Queued {
    Turn {
        params: Box<TurnStartParams>,
        /// None if it is said again: then the answer is out and the settings are changed.
        caller: Option<Caller>,
    },
    Steer(SubmissionId, Vec<UserInput>),
    Compact(Caller),
    Review(ReviewTarget, Caller),
}

impl LoadedThread {
    pub(super) fn start_turn(&mut self, params: Box<TurnStartParams>, caller: Caller, context: &mut Context<Self>) {
        if params.input.is_empty() {
            return caller.refuse(&RpcError::invalid_request("input must not be empty"));
        }
        self.enqueue(Queued::Turn { params, caller: Some(caller) }, context);
    }

    pub(super) fn steer(&mut self, params: TurnSteerParams, caller: Caller, context: &mut Context<Self>) {
        if params.input.is_empty() {
            return caller.refuse(&RpcError::invalid_request("input must not be empty"));
        }
        let turn_id = params.expected_turn_id;
        if let Err(error) = self.must_be_live(&turn_id, "no active turn to steer") {
            return caller.refuse(&error);
        }
        if self.surface.listening() != Some(&turn_id) {
            return caller.refuse(&RpcError::invalid_request(format!("turn `{turn_id}` takes no further input")));
        }
        caller.answer(method::TurnSteer, &TurnSteerResponse { turn_id: turn_id.clone() });
        self.enqueue(Queued::Steer(turn_id, wire_input(params.input)), context);
    }

    pub(super) fn interrupt(&mut self, params: &TurnInterruptParams, caller: Caller, context: &mut Context<Self>) {
        if let Err(error) = self.must_be_live(&params.turn_id, "no active turn to interrupt") {
            return caller.refuse(&error);
        }
        caller.answer(method::TurnInterrupt, &Empty {});
        self.surface.interrupted(&params.turn_id);
        self.queue.interrupted(&params.turn_id);
        // Past the queue: what waits there is for later.
        self.submit(new_id(), Op::Interrupt, context, |_, _| {});
    }

    fn must_be_live(&self, turn: &SubmissionId, nothing: &str) -> Result<(), RpcError> {
        if self.surface.is_live(turn) {
            return Ok(());
        }
        Err(RpcError::invalid_request(match self.surface.running() {
            Some(running) => format!("expected active turn id `{turn}` but found `{running}`"),
            None => nothing.to_owned(),
        }))
    }

    pub(super) fn enqueue(&mut self, wanted: Queued, context: &mut Context<Self>) {
        self.queue.push(wanted);
        self.submit_next(context);
    }

    /// The answer goes out first: what the session says of the turn comes after it.
    pub(super) fn submit_next(&mut self, context: &mut Context<Self>) {
        if self.submitting {
            return;
        }
        let Some((place, next)) = self.queue.next(self.surface.running()) else {
            return;
        };
        let (id, op) = match next {
            Queued::Turn { params, caller } => self.turn_op(place, params, caller),
            Queued::Steer(turn, items) => self.steer_op(place, &turn, items, None),
            Queued::Compact(caller) => {
                let id = self.expect_turn(TurnKind::Compaction, &caller);
                caller.answer(method::ThreadCompactStart, &Empty {});
                (id, Op::Compact)
            }
            Queued::Review(target, caller) => self.review_op(&target, caller),
        };
        self.submitting = true;
        self.submit(id, op, context, |thread, context| {
            thread.submitting = false;
            thread.submit_next(context);
        });
    }

    /// A turn that listens hears this, and settings are for the next one; else a turn begins.
    fn turn_op(&mut self, place: Place, params: Box<TurnStartParams>, caller: Option<Caller>) -> (SubmissionId, Op) {
        if caller.is_some() {
            let changed = self.settings.changed_by(&params);
            self.unsaid |= changed != self.settings;
            self.settings = changed;
        }
        let (id, listening) = (new_id(), self.surface.listening().cloned());
        if let Some(caller) = caller {
            let turn = listening.as_ref().unwrap_or(&id).clone();
            self.followers.add(caller.connection, caller.client.clone());
            caller.answer(method::TurnStart, &TurnStartResponse { turn: Turn::asked(turn) });
        }
        if let Some(turn) = listening {
            let items = wire_input(params.input.clone());
            return self.steer_op(place, &turn, items, Some(Queued::Turn { params, caller: None }));
        }
        self.surface.expect(id.clone(), TurnKind::Conversation);
        self.unsaid = false;
        (id, self.settings.user_turn(wire_input(params.input), params.output_schema))
    }

    fn steer_op(
        &mut self,
        place: Place,
        turn: &SubmissionId,
        items: Vec<UserInput>,
        again: Option<Queued>,
    ) -> (SubmissionId, Op) {
        let id = new_id();
        self.queue.said(id.clone(), turn.clone(), place, again);
        (id, Op::Steer { id: turn.as_str().to_owned(), items })
    }

    /// Whoever starts a turn follows it.
    fn expect_turn(&mut self, kind: TurnKind, caller: &Caller) -> SubmissionId {
        let id = new_id();
        self.surface.expect(id.clone(), kind);
        self.followers.add(caller.connection, caller.client.clone());
        id
    }

    fn review_op(&mut self, target: &ReviewTarget, caller: Caller) -> (SubmissionId, Op) {
        let id = self.expect_turn(TurnKind::Conversation, &caller);
        let turn = Turn::asked(id.clone());
        let response = ReviewStartResponse { turn, review_thread_id: self.facts.id.clone() };
        caller.answer(method::ReviewStart, &response);
        self.unsaid = false;
        (id, self.settings.user_turn(vec![UserInput::Text { text: review::prompt(target) }], None))
    }

    pub(super) fn submit(
        &mut self,
        id: SubmissionId,
        op: Op,
        context: &mut Context<Self>,
        then: impl FnOnce(&mut Self, &mut Context<Self>) + 'static,
    ) {
        let Some(session) = self.session.clone() else {
            return;
        };
        self.stay.session_wakes();
        let submitting = async move { session.submit(Ok(Submission { id, op })).await };
        context.spawn(submitting.into_actor(self).map(|_, thread, context| then(thread, context)));
    }
}

fn wire_input(input: Vec<item::UserInput>) -> Vec<UserInput> {
    input.into_iter().map(Into::into).collect()
}

pub(super) fn new_id() -> SubmissionId {
    SubmissionId::from(uuid::Uuid::now_v7().to_string())
}
