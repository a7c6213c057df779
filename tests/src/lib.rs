//! The world that the suites judge llmx in: the real binary, a scripted model behind real HTTP, real processes.
//!
//! Everything here looks at llmx from outside. It reads and writes the wire's JSON by hand, so that a mistake in the
//! engine's own types is seen and not shared.
#![expect(clippy::expect_used, reason = "a world that breaks fails the test that stands in it")]

pub mod invariants;
pub mod world;
