//! The one writer of a session: it numbers its events and hands them to whoever subscribed.

mod actor;
mod events;
mod messages;
mod scribe;
mod subscriber;
mod subscribers;

pub use self::{
    actor::{Outbox, OutboxParts},
    events::Events,
    messages::{
        Adopt, Attach, Attached, Close, JournalFailed, Publish, Recall, Remember, ReportTo, Rest, Seal, Written,
    },
    scribe::Writing,
    subscriber::{Delivery, EventStream, Gone, Subscriber, event_stream},
};
