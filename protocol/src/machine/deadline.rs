//! Named points in time, as a table.

use std::time::Instant;

/// The deadlines of one machine, by what they are for. Few, so a list.
#[derive(Clone, Debug)]
pub struct Deadlines<K>(Vec<(K, Instant)>);

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Copy + PartialEq> Deadlines<K> {
    /// Sets, or moves, the deadline of `key`.
    pub fn set(&mut self, key: K, at: Instant) {
        self.clear(key);
        self.0.push((key, at));
    }

    /// Whether `key` has a deadline.
    #[must_use]
    pub fn has(&self, key: K) -> bool {
        self.0.iter().any(|(k, _)| *k == key)
    }

    /// Forgets the deadline of `key`, if there is one.
    pub fn clear(&mut self, key: K) {
        self.0.retain(|(k, _)| *k != key);
    }

    /// The earliest one.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.0.iter().map(|(_, at)| *at).min()
    }

    /// Takes one that has passed, earliest first.
    pub fn take_passed(&mut self, now: Instant) -> Option<K> {
        let (i, _) = self.0.iter().enumerate().filter(|(_, (_, at))| *at <= now).min_by_key(|(_, (_, at))| *at)?;
        Some(self.0.remove(i).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn deadlines_pass_in_order_and_once() {
        let (t0, s) = (Instant::now(), Duration::from_secs);
        let mut d = Deadlines::default();
        d.set('b', t0 + s(2));
        d.set('a', t0 + s(1));
        d.set('c', t0 + s(9));
        d.clear('c');
        assert_eq!(d.next(), Some(t0 + s(1)));
        assert_eq!(d.take_passed(t0), None);
        assert_eq!(d.take_passed(t0 + s(5)), Some('a'));
        assert_eq!(d.take_passed(t0 + s(5)), Some('b'));
        assert_eq!(d.take_passed(t0 + s(5)), None);
    }
}
