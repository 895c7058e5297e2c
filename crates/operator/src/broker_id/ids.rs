//! Which ids may be picked.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// A range of broker ids, as `1-3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids(RangeInclusive<u32>);

/// Not a range of broker ids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIds {
    /// Not two numbers.
    #[error("expected two numbers, as in 1-3")]
    Syntax,
    /// The last is below the first.
    #[error("the last id is below the first")]
    Backwards,
    /// More than a thousand, or above what Kafka takes.
    #[error("at most {IDS_MAX} ids, none above {ID_MAX}")]
    TooMany,
}

/// Every start looks at each of them: a thousand directories are milliseconds on a disk and about a second over a network.
const IDS_MAX: u32 = 1_000;
/// `node.id` is a signed 32-bit number.
const ID_MAX: u32 = i32::MAX as u32;

impl Ids {
    /// In ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + use<> {
        self.0.clone()
    }
}

impl FromStr for Ids {
    type Err = InvalidIds;

    fn from_str(text: &str) -> Result<Self, InvalidIds> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| InvalidIds::Syntax);
        let (first, last) = (number(first)?, number(last)?);
        if last < first {
            return Err(InvalidIds::Backwards);
        }
        if last > ID_MAX || last - first >= IDS_MAX {
            return Err(InvalidIds::TooMany);
        }
        Ok(Self(first..=last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_bounded() {
        assert_eq!("1-3".parse::<Ids>().unwrap().iter().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!("7".parse::<Ids>().unwrap().iter().collect::<Vec<_>>(), [7]);
        assert_eq!("3-1".parse::<Ids>(), Err(InvalidIds::Backwards));
        assert_eq!("0-1000".parse::<Ids>(), Err(InvalidIds::TooMany));
        assert_eq!("2147483648".parse::<Ids>(), Err(InvalidIds::TooMany));
        assert_eq!("-1".parse::<Ids>(), Err(InvalidIds::Syntax));
    }
}
