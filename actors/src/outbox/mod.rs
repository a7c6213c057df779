//! The one writer of a session: it numbers its events and hands them to whoever subscribed.

mod actor;
mod events;
mod messages;
mod subscriber;

pub use self::{
    actor::Outbox,
    events::Events,
    messages::{Close, Publish, Recall, Remember, Seal, Subscribe},
    subscriber::{Delivery, EventStream, Gone, Subscriber, event_stream},
};
