//! The engine: starts sessions, spreads them over arbiters, rebuilds those that die.

mod actor;
mod handle;
mod messages;
mod options;
mod placement;
mod seat;

pub use self::{
    actor::Engine,
    handle::{EngineHandle, SessionClosed, SessionHandle, Shared},
    messages::{OpenSession, OutboxId},
    options::{ConfiguredProviders, EngineOptions, TransportFactory, commands_policy},
    placement::Placement,
};
