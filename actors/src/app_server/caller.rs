//! Whoever waits for an answer.

use super::connection::{Admission, AnswerReady, ConnectionId, ToClient};
use actix::Recipient;
use bytes::Bytes;
use llmx_protocol::wire::rpc::{Method, RequestId, RpcError, answer_line, error_line};

/// A client's request on its way. Answered once: by [`answer`](Self::answer), by [`refuse`](Self::refuse), or, dropped
/// without either, with an internal error.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) connection: ConnectionId,
    pub(crate) client: Recipient<ToClient>,
    id: RequestId,
    /// Given back when the answer is written: it is what bounds the requests under way.
    admission: Option<Admission>,
    answered: bool,
}

impl Caller {
    pub(crate) fn new(
        connection: ConnectionId,
        client: Recipient<ToClient>,
        id: RequestId,
        admission: Option<Admission>,
    ) -> Self {
        Self { connection, client, id, admission, answered: false }
    }

    /// The request may take long, and others of its client are not to wait for that: its bytes are counted otherwise from
    /// now on. That it is under way still is.
    pub(crate) fn give_way(&mut self) {
        if let Some(admission) = &mut self.admission {
            admission.bytes = None;
        }
    }

    /// Gives the result of the method that was called.
    pub(crate) fn answer<M: Method>(mut self, _: M, response: &M::Response) {
        self.send(answer_line(&self.id, response));
    }

    /// Says why there is none.
    pub(crate) fn refuse(mut self, error: &RpcError) {
        self.send(error_line(Some(&self.id), error));
    }

    fn send(&mut self, line: Vec<u8>) {
        self.answered = true;
        let credit = self.admission.take().map(Admission::into_credit);
        self.client.do_send(ToClient::Answer(AnswerReady { line: Bytes::from(line), credit }));
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if !self.answered {
            self.send(error_line(Some(&self.id), &RpcError::internal("internal error: the request was lost")));
        }
    }
}
