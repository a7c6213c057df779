//! How often a child may be started again before its parent gives up.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// At most so many restarts within so long.
#[derive(Clone, Debug)]
pub struct RestartBudget {
    max: usize,
    within: Duration,
    recent: VecDeque<Instant>,
}

impl RestartBudget {
    /// `max` restarts within any `within`.
    #[must_use]
    pub fn new(max: usize, within: Duration) -> Self {
        Self { max, within, recent: VecDeque::with_capacity(max) }
    }

    /// Spends one restart, or says no: the parent must give up.
    #[must_use]
    pub fn spend(&mut self, now: Instant) -> bool {
        while self.recent.front().is_some_and(|t| now.duration_since(*t) > self.within) {
            self.recent.pop_front();
        }
        if self.recent.len() == self.max {
            return false;
        }
        self.recent.push_back(now);
        true
    }
}

impl Default for RestartBudget {
    /// Three in a minute (DESIGN §3).
    fn default() -> Self {
        Self::new(3, Duration::from_secs(60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_refills_with_time() {
        let t0 = Instant::now();
        let mut budget = RestartBudget::new(2, Duration::from_secs(60));
        assert!(budget.spend(t0));
        assert!(budget.spend(t0));
        assert!(!budget.spend(t0));
        assert!(budget.spend(t0 + Duration::from_secs(61)));
    }
}
