//! What devices were promised and the subscriber heard, beside what lies in Kafka in the end.

use std::collections::BTreeMap;

use super::NUMBERS;
use crate::end::{End, Outcome};
use crate::load::ledger::{Partition, Read};

/// What all devices come to.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Delivered {
    /// Messages that were acknowledged.
    pub acknowledged: u64,
    /// Records found.
    pub stored: u64,
    /// Acknowledged and not there.
    pub lost: u64,
    /// There more than once: a message that was sent again (at least once).
    pub twice: u64,
    /// A number that lies after a larger one of its device and lies nowhere before it.
    pub out_of_order: u64,
    /// Messages that the subscriber heard.
    pub heard: u64,
    /// Numbers it did not hear between two that it heard over one connection.
    pub missed: u64,
    /// The longest time that one device had no acknowledgement.
    pub produce_stop_ms: u64,
    /// The longest time that nothing of one device was heard.
    pub consume_stop_ms: u64,
}

impl Delivered {
    /// That everything acknowledged is there, in order, and was heard.
    ///
    /// # Errors
    /// When it is not.
    pub fn nothing_lost(&self) -> Outcome {
        let bad = self.lost + self.out_of_order + self.missed;
        let good = bad == 0 && self.acknowledged > 0 && self.heard > 0;
        End::unless(good, || format!("the devices' verdict: {self:?}"))
    }

    /// Adds one device's part. `stored` is every record of its topic's partitions, as they lie.
    pub(super) fn judge(&mut self, index: usize, device: &Partition, stored: &[Read]) {
        let of_device = |read: &&Read| read.number.div_euclid(NUMBERS) == index as i64;
        let numbers = stored.iter().filter(of_device).map(|read| read.number.rem_euclid(NUMBERS));
        let mut count: BTreeMap<i64, u64> = BTreeMap::new();
        let mut largest = -1;
        for number in numbers {
            let times = count.entry(number).or_insert(0);
            *times += 1;
            if *times == 1 && number < largest {
                self.out_of_order += 1;
            }
            largest = largest.max(number);
        }
        self.stored += count.values().sum::<u64>();
        self.twice += count.values().map(|times| times - 1).sum::<u64>();
        self.acknowledged += device.acknowledged.len() as u64;
        let there = |number: i64| count.contains_key(&number);
        self.lost += device.acknowledged.iter().filter(|one| !there(one.first)).count() as u64;
        self.heard += device.read.len() as u64;
        self.missed += missed(&device.read);
        let (produce, consume) = device.stops_ms();
        self.produce_stop_ms = self.produce_stop_ms.max(produce);
        self.consume_stop_ms = self.consume_stop_ms.max(consume);
    }
}

/// Numbers left out within one connection; one that was sent again may come late and tells nothing.
fn missed(heard: &[Read]) -> u64 {
    let mut missed = 0;
    let mut last: Option<Read> = None;
    for read in heard {
        if let Some(last) = last.filter(|last| last.offset == read.offset) {
            missed += (read.number - last.number - 1).max(0) as u64;
        }
        let same = last.filter(|last| last.offset == read.offset && last.number > read.number);
        last = Some(same.unwrap_or(*read));
    }
    missed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::ledger::{Acknowledged, Ledger};

    fn reads(numbers: &[(i64, i64)]) -> Vec<Read> {
        numbers.iter().map(|(offset, number)| Read { offset: *offset, number: *number }).collect()
    }

    /// Device 1 was acknowledged 0, 1 and 2 and heard so over one connection; then what is found in the end.
    fn delivered(found: &[i64]) -> Delivered {
        let ledger = Ledger::new(2);
        for first in 0..3 {
            ledger.acknowledge(1, Acknowledged { offset: 0, first, count: 1 });
        }
        ledger.read(1, &reads(&[(1, 0), (1, 1), (1, 2)]));
        let stored: Vec<(i64, i64)> = found.iter().map(|number| (0, NUMBERS + number)).collect();
        let mut delivered = Delivered::default();
        delivered.judge(1, &ledger.partition(1), &reads(&stored));
        delivered
    }

    #[test]
    fn what_is_there_once_or_twice_is_good() {
        assert!(delivered(&[0, 1, 2]).nothing_lost().is_ok());
        let again = delivered(&[0, 1, 0, 1, 2]);
        assert!(again.nothing_lost().is_ok());
        assert_eq!(again.twice, 2);
    }

    #[test]
    fn missing_number_is_lost() {
        let delivered = delivered(&[0, 2]);
        assert_eq!(delivered.lost, 1);
        assert!(delivered.nothing_lost().is_err());
    }

    #[test]
    fn first_copy_after_a_larger_number_is_out_of_order() {
        assert_eq!(delivered(&[1, 0, 2]).out_of_order, 1);
    }

    #[test]
    fn gaps_count_within_a_connection_only() {
        assert_eq!(missed(&reads(&[(1, 0), (1, 3)])), 2);
        assert_eq!(missed(&reads(&[(1, 0), (2, 3)])), 0);
        assert_eq!(missed(&reads(&[(1, 5), (1, 4), (1, 6)])), 0);
    }
}
