//! Pure translations of a session's events into what other wires say.

mod command_output;
mod items;
mod thread;
mod turn;

pub use self::thread::{Said, Surface};
