use super::{ModelRequest, ModelSaid, Transport};
use crate::flow::Credits;
use actix::WeakRecipient;
use bytes::Bytes;
use llmx_protocol::{
    ids::Attempt,
    model::{event::ModelEvent, failure::Failure, responses::DecodeLimits},
};
use std::{sync::Arc, time::Duration};

/// How long the closing words of an answer are waited for once all else was said.
const END_WAIT: Duration = Duration::from_secs(2);

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
    let mut decoder = answer.dialect().decoder(DecodeLimits::default());
    let notice = answer.take_notice().map(ModelEvent::Notice);
    let limits = answer.rate_limits().map(ModelEvent::RateLimits);
    sink.hand_over(notice.into_iter().chain(limits).collect(), 0).await;
    loop {
        let patience = if decoder.lacks_only_its_end() { idle.min(END_WAIT) } else { idle };
        let chunk = within(patience, answer.next()).await;
        let mut events = Vec::new();
        let decoded = match &chunk {
            Ok(Some(bytes)) => decoder.feed(bytes, &mut events),
            // An answer that lacks only its closing words is complete, however its connection ended.
            Ok(None) | Err(_) => decoder.finish(&mut events),
        };
        let bytes = chunk.as_ref().ok().and_then(Option::as_ref).map_or(0, Bytes::len);
        sink.hand_over(events, bytes).await;
        if decoded.is_err() {
            return chunk.and(decoded);
        }
        if decoder.is_done() {
            note_skipped(decoder.skipped_events());
            if let Ok(Some(_)) = chunk {
                answer.leave();
            }
            return Ok(());
        }
    }
}

fn note_skipped(events: u64) {
    if events > 0 {
        tracing::debug!(events, "parts of the model's answer could not be read");
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
