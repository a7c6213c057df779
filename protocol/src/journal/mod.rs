//! A thread as the lines of its journal: what a session remembers and says, written down and read again.

mod foreign;
mod interrupted;
mod pieces;
mod reader;
mod secrets;
mod settings;
mod timestamp;
mod writer;

pub use self::{
    reader::{Damage, Reader, Restored},
    settings::are_kept_whole,
    timestamp::{parse_timestamp, timestamp},
    writer::{LineWriter, is_journalled},
};

#[cfg(test)]
mod tests;
