//! How fast a recording is replayed.

use std::time::Duration;

/// What becomes of the recorded pauses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Pace {
    /// They are kept.
    #[default]
    Recorded,
    /// They are left out.
    Immediate,
    /// They are multiplied: 0.5 is twice as fast. A factor that makes no sense (negative, not a number) counts as 0.
    Factor(f64),
}

impl Pace {
    pub(super) fn pause(self, after_ms: u64) -> Duration {
        let recorded = Duration::from_millis(after_ms);
        match self {
            Self::Recorded => recorded,
            Self::Immediate => Duration::ZERO,
            Self::Factor(factor) => Duration::try_from_secs_f64(recorded.as_secs_f64() * factor).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_kept_dropped_or_scaled() {
        let cases = [
            (Pace::Recorded, 30),
            (Pace::Immediate, 0),
            (Pace::Factor(0.5), 15),
            (Pace::Factor(2.0), 60),
            (Pace::Factor(-1.0), 0),
            (Pace::Factor(f64::NAN), 0),
            (Pace::Factor(f64::INFINITY), 0),
        ];
        for (pace, expected) in cases {
            assert_eq!(pace.pause(30), Duration::from_millis(expected), "{pace:?}");
        }
    }
}
