//! The bytes of an answer over HTTP.

use super::AnswerBody;
use crate::{
    http_clients::{with_causes, without_secrets},
    replay::Tape,
};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, future::LocalBoxFuture};
use llmx_protocol::{
    model::{Dialect, Failure, rate_limits},
    wire::usage::RateLimitSnapshot,
};
use reqwest::Response;
use std::time::{Duration, SystemTime};

/// What is still read of a finished answer so that its connection can be used again.
const REST_BYTES: usize = 64 * 1024;
const REST_TIME: Duration = Duration::from_millis(500);

/// As many bytes are handed on at once when they are there. Many servers make a chunk of every event, and each chunk by
/// itself would go through the session, to the journal and out by itself.
const AT_ONCE: usize = 16 * 1024;

/// A chunk, the end, or why there is neither.
type Heard = Result<Option<Bytes>, Failure>;

pub(super) struct HttpAnswer {
    pub(super) dialect: Dialect,
    /// What the user should know of how it was come by.
    pub(super) notice: Option<String>,
    response: Response,
    tape: Tape,
    /// Heard already, and for the next time.
    ahead: Option<Heard>,
}

impl HttpAnswer {
    pub(super) fn new(response: Response, dialect: Dialect, tape: Tape) -> Self {
        Self { dialect, notice: None, response, tape, ahead: None }
    }

    async fn hear(&mut self) -> Heard {
        let chunk = self.response.chunk().await.map_err(|e| Failure::cut(&with_causes(&without_secrets(e))));
        match &chunk {
            Ok(Some(bytes)) => self.tape.heard(bytes),
            Ok(None) => self.tape.ended(),
            Err(_) => self.tape.cut(),
        }
        chunk
    }

    /// What is there without waiting. The task that reads the connection hands over one chunk at a time, so it is given
    /// its turn.
    async fn hear_at_once(&mut self) -> Option<Heard> {
        if let Some(heard) = self.hear().now_or_never() {
            return Some(heard);
        }
        tokio::task::yield_now().await;
        self.hear().now_or_never()
    }

    async fn hear_what_is_there(&mut self) -> Heard {
        let first = match self.ahead.take() {
            Some(heard) => heard,
            None => self.hear().await,
        };
        let Some(first) = first? else {
            return Ok(None);
        };
        let mut whole = BytesMut::from(first);
        while whole.len() < AT_ONCE {
            match self.hear_at_once().await {
                Some(Ok(Some(bytes))) => whole.extend_from_slice(&bytes),
                ahead => {
                    self.ahead = ahead;
                    break;
                }
            }
        }
        Ok(Some(whole.freeze()))
    }
}

impl AnswerBody for HttpAnswer {
    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn take_notice(&mut self) -> Option<String> {
        self.notice.take()
    }

    fn rate_limits(&self) -> Option<RateLimitSnapshot> {
        let headers = self.response.headers();
        rate_limits::from_headers(|name| headers.get(name).and_then(|v| v.to_str().ok()), now_unix())
    }

    fn next(&mut self) -> LocalBoxFuture<'_, Heard> {
        self.hear_what_is_there().boxed_local()
    }

    fn leave(mut self: Box<Self>) {
        self.tape.ended();
        actix::spawn(async move {
            let _ = tokio::time::timeout(REST_TIME, beginning(&mut self.response, REST_BYTES)).await;
        });
    }
}

/// At most `limit` bytes of what is left of the body; what cannot be read is left out.
pub(super) async fn beginning(response: &mut Response, limit: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < limit
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk[..chunk.len().min(limit - body.len())]);
    }
    body
}

/// In seconds.
pub(super) fn now_unix() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
