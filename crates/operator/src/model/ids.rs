//! Identities: of a node, of a disk, of a cluster.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Kafka's `node.id`.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The identity of a controller's disk (KIP-853): a voter is a node *and* a directory. Never used for two disks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct DirectoryId(u128);

/// The identity of a cluster, as `kafka-storage.sh format --cluster-id` takes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ClusterId(u128);

/// Not 22 characters of unpadded base64url that hold 16 bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an id: expected 22 characters of base64url")]
pub struct InvalidId(String);

/// Kafka keeps the first hundred UUIDs for itself (`Uuid.RESERVED`).
const RESERVED: u128 = 100;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

macro_rules! uuid_text {
    ($name:ident) => {
        impl $name {
            /// From 128 random bits. `None` for those that Kafka would not pick itself: reserved ones, and those whose
            /// text begins with `-` and looks like an option. Draw again.
            pub fn from_random(bits: u128) -> Option<Self> {
                let bits = bits & !(0xf << 76) | (0x4 << 76); // RFC 9562 section 5.4: version 4
                let bits = bits & !(0x3 << 62) | (0x2 << 62); // RFC 9562 section 4.1: variant
                (bits >= RESERVED && !encode(bits).starts_with('-')).then_some(Self(bits))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&encode(self.0))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                decode(text).map(Self).ok_or_else(|| InvalidId(text.to_owned()))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                encode(id.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }
    };
}

uuid_text!(DirectoryId);
uuid_text!(ClusterId);

/// 128 bits are 21 characters of 6 bits and one of 2 bits, filled up with zeros on the right.
pub(crate) fn encode(bits: u128) -> String {
    let character = |value: u128| char::from(ALPHABET[(value & 63) as usize]);
    let mut text: String = (0..21).map(|i| character(bits >> (122 - 6 * i))).collect();
    text.push(character((bits & 3) << 4));
    text
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != 22 {
        return None;
    }
    let mut bits = 0u128;
    for (index, byte) in text.bytes().enumerate() {
        let value = ALPHABET.iter().position(|letter| *letter == byte)? as u128;
        bits = match index {
            21 if value & 15 != 0 => return None,
            21 => bits << 2 | value >> 4,
            _ => bits << 6 | value,
        };
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kafkas_base64url_and_comes_back() {
        // The fixed default of the official image, a known pair of text and value.
        let id: ClusterId = "5L6g3nShT-eMCtK--X86sw".parse().unwrap();
        assert_eq!(id.0, 0xe4be_a0de_74a1_4fe7_8c0a_d2be_f97f_3ab3);
        assert_eq!(id.to_string(), "5L6g3nShT-eMCtK--X86sw");
        let id = DirectoryId::from_random(u128::MAX / 3).unwrap();
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn text_of_the_wrong_length_letters_or_tail_is_refused() {
        for text in
            ["", "5L6g3nShT-eMCtK--X86s", "5L6g3nShT+eMCtK--X86sw", "5L6g3nShT-eMCtK--X86sx"]
        {
            assert!(text.parse::<DirectoryId>().is_err(), "{text}");
        }
    }

    #[test]
    fn text_that_looks_like_an_option_is_not_drawn() {
        assert_eq!(DirectoryId::from_random(0xf8 << 120), None);
    }
}
