//! Random messages from a seed, for tests.

use bytes::Bytes;

use crate::wire::{Float64, Nullable, Str, Uuid, Version};

/// A small generator (splitmix64).
#[derive(Debug)]
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// A random value that a version can carry.
pub(crate) trait Sample {
    fn sample(seed: &mut Seed, version: Version) -> Self;
}

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl Sample for $type {
            fn sample(seed: &mut Seed, _: Version) -> Self {
                // Small, large and negative ones alike.
                let value = seed.next();
                (value >> (value % 64)) as $type
            }
        }
    )*};
}

numbers! { i8 i16 u16 i32 i64 }

impl Sample for Float64 {
    fn sample(seed: &mut Seed, _: Version) -> Self {
        // Every bit pattern, those that are no number among them.
        Self(f64::from_bits(seed.next()))
    }
}

impl Sample for bool {
    fn sample(seed: &mut Seed, _: Version) -> Self {
        seed.below(2) == 1
    }
}

impl Sample for Uuid {
    fn sample(seed: &mut Seed, _: Version) -> Self {
        Self(
            u128::from_le_bytes(
                [seed.next().to_le_bytes(), seed.next().to_le_bytes()].concat().try_into().unwrap(),
            )
            .to_be_bytes(),
        )
    }
}

impl Sample for Str {
    fn sample(seed: &mut Seed, _: Version) -> Self {
        let length = seed.below(200) as usize;
        let alphabet = ["a", "Z", "-", "ü", "語"];
        (0..length * usize::from(seed.below(3) == 0) + 1)
            .map(|_| alphabet[seed.below(5) as usize])
            .collect::<String>()
            .into()
    }
}

impl Sample for Bytes {
    fn sample(seed: &mut Seed, _: Version) -> Self {
        (0..seed.below(300)).map(|_| seed.next() as u8).collect()
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(seed: &mut Seed, version: Version) -> Self {
        (0..seed.below(4)).map(|_| T::sample(seed, version)).collect()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(seed: &mut Seed, version: Version) -> Self {
        (seed.below(4) > 0).then(|| T::sample(seed, version))
    }
}

impl<T: Sample> Sample for Nullable<T> {
    fn sample(seed: &mut Seed, version: Version) -> Self {
        Self(Option::sample(seed, version))
    }
}
