//! Randomness from one seed: a tree that gives every machine a generator of its own.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng as _, SeedableRng as _};

/// A node of the seed tree. Equal paths from equal roots give equal streams, whatever else runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedTree(u64);

impl SeedTree {
    /// The root: the one seed that enters from outside.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The child called `name`, number `index`.
    pub fn child(self, name: &str, index: u64) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ self.0;
        for byte in name.bytes().chain(index.to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Self(Xoshiro256PlusPlus::seed_from_u64(hash).next_u64())
    }

    /// The generator of this node.
    pub fn rng(self) -> Rng {
        Rng(Xoshiro256PlusPlus::seed_from_u64(self.0))
    }
}

/// A named, portable generator (xoshiro256++): old seeds survive upgrades.
#[derive(Clone, Debug)]
pub struct Rng(Xoshiro256PlusPlus);

impl Rng {
    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A generator of its own, for a machine that lives beside this one's.
    pub fn split(&mut self) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(self.next_u64()))
    }

    /// A number in `0..bound`; zero when `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // Widening multiply: bias below 2^-32 for every bound used here, and no division.
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// True `numerator` times out of `denominator`.
    pub fn chance(&mut self, numerator: u64, denominator: u64) -> bool {
        self.below(denominator) < numerator
    }

    /// `base` varied by up to `percent` per cent in both directions.
    pub fn jitter(&mut self, base: u64, percent: u64) -> u64 {
        let spread = base.saturating_mul(percent) / 100;
        base - spread.min(base) + self.below(2 * spread + 1)
    }

    /// Sixteen random bytes, for ids.
    pub fn bytes16(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next_u64().to_be_bytes());
        bytes[8..].copy_from_slice(&self.next_u64().to_be_bytes());
        bytes
    }
}
