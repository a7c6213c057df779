//! Chance that can be had again.

use proptest::{
    prelude::RngExt,
    test_runner::{RngAlgorithm, TestRng},
};

pub(super) struct Chance(TestRng);

impl Chance {
    pub(super) fn of(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    /// A number below this one, which is not 0.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        self.0.random_range(0..limit)
    }

    pub(super) fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    pub(super) fn one_of<'t, T>(&mut self, things: &'t [T]) -> &'t T {
        &things[self.0.random_range(0..things.len())]
    }
}
