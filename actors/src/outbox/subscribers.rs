//! Who gets a session's events, and how far behind each may be.
//!
//! One subscriber alone holds the producers back by his credits, for as long as he likes. Of several, the quickest does;
//! one that lags behind it more than [`LAG`] bytes for [`PATIENCE`], or more than [`MOST_LAG`] at once, is cut off.

use super::{Delivery, Events, Subscriber, subscriber::Receipt};
use crate::{flow::Credit, supervise::now};
use llmx_protocol::machine::session::SessionEnd;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// A subscriber that is this far behind, in bytes of events, is late.
pub const LAG: usize = 1024 * 1024;
/// One that is late for so long is cut off, if others are not.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// One that is this far behind is cut off at once, if others are not.
pub const MOST_LAG: usize = 8 * 1024 * 1024;

/// All subscribers of a session.
#[derive(Default)]
pub(super) struct Subscribers(Vec<Subscription>);

struct Subscription {
    subscriber: Box<dyn Subscriber>,
    /// What he has not dealt with, in bytes.
    behind: Arc<AtomicUsize>,
    late_since: Option<Instant>,
}

impl Subscribers {
    pub(super) fn add(&mut self, subscriber: Box<dyn Subscriber>) {
        self.0.push(Subscription { subscriber, behind: Arc::default(), late_since: None });
    }

    pub(super) fn deliver(&mut self, events: &Arc<Events>, credit: Option<Credit>) {
        let size = events.size();
        // The first who has dealt with it gives it back.
        let credit = credit.map(|credit| Arc::new(Mutex::new(Some(credit))));
        let cut_off = self.too_slow();
        let mut index = 0;
        self.0.retain_mut(|subscription| {
            index += 1;
            if cut_off.contains(&(index - 1)) {
                subscription.subscriber.cut_off(&too_slow());
                return false;
            }
            subscription.behind.fetch_add(size, Ordering::Relaxed);
            let receipt = Receipt { size, behind: subscription.behind.clone(), credit: credit.clone() };
            subscription.subscriber.deliver(Delivery::new(events.clone(), receipt)).is_ok()
        });
    }

    pub(super) fn close(&mut self, end: &SessionEnd) {
        for subscription in &mut self.0 {
            subscription.subscriber.close(end);
        }
    }

    /// Those to be cut off: never all of them, for then nobody is held up.
    fn too_slow(&mut self) -> Vec<usize> {
        if self.0.len() < 2 {
            return Vec::new();
        }
        let now = now();
        let late: Vec<_> = self.0.iter_mut().map(|subscription| subscription.is_too_slow(now)).collect();
        if late.iter().all(|late| *late) {
            return Vec::new();
        }
        late.iter().enumerate().filter(|(_, late)| **late).map(|(index, _)| index).collect()
    }
}

impl Subscription {
    fn is_too_slow(&mut self, now: Instant) -> bool {
        let behind = self.behind.load(Ordering::Relaxed);
        if behind <= LAG {
            self.late_since = None;
            return false;
        }
        let since = *self.late_since.get_or_insert(now);
        behind > MOST_LAG || now.duration_since(since) > PATIENCE
    }
}

fn too_slow() -> String {
    let (lag, patience, most) = (LAG / 1024 / 1024, PATIENCE.as_secs(), MOST_LAG / 1024 / 1024);
    format!(
        "this subscriber was more than {lag} MiB behind the others for {patience} s, or more than {most} MiB, and was cut off"
    )
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.behind.fetch_sub(self.size, Ordering::Relaxed);
        if let Some(credit) = &self.credit {
            credit.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}
