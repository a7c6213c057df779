//! The sandbox as an attacker sees it: one module for each asset of the threat model. An attack is first carried out
//! without a sandbox, where it must succeed, and then within; whether it succeeded is judged from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an attacker says what came of it, a skipped test why")]

mod attacker;
mod availability;
mod command_line;
mod degraded;
mod engine;
mod files;
mod ground;
mod kernel;
mod later;
mod network;
mod processes;
mod refusals;
mod secrets;
mod terminal;
mod work;
