//! Which lost model request is tried again, and when.
//!
//! There are two counters, one for requests that got no answer and one for answers that broke off. They add up and do
//! not multiply: a turn makes at most `1 + request_max + stream_max` requests.

use crate::model::failure::{Failure, FailureKind};
use std::time::Duration;

/// How often a turn's request is tried again (reference `model-wire.md` §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Further tries of requests that got no answer.
    pub request_max: u32,
    /// Further tries of answers that broke off.
    pub stream_max: u32,
    /// Spreads the back-off of many sessions; anything.
    pub seed: u64,
}

/// The tries of one turn.
#[derive(Clone, Debug)]
pub struct Retries {
    policy: RetryPolicy,
    requests: u32,
    streams: u32,
}

/// The next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How long to wait first.
    pub after: Duration,
    /// Which one it is of its kind, from 1.
    pub n: u32,
    /// How many there are of its kind.
    pub max: u32,
}

const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// A server that asks for more than this is as good as gone.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// A local server that is loading its model says so at once; a small one is there within seconds, a large one within
/// a minute.
const LOADING_PAUSE: Duration = Duration::from_secs(1);

impl Retries {
    /// Nothing tried yet.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Self {
        Self { policy, requests: 0, streams: 0 }
    }

    /// Spends a try on `failure`, or says that it is final. `answered`: whether the server had begun to answer.
    pub fn spend(&mut self, failure: &Failure, answered: bool) -> Option<Retry> {
        if !failure.is_retryable() {
            return None;
        }
        if unbearable_wait(failure).is_some() {
            return None;
        }
        let (spent, max) = if answered {
            (&mut self.streams, self.policy.stream_max)
        } else {
            (&mut self.requests, self.policy.request_max)
        };
        if *spent >= max {
            return None;
        }
        *spent += 1;
        let n = *spent;
        // Both kinds press on the same server: the pauses grow with every try, whatever it failed of.
        let tries = self.requests + self.streams;
        let after = match (failure.retry_after, &failure.kind) {
            (Some(asked), _) => asked,
            (None, FailureKind::Loading) => doubled(LOADING_PAUSE, n),
            // That says nothing of the server, which may well be waiting for a new connection.
            (None, FailureKind::Dropped) if tries == 1 => Duration::ZERO,
            (None, _) => backoff(tries, self.policy.seed),
        };
        Some(Retry { after, n, max })
    }
}

/// The wait that a server asks for before another try, if it is too long to be worth one.
#[must_use]
pub fn unbearable_wait(failure: &Failure) -> Option<Duration> {
    failure.retry_after.filter(|asked| failure.is_retryable() && *asked > LONGEST_WAIT)
}

/// 200 ms · 2^(n−1), capped, times 0.9 to 1.1.
fn backoff(n: u32, seed: u64) -> Duration {
    let thousandths = 900 + scramble(seed.wrapping_add(u64::from(n))) % 201;
    doubled(FIRST_BACKOFF, n) * u32::try_from(thousandths).unwrap_or(1000) / 1000
}

/// `first` · 2^(n−1), capped.
fn doubled(first: Duration, n: u32) -> Duration {
    first.saturating_mul(1 << (n - 1).min(16)).min(LONGEST_BACKOFF)
}

/// A fixed mixing of bits (the finalizer of `SplitMix64`): jitter needs spread, not secrecy.
fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_two_counters_add_up() {
        let mut retries = Retries::new(RetryPolicy { request_max: 2, stream_max: 1, seed: 7 });
        let cut = Failure::cut("gone");
        let refused = Failure::connect("refused");
        assert_eq!(retries.spend(&refused, false).map(|r| (r.n, r.max)), Some((1, 2)));
        assert_eq!(retries.spend(&cut, true).map(|r| (r.n, r.max)), Some((1, 1)));
        assert_eq!(retries.spend(&refused, false).map(|r| (r.n, r.max)), Some((2, 2)));
        assert_eq!(retries.spend(&refused, false), None);
        assert_eq!(retries.spend(&cut, true), None);
    }

    #[test]
    fn the_pauses_grow_with_every_try_of_either_kind() {
        let mut retries = Retries::new(RetryPolicy { request_max: 9, stream_max: 9, seed: 3 });
        let (cut, refused) = (Failure::cut("gone"), Failure::connect("refused"));
        let tries = [(&refused, false), (&cut, true), (&refused, false), (&cut, true)];
        let pauses: Vec<_> = tries.iter().map(|(f, answered)| retries.spend(f, *answered).unwrap().after).collect();
        assert!(pauses.windows(2).all(|pair| pair[1] > pair[0] * 3 / 2), "{pauses:?}");
    }

    #[test]
    fn a_model_that_is_loading_is_given_more_time_each_time() {
        let mut retries = Retries::new(RetryPolicy { request_max: 4, stream_max: 5, seed: 0 });
        let loading = Failure::new(FailureKind::Loading, "Loading model");
        let pauses: Vec<_> = (0..4).map(|_| retries.spend(&loading, false).unwrap().after.as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8]);
    }

    #[test]
    fn the_servers_own_delay_wins() {
        let mut retries = Retries::new(RetryPolicy { request_max: 4, stream_max: 5, seed: 0 });
        let mut failure = Failure::connect("busy");
        failure.retry_after = Some(Duration::from_millis(1234));
        assert_eq!(retries.spend(&failure, false).map(|r| r.after), Some(Duration::from_millis(1234)));
    }

    #[test]
    fn a_kept_connection_that_was_closed_is_replaced_at_once_and_once() {
        let mut retries = Retries::new(RetryPolicy { request_max: 4, stream_max: 0, seed: 0 });
        let dropped = Failure::dropped("closed");
        assert_eq!(retries.spend(&dropped, false).map(|r| (r.after, r.n)), Some((Duration::ZERO, 1)));
        assert!(retries.spend(&dropped, false).is_some_and(|r| r.after > FIRST_BACKOFF));
        let mut none = Retries::new(RetryPolicy { request_max: 0, stream_max: 4, seed: 0 });
        assert_eq!(none.spend(&dropped, false), None);
    }

    proptest! {
        #[test]
        fn backoff_doubles_within_a_tenth(n in 1u32..40, seed: u64) {
            let ideal = FIRST_BACKOFF.saturating_mul(1 << (n - 1).min(16)).min(LONGEST_BACKOFF);
            let b = backoff(n, seed);
            prop_assert!(b >= ideal * 9 / 10 && b <= ideal * 11 / 10, "{n}: {b:?}");
        }
    }
}
