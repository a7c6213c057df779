//! Between whoever tells a client something and the socket: what is not written yet.

use super::wire::{Goodbye, Writer};
use crate::outgoing::{Batch, Line};
use llmx_actors::{
    app_server::{ClientSink, Outgoing},
    outbox::{Delivery, Gone, Subscriber},
};
use llmx_protocol::machine::session::SessionEnd;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::{mpsc, oneshot};

/// A client that leaves more than this unread is cut off, in bytes. What threads say is held back long before, by its
/// credits; this is for what has none.
const MOST_UNREAD: usize = 64 * 1024 * 1024;

/// Where lines are put.
pub(super) struct Sink {
    to: mpsc::UnboundedSender<Line>,
    unread: Arc<AtomicUsize>,
    /// Told why the client was cut off; only dropped with this, if it was not.
    gone: Option<oneshot::Sender<Goodbye>>,
}

/// Where they are taken from.
pub(super) struct Queue {
    lines: mpsc::UnboundedReceiver<Line>,
    unread: Arc<AtomicUsize>,
}

/// Resolves when nobody tells the client anything any more; to an error unless it was cut off.
pub(super) type SinkGone = oneshot::Receiver<Goodbye>;

pub(super) fn queue() -> (Sink, Queue, SinkGone) {
    let (to, lines) = mpsc::unbounded_channel();
    let (gone, told) = oneshot::channel();
    let unread = Arc::new(AtomicUsize::new(0));
    (Sink { to, unread: unread.clone(), gone: Some(gone) }, Queue { lines, unread }, told)
}

impl ClientSink for Sink {
    fn send(&mut self, outgoing: Outgoing) -> Result<(), Gone> {
        // Whatever its own size, one that has read everything gets it.
        if self.unread.fetch_add(outgoing.bytes.len(), Ordering::Relaxed) > MOST_UNREAD {
            ClientSink::cut_off(self, "it leaves too much unread");
            return Err(Gone);
        }
        self.to.send(Line::Told(outgoing)).map_err(|_| Gone)
    }

    fn cut_off(&mut self, why: &str) {
        tracing::warn!(why, "a client was cut off");
        if let Some(gone) = self.gone.take() {
            let _ = gone.send(Goodbye::TooSlow);
        }
    }
}

impl Subscriber for Sink {
    fn deliver(&mut self, delivery: Delivery) -> Result<(), Gone> {
        self.to.send(Line::Events(delivery)).map_err(|_| Gone)
    }

    fn close(&mut self, _: &SessionEnd) {
        let _ = self.to.send(Line::End);
    }
}

impl Queue {
    /// Writes until nothing can follow any more.
    pub(super) async fn write_to(mut self, writer: &mut Writer) -> io::Result<()> {
        while let Some(first) = self.lines.recv().await {
            let batch = Batch::gather(first, || self.lines.try_recv().ok());
            writer.write(&batch).await?;
            let size: usize = batch.chunks.iter().map(|chunk| chunk.bytes().len()).sum();
            // Of events nobody counts.
            let _ =
                self.unread.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| Some(now.saturating_sub(size)));
            if batch.last {
                break;
            }
        }
        Ok(())
    }
}
