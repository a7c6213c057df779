//! Everyone who follows a thread.

use crate::{
    app_server::{
        connection::{ConnectionId, Notes, ToClient},
        unix_millis,
    },
    flow::{
        Credit,
        company::{Lag, SharedCredit, too_slow, why_cut_off},
    },
    supervise::now,
};
use actix::Recipient;
use bytes::Bytes;
use llmx_protocol::{
    ids::{CallId, SessionId},
    surface::Said,
    wire::rpc::{ServerNotification, ServerRequest, notification_line},
};
use std::sync::Arc;

struct Follower {
    id: ConnectionId,
    client: Recipient<ToClient>,
    lag: Lag,
}

/// Hands what is said to everyone who follows: serialized once. One of several who does not read is cut off.
#[derive(Default)]
pub(super) struct Followers {
    list: Vec<Follower>,
}

impl Followers {
    /// Once is enough.
    pub(super) fn add(&mut self, id: ConnectionId, client: Recipient<ToClient>) {
        if self.list.iter().all(|follower| follower.id != id) {
            self.list.push(Follower { id, client, lag: Lag::default() });
        }
    }

    /// Whether it was one.
    pub(super) fn remove(&mut self, id: ConnectionId) -> bool {
        let before = self.list.len();
        self.list.retain(|follower| follower.id != id);
        self.list.len() < before
    }

    /// Asks someone who comes late.
    pub(super) fn ask_one(&self, id: ConnectionId, thread: &SessionId, call: &CallId, request: ServerRequest) {
        if let Some(follower) = self.list.iter().find(|follower| follower.id == id) {
            let (thread, call, request) = (thread.clone(), call.clone(), Arc::new(request));
            follower.client.do_send(ToClient::Ask { thread, call, request });
        }
    }

    /// A client may have gone before it became a follower.
    pub(super) fn nobody(&self) -> bool {
        self.list.iter().all(|follower| !follower.client.connected())
    }

    pub(super) fn tell(&mut self, thread: &SessionId, said: Vec<Said>, credit: Option<&Credit>) {
        if self.list.is_empty() {
            return;
        }
        self.cut_off();
        let credit = &SharedCredit::new(credit.cloned());
        let now = unix_millis();
        let mut notes = Gathered::default();
        for said in said {
            match said {
                Said::Notify(notification) => notes.add(&notification, now),
                Said::Ask(call, request) => {
                    self.send_notes(std::mem::take(&mut notes), credit);
                    self.ask(thread, &call, request);
                }
                Said::Settled(call) => {
                    self.send_notes(std::mem::take(&mut notes), credit);
                    self.send(|| ToClient::Settled { thread: thread.clone(), call: call.clone() });
                }
            }
        }
        self.send_notes(notes, credit);
    }

    fn ask(&self, thread: &SessionId, call: &CallId, request: ServerRequest) {
        let request = Arc::new(request);
        self.send(|| ToClient::Ask { thread: thread.clone(), call: call.clone(), request: request.clone() });
    }

    fn cut_off(&mut self) {
        let late = too_slow(self.list.iter_mut().map(|follower| &mut follower.lag), now());
        for place in late.into_iter().rev() {
            self.list.remove(place).client.do_send(ToClient::CutOff(why_cut_off()));
        }
    }

    fn send_notes(&self, notes: Gathered, credit: &SharedCredit) {
        if notes.lines.is_empty() {
            return;
        }
        let notes = Notes { lines: Bytes::from(notes.lines), parts: notes.parts.into(), credit: None };
        for follower in &self.list {
            let credit = Some(follower.lag.told(notes.lines.len(), credit));
            follower.client.do_send(ToClient::Notes(Notes { credit, ..notes.clone() }));
        }
    }

    fn send(&self, message: impl Fn() -> ToClient) {
        for follower in &self.list {
            follower.client.do_send(message());
        }
    }
}

#[derive(Default)]
struct Gathered {
    lines: Vec<u8>,
    parts: Vec<(&'static str, usize)>,
}

impl Gathered {
    fn add(&mut self, notification: &ServerNotification, now: i64) {
        notification_line(notification, now, &mut self.lines);
        self.parts.push((notification.method(), self.lines.len()));
    }
}
