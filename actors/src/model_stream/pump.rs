use super::{ModelRequest, ModelSaid, Transport};
use crate::flow::Credits;
use actix::WeakRecipient;
use bytes::Bytes;
use llmx_protocol::{
    ids::Attempt,
    model::{
        event::ModelEvent,
        failure::Failure,
        responses::{DecodeLimits, ResponsesDecoder},
    },
};
use std::{sync::Arc, time::Duration};

/// Where what the model says goes.
pub(super) struct Sink {
    pub(super) attempt: Attempt,
    pub(super) turn: WeakRecipient<ModelSaid>,
    pub(super) credits: Credits,
}

/// Runs one request from its opening to the end of its answer.
pub(super) async fn run(transport: Arc<dyn Transport>, request: ModelRequest, sink: Sink) -> Result<(), Failure> {
    let idle = transport.idle_timeout(&request.settings);
    let mut answer = within(idle, transport.open(request)).await?;
    let mut decoder = ResponsesDecoder::new(DecodeLimits::default());
    loop {
        let chunk = within(idle, answer.next()).await?;
        let mut events = Vec::new();
        let decoded = match &chunk {
            Some(bytes) => decoder.feed(bytes, &mut events),
            None => decoder.finish(&mut events),
        };
        sink.hand_over(events, chunk.as_ref().map_or(0, Bytes::len)).await;
        decoded?;
        if decoder.is_done() {
            if chunk.is_some() {
                answer.leave();
            }
            return Ok(());
        }
    }
}

/// Silence is measured while reading only: a UI that does not read is no fault of the server.
async fn within<T>(idle: Duration, reading: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(idle, reading).await.unwrap_or_else(|_| Err(Failure::idle(idle)))
}

impl Sink {
    /// Waits for the credit first: that is what pauses the socket.
    async fn hand_over(&self, events: Vec<ModelEvent>, bytes: usize) {
        if events.is_empty() {
            return;
        }
        let credit = self.credits.acquire(bytes).await;
        if let Some(turn) = self.turn.upgrade() {
            turn.do_send(ModelSaid { attempt: self.attempt, events, credit });
        }
    }
}
