//! An actix system for one test.

use actix_rt::System;
use std::io;
use tokio::runtime::{Builder, Runtime};

/// Runs a test in a system of its own whose time stands still while there is something to do, and else jumps to the
/// next timer. Only for what happens on this one thread.
///
/// # Panics
/// If the test does, or if the runtime cannot be made.
pub fn in_stopped_time<T>(test: impl Future<Output = T>) -> T {
    run(|builder| builder.start_paused(true).build(), test)
}

/// As [`in_stopped_time`], in real time, for tests that span threads.
///
/// # Panics
/// If the test does, or if the runtime cannot be made.
pub fn in_real_time<T>(test: impl Future<Output = T>) -> T {
    run(Builder::build, test)
}

fn run<T>(build: fn(&mut Builder) -> io::Result<Runtime>, test: impl Future<Output = T>) -> T {
    let make = || {
        build(Builder::new_current_thread().enable_all())
            .unwrap_or_else(|error| panic!("no runtime for a test: {error}"))
    };
    System::with_tokio_rt(make).block_on(test)
}
