//! The app-server behind a door.

use super::{
    door::{Carrier, GOODBYE, LAST_WORDS},
    queue::queue,
    server::Protocol,
    wire::{Goodbye, Reader, Writer, say_goodbye},
};
use llmx_actors::app_server::{AppServerHandle, Client};
use llmx_protocol::wire::rpc::{RpcError, error_line};
use tokio::{sync::watch, time::timeout};

/// Clients of one app-server.
#[derive(Clone)]
pub(crate) struct JsonRpc(pub(crate) AppServerHandle);

impl Protocol for JsonRpc {
    /// Clients of Codex's app-server open a WebSocket there as well; lines are simpler for everybody else.
    fn carrier_of_unix_sockets(&self) -> Carrier {
        Carrier::Either
    }

    fn refusal(&self) -> fn(&str) -> Vec<u8> {
        |why| error_line(None, &RpcError::invalid_request(why))
    }

    async fn converse(self, mut reader: Reader, mut writer: Writer, mut leaving: watch::Receiver<bool>) -> bool {
        let (sink, queue, sink_gone) = queue();
        let Some(client) = self.0.connect(Box::new(sink)).await else {
            return false;
        };
        let client = Connected(client);
        let mut writing = Box::pin(queue.write_to(&mut writer));
        let why = tokio::select! {
            why = listen(&mut reader, &client.0) => why,
            _ = &mut writing => Goodbye::Gone,
            why = sink_gone => why.unwrap_or(Goodbye::Lost),
            _ = leaving.wait_for(|leaving| *leaving) => Goodbye::Leaving,
        };
        // Its sink goes with it, and then the writing ends.
        drop(client);
        if !matches!(why, Goodbye::Gone | Goodbye::TooSlow) {
            let _ = timeout(LAST_WORDS, &mut writing).await;
        }
        drop(writing);
        timeout(GOODBYE, say_goodbye(reader, writer, why)).await.unwrap_or_default();
        true
    }

    async fn leave(&self) {
        self.0.leave().await;
    }
}

/// A client that is gone when this is dropped, also by a panic.
struct Connected(Client);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.gone();
    }
}

/// Until the client is gone; one that only sends no more still gets its answers.
async fn listen(reader: &mut Reader, client: &Client) -> Goodbye {
    loop {
        match reader.next().await {
            Ok(message) => client.said(message).await,
            Err(Goodbye::Finished) => {
                tokio::select! {
                    () = client.answered() => return Goodbye::Finished,
                    () = reader.gone() => return Goodbye::Gone,
                }
            }
            Err(why) => return why,
        }
    }
}
