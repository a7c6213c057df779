//! Pure translations of a session's events into what other wires say.

mod command_output;
mod history;
mod items;
mod loaded;
mod queue;
mod thread;
mod turn;

pub use self::{
    history::turns,
    loaded::{Loaded, Over, Stay},
    queue::{Place, Queue},
    thread::{Said, Surface, TurnKind, last_usage},
};
