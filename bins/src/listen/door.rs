//! Who is let in: what a client must prove before anybody listens to it, and how long it may take.

use super::{
    stream::Stream,
    token::Token,
    unfinished::Unfinished,
    upgrade::upgrade,
    wire::{self, Goodbye, Reader, Writer, say_goodbye},
};
use crate::outgoing::Batch;
use std::{net::SocketAddr, time::Duration};
use tokio::time::timeout;

/// How long a client may take until it is let in.
pub(super) const ADMISSION: Duration = Duration::from_secs(10);
/// How long a client may take to read what it was told last.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long a client that is left may take to close its side as well.
pub(super) const GOODBYE: Duration = Duration::from_millis(500);

/// What carries messages behind a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    Lines,
    WebSocket,
    /// Whichever the client begins with: HTTP, or anything else.
    Either,
}

/// Where clients come in.
pub(super) struct Door {
    pub(super) carrier: Carrier,
    pub(super) token: Option<Token>,
    /// Where it is, over TCP.
    pub(super) place: Option<SocketAddr>,
    /// What its clients have begun to say.
    pub(super) unfinished: Unfinished,
    /// A refusal, as a line of what is spoken behind the door.
    pub(super) refusal: fn(&str) -> Vec<u8>,
}

impl Door {
    /// Lets a client in; one that is not has been told why. `full` says that there is no room.
    pub(super) async fn admit(&self, mut stream: Stream, full: bool) -> Option<(Reader, Writer)> {
        let carrier = match self.carrier {
            // One that says nothing costs little, and whoever reaches this socket owns it.
            Carrier::Either if stream.peek().await? == b'G' => Carrier::WebSocket,
            Carrier::Either => Carrier::Lines,
            carrier => carrier,
        };
        match carrier {
            Carrier::WebSocket => Some(wire::web_socket(upgrade(stream, self, full).await?, self.unfinished.share())),
            Carrier::Lines | Carrier::Either => self.admit_lines(stream, full).await,
        }
    }

    async fn admit_lines(&self, stream: Stream, full: bool) -> Option<(Reader, Writer)> {
        let (mut reader, mut writer) = wire::lines(stream, self.unfinished.share());
        let refusal = match &self.token {
            _ if full => "too many connections",
            None => return Some((reader, writer)),
            Some(token) => match timeout(ADMISSION, reader.next()).await {
                Ok(Ok(Ok(line))) if token.is_in_line(&line) => return Some((reader, writer)),
                Ok(Ok(_)) => r#"the first line must be {"authorization": "Bearer TOKEN"} with the right token"#,
                Ok(Err(_)) => return None,
                Err(_) => "no token came",
            },
        };
        let goodbye = async {
            writer.write(&Batch::of((self.refusal)(refusal))).await.unwrap_or_default();
            say_goodbye(reader, writer, Goodbye::Leaving).await;
        };
        timeout(GOODBYE, goodbye).await.unwrap_or_default();
        None
    }
}
