//! Objects that a watch shows, forgotten when a new listing does not show them.

use std::collections::{BTreeMap, BTreeSet};

use super::registry::Key;

/// What one watch covers: a namespace, or all of them.
pub(crate) type Scope = Option<String>;

#[derive(Debug)]
pub(crate) struct Listing<V> {
    known: BTreeMap<Key, V>,
    /// Those that a listing in progress has not shown yet.
    unseen: BTreeSet<Key>,
    /// Scopes whose first listing is not through.
    unlisted: BTreeSet<Scope>,
}

impl<V> Listing<V> {
    pub(crate) fn new(scopes: &BTreeSet<Scope>) -> Self {
        Self { known: BTreeMap::new(), unseen: BTreeSet::new(), unlisted: scopes.clone() }
    }

    /// Every first listing is through.
    pub(crate) fn is_listed(&self) -> bool {
        self.unlisted.is_empty()
    }

    pub(crate) fn handle_listing(&mut self, scope: &Scope) {
        let unseen = self.known.keys().filter(|key| covers(scope, key)).cloned();
        self.unseen.extend(unseen);
    }

    /// Those that the listing did not show, which are forgotten.
    pub(crate) fn handle_listed(&mut self, scope: &Scope) -> BTreeMap<Key, V> {
        self.unlisted.remove(scope);
        let gone: Vec<Key> = self.unseen.iter().filter(|key| covers(scope, key)).cloned().collect();
        self.unseen.retain(|key| !covers(scope, key));
        gone.into_iter().filter_map(|key| self.known.remove_entry(&key)).collect()
    }

    /// What it was before.
    pub(crate) fn put(&mut self, key: Key, value: V) -> Option<V> {
        self.unseen.remove(&key);
        self.known.insert(key, value)
    }

    /// A listing shows it, in a state that is older than the known one.
    pub(crate) fn see(&mut self, key: &Key) {
        self.unseen.remove(key);
    }

    pub(crate) fn remove(&mut self, key: &Key) -> Option<V> {
        self.unseen.remove(key);
        self.known.remove(key)
    }

    pub(crate) fn value(&self, key: &Key) -> Option<&V> {
        self.known.get(key)
    }

    pub(crate) fn of_namespace(&self, namespace: &str) -> impl Iterator<Item = &Key> {
        let from = Key { namespace: namespace.to_owned(), name: String::new() };
        let from = self.known.range(from..).map(|(key, _)| key);
        from.take_while(move |key| key.namespace == namespace)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = (&Key, &V)> {
        self.known.iter()
    }
}

fn covers(scope: &Scope, key: &Key) -> bool {
    scope.as_ref().is_none_or(|namespace| *namespace == key.namespace)
}
