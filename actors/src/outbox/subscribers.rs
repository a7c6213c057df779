//! Who gets a session's events. How far behind each may be is [`flow::company`](crate::flow::company)'s business.

use super::{Delivery, Events, Subscriber};
use crate::{
    flow::{
        Credit,
        company::{Lag, SharedCredit, too_slow, why_cut_off},
    },
    supervise::now,
};
use llmx_protocol::machine::session::SessionEnd;
use std::sync::Arc;

/// All subscribers of a session.
#[derive(Default)]
pub(super) struct Subscribers(Vec<Subscription>);

struct Subscription {
    subscriber: Box<dyn Subscriber>,
    lag: Lag,
}

impl Subscribers {
    pub(super) fn add(&mut self, subscriber: Box<dyn Subscriber>) {
        self.0.push(Subscription { subscriber, lag: Lag::default() });
    }

    pub(super) fn deliver(&mut self, events: &Arc<Events>, credit: Option<Credit>) {
        let credit = SharedCredit::new(credit);
        let cut_off = too_slow(self.0.iter_mut().map(|subscription| &mut subscription.lag), now());
        let mut place = 0;
        self.0.retain_mut(|Subscription { subscriber, lag }| {
            place += 1;
            if cut_off.contains(&(place - 1)) {
                subscriber.cut_off(&why_cut_off());
                return false;
            }
            let credit = lag.told(events.size(), &credit);
            subscriber.deliver(Delivery { events: events.clone(), credit: Some(credit) }).is_ok()
        });
    }

    pub(super) fn rest(&mut self) {
        for subscription in &mut self.0 {
            subscription.subscriber.rests();
        }
    }

    pub(super) fn close(&mut self, end: &SessionEnd) {
        for subscription in &mut self.0 {
            subscription.subscriber.close(end);
        }
    }
}
