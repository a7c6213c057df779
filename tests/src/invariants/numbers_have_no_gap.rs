use super::Invariant;
use crate::world::Event;

/// `seq` counts a session's events from 1 without a gap.
#[derive(Debug, Default)]
pub struct NumbersHaveNoGap {
    last: u64,
}

impl Invariant for NumbersHaveNoGap {
    fn observe(&mut self, event: &Event) -> Result<(), String> {
        let expected = self.last + 1;
        if event.seq != expected {
            return Err(format!("seq is {} and should be {expected}", event.seq));
        }
        self.last = expected;
        Ok(())
    }
}
