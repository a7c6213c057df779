//! `--listen`: clients that connect, seen from outside.

mod app_server;
mod proto;
mod who_may;
