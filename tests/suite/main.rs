//! What is true of `llmx proto` and `llmx app-server`, seen from outside: one module a theme.
#![expect(clippy::unwrap_used, reason = "a set-up that fails must fail its test")]

mod app_server;
mod bad_input;
mod captured_streams;
mod compaction;
mod config;
mod context;
mod faults;
mod flows;
mod interrupts;
mod keys;
mod leaving;
mod listen;
mod login;
mod patches;
mod recording;
mod retries;
mod slow_ui;
mod threads;
mod tidy;
mod tools;
mod usage;
