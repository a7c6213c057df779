//! `llmx app-server`, seen from outside.

mod approvals;
mod conversations;
mod handshake;
mod turns;
