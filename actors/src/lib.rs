//! The llmx engine: supervised actix actors, thin shells around the machines of `llmx-protocol`.
//!
//! A host starts an [`Engine`](engine::Engine), opens sessions with a [`Subscriber`](outbox::Subscriber) each and
//! submits to them. Nothing global is read or set: configuration, environment and runtime come from the host.

pub mod app_server;
pub mod auth;
pub mod config;
pub mod engine;
pub mod executor;
pub mod flow;
mod http_clients;
pub mod journal;
pub mod local_files;
pub mod message_history;
pub mod model_stream;
pub mod outbox;
pub mod replay;
pub mod session;
pub mod supervise;
pub mod task;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod threads;
pub mod turn;

/// The README's example of embedding is compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
