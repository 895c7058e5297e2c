//! The resources of one kind, and what each of them names. Pure: what a watch says goes in, who has to be looked at comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kube::ResourceExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::claims::Age;
use super::listing::{Listing, Scope};
use crate::packed::Packed;

/// A namespaced object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
}

impl Key {
    /// The two together.
    #[cfg(test)]
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// Of an object that has both.
    pub(crate) fn of(object: &impl ResourceExt) -> Self {
        Self { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A resource that names something in a Kafka cluster.
pub(crate) trait Claimant:
    ResourceExt + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The cluster.
    fn cluster(&self) -> Key;
    /// The topic or user.
    fn claimed(&self) -> &str;
    /// Nothing that the controller acts on is different.
    fn is_as(&self, other: &Self) -> bool;

    /// What decides who was first.
    fn age(&self) -> Age {
        Age {
            created_s: self.creation_timestamp().map_or(i64::MAX, |time| time.0.as_second()),
            uid: self.uid().unwrap_or_default(),
        }
    }
}

/// The resources of one kind.
#[derive(Debug)]
pub(crate) struct Registry<R> {
    entries: Listing<Packed<R>>,
    /// Of each cluster, who names what; sorted. Nearly always it is one, for which a set would take half a KiB.
    names: BTreeMap<Key, BTreeMap<String, Vec<Key>>>,
}

/// Those that have to be looked at, with their clusters.
pub(crate) type Touched = Vec<(Key, Key)>;

impl<R: Claimant> Registry<R> {
    pub(crate) fn new(scopes: &BTreeSet<Scope>) -> Self {
        Self { entries: Listing::new(scopes), names: BTreeMap::new() }
    }

    /// The first listing is through: everybody who could be the first owner is known.
    pub(crate) fn is_listed(&self) -> bool {
        self.entries.is_listed()
    }

    pub(crate) fn handle_listing(&mut self, scope: &Scope) {
        self.entries.handle_listing(scope);
    }

    pub(crate) fn handle_listed(&mut self, scope: &Scope) -> Touched {
        let gone = self.entries.handle_listed(scope);
        let gone = gone.iter().filter_map(|(key, known)| Some((key, known.value()?)));
        gone.flat_map(|(key, known)| self.unname(key, &known)).collect()
    }

    /// A resource as it is now. An older state than the known one, such as a watch brings after the answer to a patch, is
    /// passed over.
    pub(crate) fn handle(&mut self, resource: &R) -> Touched {
        let key = Key::of(resource);
        let known = self.resource(&key);
        let is_new = match &known {
            Some(known) if is_older(resource, known) => {
                self.entries.see(&key);
                return Vec::new();
            }
            Some(known) => !known.is_as(resource) || known.uid() != resource.uid(),
            None => true,
        };
        let mut touched = Touched::new();
        if is_new {
            touched.extend(known.iter().flat_map(|known| self.unname(&key, known)));
            let names = self.names.entry(resource.cluster()).or_default();
            let keys = names.entry(resource.claimed().to_owned());
            let keys = keys.or_insert_with(|| Vec::with_capacity(1));
            if let Err(at) = keys.binary_search(&key) {
                keys.insert(at, key.clone());
            }
            touched.extend(self.same_name(resource).map(|key| (key.clone(), resource.cluster())));
        }
        self.entries.put(key, Packed::new(resource));
        touched
    }

    pub(crate) fn handle_gone(&mut self, key: &Key) -> Touched {
        let known = self.entries.remove(key).and_then(|known| known.value());
        known.map(|known| self.unname(key, &known)).unwrap_or_default()
    }

    /// Takes a name from a resource; those who also name it have to be looked at.
    fn unname(&mut self, key: &Key, known: &R) -> Touched {
        let (cluster, name) = (known.cluster(), known.claimed());
        let Some(names) = self.names.get_mut(&cluster) else { return Touched::new() };
        if let Some(keys) = names.get_mut(name) {
            keys.retain(|other| other != key);
            if keys.is_empty() {
                names.remove(name);
            }
        }
        if names.is_empty() {
            self.names.remove(&cluster);
        }
        self.same_name(known).map(|key| (key.clone(), cluster.clone())).collect()
    }

    pub(crate) fn resource(&self, key: &Key) -> Option<R> {
        self.entries.value(key)?.value()
    }

    pub(crate) fn contains(&self, key: &Key) -> bool {
        self.entries.value(key).is_some()
    }

    /// All who name the same as `resource`, itself included.
    pub(crate) fn same_name(&self, resource: &R) -> impl Iterator<Item = &Key> + use<'_, R> {
        let names = self.names.get(&resource.cluster());
        names.and_then(|names| names.get(resource.claimed())).into_iter().flatten()
    }

    /// All of a cluster.
    pub(crate) fn of_cluster(&self, cluster: &Key) -> Vec<Key> {
        self.names.get(cluster).into_iter().flat_map(BTreeMap::values).flatten().cloned().collect()
    }

    /// Those that an object may concern: of its own namespace, and of its namespace's clusters that it is named after.
    pub(crate) fn around(&self, object: &Key) -> BTreeSet<Key> {
        let from = Key { namespace: object.namespace.clone(), name: String::new() };
        let clusters = self.names.range(from..);
        let clusters = clusters.take_while(|(cluster, _)| cluster.namespace == object.namespace);
        let named_after = clusters.filter(|(cluster, _)| object.name.starts_with(&cluster.name));
        let of_clusters = named_after.flat_map(|(_, names)| names.values().flatten());
        self.entries.of_namespace(&object.namespace).chain(of_clusters).cloned().collect()
    }
}

/// Resource versions of one resource are numbers that grow; where they are none, the later news counts.
fn is_older(new: &impl ResourceExt, known: &impl ResourceExt) -> bool {
    let number = |version: Option<String>| version.and_then(|version| version.parse::<u64>().ok());
    let (Some(new_version), Some(known_version)) =
        (number(new.resource_version()), number(known.resource_version()))
    else {
        return false;
    };
    new.uid() == known.uid() && new_version < known_version
}

#[cfg(test)]
mod tests {
    use super::*;
    use klamm_crd::{KafkaTopic, KafkaTopicSpec};

    fn topic(name: &str, topic_name: &str, version: u32) -> KafkaTopic {
        let spec = KafkaTopicSpec {
            cluster: klamm_crd::ClusterRef { name: "c".into(), namespace: None },
            topic_name: Some(topic_name.into()),
            ..KafkaTopicSpec::default()
        };
        let mut topic = KafkaTopic::new(name, spec);
        topic.metadata.namespace = Some("n".into());
        topic.metadata.uid = Some(name.into());
        topic.metadata.resource_version = Some(version.to_string());
        topic.metadata.generation = Some(i64::from(version));
        topic
    }

    fn names(touched: &Touched) -> Vec<&str> {
        touched.iter().map(|(key, _)| key.name.as_str()).collect()
    }

    #[test]
    fn rivals_are_looked_at_when_one_comes_and_when_one_goes() {
        let mut registry = Registry::new(&[None].into());
        assert_eq!(names(&registry.handle(&topic("a", "t", 1))), ["a"]);
        assert_eq!(names(&registry.handle(&topic("b", "t", 2))), ["a", "b"]);
        assert_eq!(names(&registry.handle_gone(&Key::new("n", "a"))), ["b"]);
        assert_eq!(registry.of_cluster(&Key::new("n", "c")), [Key::new("n", "b")]);
    }

    #[test]
    fn older_state_and_mere_status_touch_nobody() {
        let mut registry = Registry::new(&[None].into());
        registry.handle(&topic("a", "t", 5));
        assert!(registry.handle(&topic("a", "other", 4)).is_empty());
        let mut told = topic("a", "t", 5);
        told.metadata.resource_version = Some("6".into());
        told.status = Some(klamm_crd::KafkaTopicStatus::default());
        assert!(registry.handle(&told).is_empty());
        assert!(registry.resource(&Key::new("n", "a")).unwrap().status.is_some());
    }

    #[test]
    fn what_a_new_listing_does_not_show_is_gone() {
        let mut registry = Registry::new(&[None].into());
        registry.handle_listing(&None);
        registry.handle(&topic("a", "t", 1));
        registry.handle(&topic("b", "t", 2));
        assert!(!registry.is_listed());
        registry.handle_listed(&None);
        registry.handle_listing(&None);
        registry.handle(&topic("b", "t", 2));
        assert_eq!(names(&registry.handle_listed(&None)), ["b"]);
        assert!(registry.resource(&Key::new("n", "a")).is_none());
        assert!(registry.contains(&Key::new("n", "b")));
    }

    #[test]
    fn object_may_concern_its_namespace_and_the_cluster_that_it_is_named_after() {
        let mut registry = Registry::new(&[None].into());
        let mut of_cluster = topic("b", "t", 1);
        of_cluster.metadata.namespace = Some("elsewhere".into());
        of_cluster.spec.cluster.namespace = Some("n".into());
        registry.handle(&topic("a", "t", 1));
        registry.handle(&of_cluster);
        let around = |namespace, name| registry.around(&Key::new(namespace, name));
        let (a, b) = (Key::new("n", "a"), Key::new("elsewhere", "b"));
        assert_eq!(around("n", "c-trust"), [a.clone(), b.clone()].into());
        assert_eq!(around("n", "other"), [a].into());
        assert_eq!(around("elsewhere", "c-trust"), [b].into());
        assert_eq!(around("m", "c-trust"), BTreeSet::new());
    }
}
