//! Several who are told the same. One alone holds the producers back by his credits, for as long as he likes. Of
//! several, the quickest does; one that lags behind it more than [`LAG`] bytes for [`PATIENCE`], or more than
//! [`MOST_LAG`] at once, is cut off.

use super::Credit;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// One who has this much that he has not dealt with, in bytes, is late.
pub const LAG: usize = 1024 * 1024;
/// One that is late for so long is cut off, if others are not.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// One that is this late is cut off at once, if others are not.
pub const MOST_LAG: usize = 8 * 1024 * 1024;

/// How far behind one of them is.
#[derive(Debug, Default)]
pub(crate) struct Lag {
    /// What he has not dealt with, in bytes.
    behind: Arc<AtomicUsize>,
    late_since: Option<Instant>,
}

/// A credit that all of them share: the first who has dealt with it gives it back.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedCredit(Option<Arc<Mutex<Option<Credit>>>>);

impl SharedCredit {
    pub(crate) fn new(credit: Option<Credit>) -> Self {
        Self(credit.map(|credit| Arc::new(Mutex::new(Some(credit)))))
    }
}

/// That one of them has dealt with something.
#[derive(Debug)]
struct Receipt {
    size: usize,
    behind: Arc<AtomicUsize>,
    credit: SharedCredit,
}

impl Lag {
    /// He is told so many bytes. To be dropped when he has dealt with them, or never will.
    pub(crate) fn told(&self, size: usize, credit: &SharedCredit) -> Credit {
        self.behind.fetch_add(size, Ordering::Relaxed);
        Credit::holding(Receipt { size, behind: self.behind.clone(), credit: credit.clone() })
    }

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

impl Drop for Receipt {
    fn drop(&mut self) {
        self.behind.fetch_sub(self.size, Ordering::Relaxed);
        if let Some(credit) = &self.credit.0 {
            credit.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

/// The places of those to be cut off: never all of them, for then nobody is held up.
pub(crate) fn too_slow<'a>(everyone: impl ExactSizeIterator<Item = &'a mut Lag>, now: Instant) -> Vec<usize> {
    let count = everyone.len();
    if count < 2 {
        return Vec::new();
    }
    let late = everyone.enumerate().filter_map(|(place, lag)| lag.is_too_slow(now).then_some(place));
    let late: Vec<_> = late.collect();
    if late.len() == count { Vec::new() } else { late }
}

/// For a person who was cut off.
pub(crate) fn why_cut_off() -> String {
    let (lag, patience, most) = (LAG / 1024 / 1024, PATIENCE.as_secs(), MOST_LAG / 1024 / 1024);
    format!(
        "this subscriber was more than {lag} MiB behind the others for {patience} s, or more than {most} MiB, and was cut off"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who of some is cut off, that is so far behind when he is looked at after so many seconds.
    fn check(looks: &[(u64, &[usize])], expected: &[usize]) {
        let start = Instant::now();
        let mut everyone: Vec<Lag> = looks[0].1.iter().map(|_| Lag::default()).collect();
        let mut cut_off = Vec::new();
        for (seconds, behind) in looks {
            for (lag, behind) in everyone.iter().zip(*behind) {
                lag.behind.store(*behind, Ordering::Relaxed);
            }
            cut_off = too_slow(everyone.iter_mut(), start + Duration::from_secs(*seconds));
        }
        assert_eq!(cut_off, expected, "{looks:?}");
    }

    #[test]
    fn only_one_who_holds_up_others_is_cut_off() {
        check(&[(0, &[MOST_LAG + 1])], &[]);
        check(&[(0, &[LAG + 1, 0])], &[]);
        check(&[(0, &[MOST_LAG + 1, 0])], &[0]);
        check(&[(0, &[MOST_LAG + 1, MOST_LAG + 1])], &[]);
        check(&[(0, &[LAG + 1, 0]), (6, &[LAG + 1, 0])], &[0]);
        check(&[(0, &[LAG + 1, 0]), (3, &[LAG, 0]), (6, &[LAG + 1, 0])], &[]);
        check(&[(0, &[LAG + 1, LAG + 1]), (6, &[LAG + 1, LAG + 1])], &[]);
        check(&[(0, &[0, LAG + 1, LAG + 1]), (6, &[0, LAG + 1, LAG + 1])], &[1, 2]);
    }

    #[derive(Debug)]
    struct Tell(Arc<AtomicUsize>);

    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_first_who_is_done_gives_the_credit_back() {
        let given_back = Arc::new(AtomicUsize::new(0));
        let (quick, slow) = (Lag::default(), Lag::default());
        let credit = SharedCredit::new(Some(Credit::holding(Tell(given_back.clone()))));
        let (of_quick, of_slow) = (quick.told(7, &credit), slow.told(7, &credit));
        assert_eq!((given_back.load(Ordering::Relaxed), slow.behind.load(Ordering::Relaxed)), (0, 7));
        drop(of_quick);
        assert_eq!((given_back.load(Ordering::Relaxed), quick.behind.load(Ordering::Relaxed)), (1, 0));
        assert_eq!(slow.behind.load(Ordering::Relaxed), 7);
        drop(of_slow);
        assert_eq!((given_back.load(Ordering::Relaxed), slow.behind.load(Ordering::Relaxed)), (1, 0));
    }
}
