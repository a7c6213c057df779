//! `llmx app-server`, seen from outside.

mod accounts;
mod approvals;
mod commands;
mod compaction;
mod configuration;
mod conversations;
mod file_search;
mod fuzz;
mod handshake;
mod schema;
mod threads;
mod turns;
mod unloading;
