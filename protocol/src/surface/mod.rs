//! Pure translations of a session's events into what other wires say.

mod command_output;
mod history;
mod items;
mod thread;
mod turn;

pub use self::{
    history::turns,
    thread::{Said, Surface, TurnKind, last_usage},
};
