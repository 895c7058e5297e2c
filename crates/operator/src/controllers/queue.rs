//! Who has to be looked at, and when. Time is an argument, in milliseconds.

use std::collections::{BTreeMap, BTreeSet};

use super::registry::Key;

/// No larger than the resources there are: each is in it once.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    due: BTreeSet<Key>,
    later: BTreeMap<Key, u64>,
}

impl Queue {
    /// To be looked at now.
    pub(crate) fn mark(&mut self, key: Key) {
        self.later.remove(&key);
        self.due.insert(key);
    }

    /// To be looked at then, unless it is earlier anyway.
    pub(crate) fn mark_at(&mut self, key: Key, at_ms: u64) {
        if !self.due.contains(&key) {
            let at = self.later.entry(key).or_insert(at_ms);
            *at = at_ms.min(*at);
        }
    }

    /// Those that are due, up to `count_max`.
    pub(crate) fn take(&mut self, now_ms: u64, count_max: usize) -> Vec<Key> {
        let ripe: Vec<Key> = self
            .later
            .iter()
            .filter(|(_, at)| **at <= now_ms)
            .map(|(key, _)| key.clone())
            .collect();
        ripe.into_iter().for_each(|key| self.mark(key));
        let rest = match self.due.iter().nth(count_max).cloned() {
            Some(next) => self.due.split_off(&next),
            None => BTreeSet::new(),
        };
        std::mem::replace(&mut self.due, rest).into_iter().collect()
    }

    /// When the next is due.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        if self.due.is_empty() { self.later.values().min().copied() } else { Some(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("n", name)
    }

    #[test]
    fn each_is_taken_once_and_no_more_than_asked_for() {
        let mut queue = Queue::default();
        for name in ["a", "b", "a", "c"] {
            queue.mark(key(name));
        }
        assert_eq!(queue.take(0, 2), [key("a"), key("b")]);
        assert_eq!(queue.next_ms(), Some(0));
        assert_eq!(queue.take(0, 2), [key("c")]);
        assert_eq!(queue.next_ms(), None);
    }

    #[test]
    fn what_is_for_later_comes_then_or_when_it_is_touched() {
        let mut queue = Queue::default();
        queue.mark_at(key("a"), 50);
        queue.mark_at(key("a"), 90);
        queue.mark_at(key("b"), 60);
        assert_eq!(queue.take(49, 9), []);
        assert_eq!(queue.next_ms(), Some(50));
        assert_eq!(queue.take(50, 9), [key("a")]);
        queue.mark(key("b"));
        assert_eq!(queue.take(50, 9), [key("b")]);
        assert_eq!(queue.next_ms(), None);
    }
}
