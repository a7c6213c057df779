//! Whoever waits for an answer.

use super::{
    connection::{ConnectionId, ToClient},
    messages::AnswerReady,
};
use crate::flow::Credit;
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
    credit: Option<Credit>,
    answered: bool,
}

impl Caller {
    pub(crate) fn new(
        connection: ConnectionId,
        client: Recipient<ToClient>,
        id: RequestId,
        credit: Option<Credit>,
    ) -> Self {
        Self { connection, client, id, credit, answered: false }
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
        let credit = self.credit.take();
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
