//! The process layer, judged from outside: by what a command sees, and by what `/proc` shows of it afterwards.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod ending;
mod engine;
mod running;
mod world;
