//! Which subscriptions match a topic name: an exact map for filters without wildcards, a trie for the rest.
//!
//! ```text
//! filter        where
//! a/b           exact["a/b"]
//! a/+/c         root -a-> . -+-> . -c-> here
//! a/#           root -a-> . rest
//! ```

use std::collections::HashMap;
use std::hash::Hash;

/// Values (subscriptions) by topic filter. `S` tells whose a subscription is: one subscriber has at most one
/// for each filter [MQTT-3.8.4-3].
#[derive(Debug)]
pub struct Matcher<S, V> {
    exact: HashMap<Box<str>, Vec<(S, V)>>,
    root: Node<S, V>,
    len: usize,
    generation: u64,
}

#[derive(Debug)]
struct Node<S, V> {
    children: HashMap<Box<str>, Node<S, V>>,
    plus: Option<Box<Node<S, V>>>,
    here: Vec<(S, V)>,
    rest: Vec<(S, V)>,
}

impl<S, V> Default for Node<S, V> {
    fn default() -> Self {
        Self { children: HashMap::new(), plus: None, here: Vec::new(), rest: Vec::new() }
    }
}

impl<S, V> Default for Matcher<S, V> {
    fn default() -> Self {
        Self { exact: HashMap::new(), root: Node::default(), len: 0, generation: 0 }
    }
}

impl<S: Eq + Hash + Copy, V> Matcher<S, V> {
    /// Number of subscriptions.
    pub fn len(&self) -> usize {
        self.len
    }

    /// No subscription at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Grows with every change: what was found under another generation may be out of date.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Adds or replaces a subscription; the filter was validated before. Returns the one replaced.
    pub fn insert(&mut self, filter: &str, subscriber: S, value: V) -> Option<V> {
        self.generation += 1;
        let list = if is_exact(filter) {
            self.exact.entry(filter.into()).or_default()
        } else {
            self.root.list(filter)
        };
        match list.iter_mut().find(|(of, _)| *of == subscriber) {
            Some((_, known)) => Some(std::mem::replace(known, value)),
            None => {
                list.push((subscriber, value));
                self.len += 1;
                None
            }
        }
    }

    /// Removes a subscription and returns it.
    pub fn remove(&mut self, filter: &str, subscriber: S) -> Option<V> {
        self.generation += 1;
        let removed = if is_exact(filter) {
            let list = self.exact.get_mut(filter)?;
            let removed = take(list, subscriber);
            if list.is_empty() {
                self.exact.remove(filter);
            }
            removed
        } else {
            let levels: Vec<&str> = filter.split('/').collect();
            self.root.remove(&levels, subscriber)
        };
        self.len -= usize::from(removed.is_some());
        removed
    }

    /// Calls `found` with each subscription whose filter matches the topic name.
    pub fn for_each<'a>(&'a self, name: &str, mut found: impl FnMut(S, &'a V)) {
        if let Some(list) = self.exact.get(name) {
            list.iter().for_each(|(s, v)| found(*s, v));
        }
        // Wildcards in the first level do not match names that begin with '$' [MQTT-4.7.2-1].
        self.root.walk(Some(name), name.starts_with('$'), &mut found);
    }
}

impl<S: Eq + Copy, V> Node<S, V> {
    fn list(&mut self, filter: &str) -> &mut Vec<(S, V)> {
        let mut node = self;
        for level in filter.split('/') {
            node = match level {
                "#" => return &mut node.rest,
                "+" => node.plus.get_or_insert_default(),
                _ => node.children.entry(level.into()).or_default(),
            };
        }
        &mut node.here
    }

    fn remove(&mut self, levels: &[&str], subscriber: S) -> Option<V> {
        match levels {
            [] => take(&mut self.here, subscriber),
            ["#", ..] => take(&mut self.rest, subscriber),
            ["+", rest @ ..] => {
                let child = self.plus.as_mut()?;
                let removed = child.remove(rest, subscriber);
                if child.is_bare() {
                    self.plus = None;
                }
                removed
            }
            [level, rest @ ..] => {
                let child = self.children.get_mut(*level)?;
                let removed = child.remove(rest, subscriber);
                if child.is_bare() {
                    self.children.remove(*level);
                }
                removed
            }
        }
    }

    fn is_bare(&self) -> bool {
        self.children.is_empty()
            && self.plus.is_none()
            && self.here.is_empty()
            && self.rest.is_empty()
    }

    /// `left` is what remains of the name below this node; `None` at its end. The depth is bounded by the
    /// filters inserted, not by the name.
    fn walk<'a>(&'a self, left: Option<&str>, dollar: bool, found: &mut impl FnMut(S, &'a V)) {
        if !dollar {
            self.rest.iter().for_each(|(s, v)| found(*s, v));
        }
        let Some(left) = left else {
            self.here.iter().for_each(|(s, v)| found(*s, v));
            return;
        };
        let (level, below) = match left.split_once('/') {
            Some((level, below)) => (level, Some(below)),
            None => (left, None),
        };
        if let Some(child) = self.children.get(level) {
            child.walk(below, false, found);
        }
        if let Some(plus) = self.plus.as_ref().filter(|_| !dollar) {
            plus.walk(below, false, found);
        }
    }
}

fn is_exact(filter: &str) -> bool {
    !filter.contains(['+', '#'])
}

fn take<S: Eq + Copy, V>(list: &mut Vec<(S, V)>, subscriber: S) -> Option<V> {
    let index = list.iter().position(|(of, _)| *of == subscriber)?;
    Some(list.swap_remove(index).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(matcher: &Matcher<u32, ()>, name: &str) -> Vec<u32> {
        let mut found = Vec::new();
        matcher.for_each(name, |subscriber, ()| found.push(subscriber));
        found.sort_unstable();
        found
    }

    fn of(filters: &[&str]) -> Matcher<u32, ()> {
        let mut matcher = Matcher::default();
        for (index, filter) in filters.iter().enumerate() {
            matcher.insert(filter, index as u32, ());
        }
        matcher
    }

    #[test]
    fn the_specifications_examples_hold() {
        // MQTT 5.0 section 4.7.1
        let matcher = of(&["sport/tennis/player1/#", "sport/#", "#", "+", "+/+", "/+", "sport/+"]);
        assert_eq!(found(&matcher, "sport/tennis/player1"), [0, 1, 2]);
        assert_eq!(found(&matcher, "sport/tennis/player1/score/wimbledon"), [0, 1, 2]);
        assert_eq!(found(&matcher, "sport"), [1, 2, 3]);
        assert_eq!(found(&matcher, "/finance"), [2, 4, 5]);
        assert_eq!(found(&matcher, "sport/"), [1, 2, 4, 6]);
    }

    #[test]
    fn wildcards_first_do_not_match_dollar_names() {
        let matcher = of(&["#", "+/monitor/Clients", "$SYS/#", "$SYS/monitor/+"]);
        assert_eq!(found(&matcher, "$SYS/monitor/Clients"), [2, 3]);
    }

    #[test]
    fn replaced_subscription_is_one_and_removal_leaves_nothing() {
        let mut matcher = Matcher::default();
        for filter in ["a/b", "a/+/c", "a/#"] {
            assert_eq!(matcher.insert(filter, 7, 1), None);
            assert_eq!(matcher.insert(filter, 7, 2), Some(1));
            assert_eq!(matcher.insert(filter, 8, 3), None);
        }
        assert_eq!(matcher.len(), 6);
        for filter in ["a/b", "a/+/c", "a/#"] {
            assert_eq!(matcher.remove(filter, 7), Some(2));
            assert_eq!(matcher.remove(filter, 7), None);
            assert_eq!(matcher.remove(filter, 8), Some(3));
        }
        assert!(matcher.is_empty() && matcher.exact.is_empty() && matcher.root.is_bare());
    }

    /// Matching by the specification's words, one filter at a time.
    fn matches(filter: &str, name: &str) -> bool {
        if name.starts_with('$') && filter.starts_with(['+', '#']) {
            return false;
        }
        let (mut levels, mut given) = (filter.split('/'), name.split('/'));
        loop {
            match (levels.next(), given.next()) {
                (Some("#"), _) | (None, None) => return true,
                (Some("+"), Some(_)) => {}
                (Some(a), Some(b)) if a == b => {}
                _ => return false,
            }
        }
    }

    proptest! {
        #[test]
        fn trie_agrees_with_one_filter_at_a_time(
            filters in proptest::collection::vec("([a-b+]?/){0,3}([a-b+]|#)", 0..12),
            name in "(\\$|[a-b])?(/[a-b]?){0,4}",
        ) {
            let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
            let matcher = of(&filters);
            let expected: Vec<u32> = (0..filters.len() as u32)
                .filter(|i| matches(filters[*i as usize], &name))
                .collect();
            prop_assert_eq!(found(&matcher, &name), expected);
        }
    }
}
