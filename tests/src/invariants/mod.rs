//! What must be true of every stream of events, whatever a test is about; one file each (DESIGN §4).

mod calls_keep_their_order;
mod nothing_follows_the_end;
mod numbers_have_no_gap;
mod one_task_at_a_time;

pub use calls_keep_their_order::CallsKeepTheirOrder;
pub use nothing_follows_the_end::NothingFollowsTheEnd;
pub use numbers_have_no_gap::NumbersHaveNoGap;
pub use one_task_at_a_time::OneTaskAtATime;

use crate::world::Event;

/// Something that is true of every session.
pub trait Invariant {
    /// Takes the session's next event.
    ///
    /// # Errors
    /// Says in one sentence how the event breaks it.
    fn observe(&mut self, event: &Event) -> Result<(), String>;
}

/// All of them, fresh for a new session.
#[must_use]
pub fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(NumbersHaveNoGap::default()),
        Box::new(OneTaskAtATime::default()),
        Box::new(NothingFollowsTheEnd::default()),
        Box::new(CallsKeepTheirOrder::default()),
    ]
}
