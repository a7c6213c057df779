//! The rules. Each machine is `apply(input, now) -> effects`: it decides, the actor of the same name obeys.
//!
//! After its end, and for anything it does not know, a machine returns no effects: with actors, mail that crosses the
//! end of its addressee is ordinary. Deadlines are data: after every `apply` the owner asks `deadline()` and sees to it
//! that a `Tick` comes then; further ticks are harmless.

pub mod approval;
pub mod connection;
pub mod deadline;
pub mod gate;
pub mod login;
pub mod restart;
pub mod retry;
pub mod session;
pub mod settings;
pub mod task;
pub mod turn;

#[cfg(test)]
pub(crate) mod fixture;
