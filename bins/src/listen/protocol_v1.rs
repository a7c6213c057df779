//! Protocol v1 behind a door: every client has a session of its own, as if it had started `llmx proto`.

use super::{
    door::{Carrier, GOODBYE, LAST_WORDS},
    queue::queue,
    server::Protocol,
    wire::{Goodbye, Reader, Writer, say_goodbye},
};
use crate::proto::submission;
use llmx_actors::engine::{EngineHandle, SessionHandle};
use serde_json::json;
use std::future::pending;
use tokio::{sync::watch, time::timeout};

/// Sessions of one engine.
#[derive(Clone)]
pub(crate) struct ProtocolV1(pub(crate) EngineHandle);

impl Protocol for ProtocolV1 {
    fn carrier_of_unix_sockets(&self) -> Carrier {
        Carrier::Lines
    }

    fn refusal(&self) -> fn(&str) -> Vec<u8> {
        |why| format!("{}\n", json!({"id": "", "seq": 0, "msg": {"type": "error", "message": why}})).into_bytes()
    }

    async fn converse(self, mut reader: Reader, mut writer: Writer, mut leaving: watch::Receiver<bool>) -> bool {
        let (sink, queue, _) = queue();
        let Ok(session) = self.0.open_session(Box::new(sink)).await else {
            return false;
        };
        let session = Opened(session);
        let mut writing = Box::pin(queue.write_to(&mut writer));
        let written = tokio::select! {
            // Ends when the session does, or nobody takes what it says.
            written = &mut writing => written.is_ok(),
            () = submit(&mut reader, &session.0) => false,
            _ = leaving.wait_for(|leaving| *leaving) => false,
        };
        if !written {
            // A second end of a session changes nothing.
            let _ = session.0.leave().await;
            session.0.closed().await;
            let _ = timeout(LAST_WORDS, &mut writing).await;
        }
        drop(writing);
        timeout(GOODBYE, say_goodbye(reader, writer, Goodbye::Leaving)).await.unwrap_or_default();
        true
    }

    /// Every conversation ends its own session.
    async fn leave(&self) {}
}

/// A session that nobody can reach any more when this is dropped, also by a panic: then it must end.
struct Opened(SessionHandle);

impl Drop for Opened {
    fn drop(&mut self) {
        let session = self.0.clone();
        actix_rt::spawn(async move { session.leave().await.unwrap_or_default() });
    }
}

/// Until the client is gone. One that only sends no more still hears what becomes of what it sent.
async fn submit(reader: &mut Reader, session: &SessionHandle) {
    loop {
        match reader.next().await {
            Ok(line) => {
                let line = line.as_deref().map_err(|error| *error);
                if session.submit(submission(line)).await.is_err() {
                    return pending().await;
                }
            }
            Err(Goodbye::Finished) => {
                let _ = session.no_more_input().await;
                return reader.gone().await;
            }
            Err(_) => return,
        }
    }
}
