//! Seeds and what can be made of them by hand, without a fuzzer.

use crate::{TARGETS, seeds};

/// A seed as it is, cut short everywhere, and with each byte replaced by those that lie at an edge.
fn nasty(seed: &[u8], mut check: impl FnMut(&[u8])) {
    check(seed);
    let stride = 1 + seed.len() / 24;
    for end in (0..seed.len()).step_by(stride) {
        check(&seed[..end]);
    }
    let mut bytes = seed.to_vec();
    for at in (0..seed.len()).step_by(stride) {
        for edge in [0, 1, 0x7f, 0x80, 0xff] {
            bytes[at] = edge;
            check(&bytes);
        }
        bytes[at] = seed[at];
    }
}

#[test]
fn seeds_and_their_broken_forms_pass_every_check() {
    for (target, check) in TARGETS {
        let seeds = seeds::of(target);
        assert!(seeds.len() > 10, "{target} has {} seeds", seeds.len());
        for seed in &seeds {
            nasty(seed, check);
        }
    }
}

#[test]
fn inputs_made_by_hand_pass_every_check() {
    let inputs: &[&[u8]] = &[
        b"",
        b"\0",
        &[0xff; 70],
        &[0; 70],
        // A frame and a packet of the largest length, and lengths that do not end.
        b"\x07\x7f\xff\xff\xff\0\x03\0\x09",
        b"\x01\x30\xff\xff\xff\x7f",
        b"\x01\x30\xff\xff\xff\xff\xff",
        // Counts of 2^31 - 1 elements and of -2.
        b"\0\0\x03\0\x01\0\0\0\x01\xff\xff\x7f\xff\xff\xff",
        b"\0\0\x03\0\x09\0\0\0\x01\xff\xff\0\xff\xff\xff\xff\x0f",
        b"\0\0\x03\0\x01\0\0\0\x01\xff\xff\xff\xff\xff\xfe",
    ];
    for (_, check) in TARGETS {
        for input in inputs {
            check(input);
        }
    }
}
