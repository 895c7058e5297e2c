//! What was acknowledged and read, beside what lies there in the end.

use std::collections::HashMap;

use super::ledger::{Partition, Read};
use super::report::Verdict;

/// Adds one partition's part. `stored` is the partition from its beginning to its end.
pub(crate) fn judge(verdict: &mut Verdict, partition: &Partition, stored: &[Read]) {
    let mut at: HashMap<i64, (i64, u64)> = HashMap::new();
    for read in stored {
        at.entry(read.number).or_insert((read.offset, 0)).1 += 1;
    }
    verdict.stored += stored.len() as u64;
    verdict.twice += at.values().map(|(_, count)| count - 1).sum::<u64>();
    verdict.out_of_order += stored.windows(2).filter(|w| w[1].number < w[0].number).count() as u64;
    for batch in &partition.acknowledged {
        verdict.acknowledged += batch.count as u64;
        for step in 0..batch.count {
            match at.get(&(batch.first + step)) {
                None => verdict.lost += 1,
                Some((offset, _)) if *offset != batch.offset + step => verdict.moved += 1,
                Some(_) => {}
            }
        }
    }
    let same = partition.read.iter().zip(stored).filter(|(a, b)| a == b).count();
    verdict.misread += (partition.read.len().max(stored.len()) - same) as u64;
    verdict.contradictions.extend(partition.contradictions.iter().cloned());
    let (produce, consume) = partition.stops_ms();
    verdict.produce_stop_ms = verdict.produce_stop_ms.max(produce);
    verdict.consume_stop_ms = verdict.consume_stop_ms.max(consume);
}

#[cfg(test)]
mod tests {
    use super::super::ledger::{Acknowledged, Ledger};
    use super::*;

    fn stored(numbers: &[i64]) -> Vec<Read> {
        let read =
            |(offset, number): (usize, &i64)| Read { offset: offset as i64, number: *number };
        numbers.iter().enumerate().map(read).collect()
    }

    /// Numbers 0 to 3 acknowledged in two batches and read as they lie; then what is found in the end.
    fn verdict(found: &[i64]) -> Verdict {
        let ledger = Ledger::new(1);
        ledger.acknowledge(0, Acknowledged { offset: 0, first: 0, count: 2 });
        ledger.acknowledge(0, Acknowledged { offset: 2, first: 2, count: 2 });
        ledger.read(0, &stored(&[0, 1, 2, 3]));
        let mut verdict = Verdict::default();
        judge(&mut verdict, &ledger.partition(0), &stored(found));
        verdict
    }

    #[test]
    fn what_lies_as_it_was_acknowledged_is_good() {
        assert!(verdict(&[0, 1, 2, 3]).nothing_lost().is_ok());
    }

    #[test]
    fn missing_record_is_lost_and_was_misread() {
        let verdict = verdict(&[0, 1, 2]);
        assert_eq!((verdict.lost, verdict.misread), (1, 1));
        assert!(verdict.nothing_lost().is_err());
    }

    #[test]
    fn repeated_and_moved_records_are_noticed() {
        let verdict = verdict(&[0, 1, 1, 2, 3]);
        assert_eq!((verdict.lost, verdict.twice, verdict.moved), (0, 1, 2));
        assert!(verdict.nothing_lost().is_err());
    }

    #[test]
    fn order_is_looked_at() {
        assert_eq!(verdict(&[1, 0, 2, 3]).out_of_order, 1);
    }

    #[test]
    fn reader_that_missed_the_end_is_noticed() {
        assert_eq!(verdict(&[0, 1, 2, 3, 4]).misread, 1);
    }

    #[test]
    fn word_of_a_broker_that_forgot_is_enough() {
        let ledger = Ledger::new(1);
        ledger.acknowledge(0, Acknowledged { offset: 0, first: 0, count: 1 });
        ledger.read(0, &stored(&[0]));
        ledger.contradict(0, "out of order".to_owned());
        let mut verdict = Verdict::default();
        judge(&mut verdict, &ledger.partition(0), &stored(&[0]));
        assert!(verdict.nothing_lost().is_err());
    }
}
