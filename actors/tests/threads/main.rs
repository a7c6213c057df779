//! Threads outlive their engines: what was published is there again, whoever opens it and however it ended.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod company;
mod faults;
mod home;
mod life;
