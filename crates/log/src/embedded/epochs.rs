//! Which leader epoch stored which offsets (KIP-101): lets a client find where its log and a restarted one part.

/// Epochs and the first offset of each, both growing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Epochs(Vec<(i32, i64)>);

impl From<Vec<(i32, i64)>> for Epochs {
    fn from(list: Vec<(i32, i64)>) -> Self {
        Self(list)
    }
}

impl Epochs {
    /// Takes note of a batch.
    pub(super) fn note(&mut self, epoch: i32, base_offset: i64) {
        if self.0.last().is_none_or(|(last, _)| epoch > *last) {
            self.0.push((epoch, base_offset));
        }
    }

    /// The epoch of the last batch.
    pub(super) fn last(&self) -> i32 {
        self.0.last().map_or(-1, |(epoch, _)| *epoch)
    }

    /// Forgets epochs of which no record is left but the one in force at `offset`.
    pub(super) fn raise_start(&mut self, offset: i64) {
        let below = self.0.partition_point(|(_, start)| *start <= offset);
        if below > 0 {
            self.0.drain(..below - 1);
            self.0[0].1 = offset.max(self.0[0].1);
        }
    }

    pub(super) fn list(&self) -> &[(i32, i64)] {
        &self.0
    }

    /// The answer to OffsetForLeaderEpoch, by the rules of Kafka's own epoch cache; `current` is the log's epoch now.
    pub(super) fn end_offset(&self, asked: i32, current: i32, end: i64) -> (i32, i64) {
        if asked < 0 || asked > current {
            return (-1, -1);
        }
        if asked == current {
            return (current, end);
        }
        let after = self.0.partition_point(|(epoch, _)| *epoch <= asked);
        let until = self.0.get(after).map_or(end, |(_, start)| *start);
        let found = after.checked_sub(1).map_or(asked, |at| self.0[at].0);
        (found, until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoch_ends_where_the_next_begins() {
        let mut epochs = Epochs::default();
        for (epoch, base) in [(0, 0), (0, 5), (2, 10), (5, 20), (5, 25)] {
            epochs.note(epoch, base);
        }
        let ask = |epochs: &Epochs, asked| epochs.end_offset(asked, 6, 30);
        assert_eq!(ask(&epochs, 0), (0, 10));
        assert_eq!(ask(&epochs, 1), (0, 10));
        assert_eq!(ask(&epochs, 2), (2, 20));
        assert_eq!(ask(&epochs, 5), (5, 30), "nothing was stored in 6");
        assert_eq!(ask(&epochs, 6), (6, 30));
        assert_eq!(ask(&epochs, 7), (-1, -1));
        epochs.raise_start(15);
        assert_eq!(epochs.list(), [(2, 15), (5, 20)]);
        assert_eq!(ask(&epochs, 1), (1, 15), "what was before is gone");
    }
}
