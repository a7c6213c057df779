//! Messages whose end has not come: they take memory although nobody can do anything with them yet.
//!
//! What all clients together may hold is bounded, and each may hold as much as is left for the others. So one that holds
//! much never keeps another from finishing something small, whatever their number.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// What all clients together may hold, in bytes.
const MOST: usize = 128 * 1024 * 1024;
/// What every client may hold, whatever the others do, in bytes.
const ALWAYS: usize = 64 * 1024;

/// What all clients hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Unfinished(Arc<AtomicUsize>);

/// What one client holds of it. Clones are of the same client.
#[derive(Clone, Debug)]
pub(crate) struct Share(Arc<Held>);

#[derive(Debug)]
struct Held {
    all: Unfinished,
    mine: AtomicUsize,
}

/// There is no room for so much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Unfinished {
    pub(super) fn share(&self) -> Share {
        Share(Arc::new(Held { all: self.clone(), mine: AtomicUsize::new(0) }))
    }
}

impl Share {
    /// So much is held now, in bytes.
    pub(super) fn set(&self, size: usize) -> Result<(), Full> {
        let before = self.0.mine.swap(size, Ordering::Relaxed);
        let all = &self.0.all.0;
        all.fetch_sub(before, Ordering::Relaxed);
        let others = all.fetch_add(size, Ordering::Relaxed);
        if size <= ALWAYS || others.saturating_add(2 * size) <= MOST { Ok(()) } else { Err(Full) }
    }

    /// So much more is held than before, in bytes.
    pub(super) fn add(&self, size: usize) -> Result<(), Full> {
        self.set(self.0.mine.load(Ordering::Relaxed) + size)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.0.fetch_sub(*self.mine.get_mut(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_holds_much_leaves_as_much_to_the_others() {
        let all = Unfinished::default();
        let mut held = Vec::new();
        for _ in 0..1000 {
            let share = all.share();
            // As a client that sends and sends.
            while share.add(16 * 1024) == Ok(()) && share.0.mine.load(Ordering::Relaxed) < 16 * 1024 * 1024 {}
            held.push(share);
        }
        // Everyone could hold what everyone may, and a little more is noticed only after it came.
        let sum = all.0.load(Ordering::Relaxed);
        assert!(sum <= MOST + 1000 * (ALWAYS + 16 * 1024), "{sum}");
        let late = all.share();
        assert_eq!(late.add(ALWAYS), Ok(()));
        drop((held, late));
        assert_eq!(all.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_few_may_send_the_longest_message_at_once() {
        let all = Unfinished::default();
        let some: Vec<_> = (0..4).map(|_| all.share()).collect();
        assert!(some.iter().all(|share| share.set(16 * 1024 * 1024) == Ok(())));
    }
}
