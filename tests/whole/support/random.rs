//! Chance that can be repeated.

use std::{
    env,
    hash::{BuildHasher, Hasher, RandomState},
    ops::Range,
};

/// A sequence of numbers that its seed decides (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    /// A new sequence and its seed; `PERENNIAL_TEST_SEED` repeats one.
    pub(crate) fn seeded() -> (Self, u64) {
        let seed = match env::var("PERENNIAL_TEST_SEED") {
            Ok(seed) => seed.parse().expect("PERENNIAL_TEST_SEED is a number"),
            Err(_) => RandomState::new().build_hasher().finish(),
        };
        (Self(seed), seed)
    }

    /// The sequence of `seed`.
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// A number in `range`.
    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        range.start + (mixed ^ (mixed >> 31)) % (range.end - range.start)
    }
}
