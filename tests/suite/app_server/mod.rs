//! `llmx app-server`, seen from outside.

mod approvals;
mod commands;
mod configuration;
mod conversations;
mod handshake;
mod threads;
mod turns;
