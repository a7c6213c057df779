//! The app-server: clients on one side, threads on the other.
//!
//! ```text
//!  client ──line──▶ Connection ──▶ AppServer ──▶ LoadedThread ──▶ Session
//!  client ◀─lines── Connection ◀── (ToClient) ── LoadedThread ◀── (Subscriber)
//! ```
//!
//! A connection is a client; a loaded thread is a session with everyone who follows it. Events are translated and
//! serialized once for all of them. Whoever is asked by a client answers through its [`Caller`]; one that is dropped
//! unanswered answers by itself, so that no client waits for an actor that died.

mod accounts;
mod actor;
mod caller;
mod commands;
mod configuration;
mod connection;
mod file_search;
mod handle;
mod messages;
mod settings;
mod stored;
mod thread;
mod threads;

pub use self::{
    actor::AppServer,
    connection::{ClientSink, Connection, Outgoing},
    handle::{AppServerHandle, AppServerOptions, Client, LONGEST_LINE},
    thread::LoadedThread,
};

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in milliseconds since the Unix epoch.
fn unix_millis() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
