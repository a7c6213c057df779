//! Threads through the real binary: what a UI had read is there again, even after `kill -9` at any moment.

mod clock;
mod crashes;
mod life;
mod run;
