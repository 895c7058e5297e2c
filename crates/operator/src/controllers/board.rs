//! What a controller of topics or users knows, and who has to be looked at. Pure: watches put in, workers take out.
//!
//! ```text
//!   watch of resources ---+                       +--> worker of cluster a: up to 500 together
//!   watch of clusters ----+--> board: who names --+
//!   watch of namespaces --+    what, since when   +--> worker of cluster b
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use klamm_crd::KafkaCluster;

use super::claims::{Kind, Namespaces, first, may_name};
use super::listing::{Listing, Scope};
use super::queue::Queue;
use super::registry::{Claimant, Key, Registry, Touched};

/// Resources that are looked at together. Their Metadata and DescribeConfigs answers stay within a few MiB.
pub(crate) const BATCH_COUNT_MAX: usize = 500;

/// May a resource have what it names?
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may.
    Owner,
    /// This one was first.
    Taken(Key),
    /// No rule of the cluster's lets its namespace have it.
    NotAllowed,
}

/// A resource to look at.
#[derive(Debug)]
pub(crate) struct Item<R> {
    pub(crate) key: Key,
    pub(crate) resource: Arc<R>,
    pub(crate) standing: Standing,
}

/// Resources of one cluster to look at.
#[derive(Debug)]
pub(crate) struct Batch<R> {
    /// None if there is no such resource.
    pub(crate) cluster: Option<Arc<KafkaCluster>>,
    pub(crate) cluster_key: Key,
    pub(crate) items: Vec<Item<R>>,
}

#[derive(Debug)]
pub(crate) struct Board<R> {
    kind: Kind,
    pub(crate) resources: Registry<R>,
    clusters: Listing<Arc<KafkaCluster>>,
    namespaces: Namespaces,
    namespaces_listed: bool,
    queues: BTreeMap<Key, Queue>,
}

/// The clusters whose queues got something.
pub(crate) type Woken = BTreeSet<Key>;

impl<R: Claimant> Board<R> {
    pub(crate) fn new(kind: Kind, scopes: &BTreeSet<Scope>) -> Self {
        Self {
            kind,
            resources: Registry::new(scopes),
            clusters: Listing::new(scopes),
            namespaces: Namespaces::new(),
            namespaces_listed: false,
            queues: BTreeMap::new(),
        }
    }

    /// Marks what a watch has touched.
    pub(crate) fn mark(&mut self, touched: Touched) -> Woken {
        let mut woken = Woken::new();
        for (key, cluster) in touched {
            self.queues.entry(cluster.clone()).or_default().mark(key);
            woken.insert(cluster);
        }
        woken
    }

    pub(crate) fn mark_at(&mut self, cluster: &Key, key: Key, at_ms: u64) {
        if self.resources.contains(&key) {
            self.queues.entry(cluster.clone()).or_default().mark_at(key, at_ms);
        }
    }

    /// Marks those that a change of another object concerns.
    pub(crate) fn handle_changed(
        &mut self,
        object: &Key,
        concerns: impl Fn(&Key, &R) -> bool,
    ) -> Woken {
        let around = self.resources.around(object).into_iter();
        let around = around.filter_map(|key| Some((self.resources.resource(&key)?, key)));
        let touched = around.filter(|(resource, _)| concerns(object, resource));
        let touched = touched.map(|(resource, key)| (key, resource.cluster())).collect();
        self.mark(touched)
    }

    pub(crate) fn mark_cluster(&mut self, cluster: &Key) -> Woken {
        let all = self.resources.of_cluster(cluster);
        self.mark(all.into_iter().map(|key| (key, cluster.clone())).collect())
    }

    /// Resources of a scope are all listed.
    pub(crate) fn handle_resources_listed(&mut self, scope: &Scope) -> Woken {
        let touched = self.resources.handle_listed(scope);
        let mut woken = self.mark(touched);
        woken.extend(self.queues.keys().cloned());
        woken
    }

    pub(crate) fn handle_clusters_listing(&mut self, scope: &Scope) {
        self.clusters.handle_listing(scope);
    }

    pub(crate) fn handle_clusters_listed(&mut self, scope: &Scope) -> Woken {
        let gone = self.clusters.handle_listed(scope);
        let mut woken: Woken = gone.keys().flat_map(|key| self.mark_cluster(key)).collect();
        woken.extend(self.queues.keys().cloned());
        woken
    }

    pub(crate) fn handle_cluster(&mut self, cluster: KafkaCluster) -> Woken {
        let key = Key::of(&cluster);
        let before = self.clusters.put(key.clone(), Arc::new(cluster));
        let now = self.clusters.value(&key);
        let is_same =
            before.is_some() && before.as_deref().map(acted_on) == now.map(|c| acted_on(c));
        if is_same { Woken::new() } else { self.mark_cluster(&key) }
    }

    pub(crate) fn handle_cluster_gone(&mut self, key: &Key) -> Woken {
        self.clusters.remove(key);
        self.mark_cluster(key)
    }

    /// All namespaces that can be seen, with their labels.
    pub(crate) fn handle_namespaces(&mut self, namespaces: Namespaces) -> Woken {
        let is_same = self.namespaces_listed && namespaces == self.namespaces;
        self.namespaces = namespaces;
        self.namespaces_listed = true;
        if is_same {
            return Woken::new();
        }
        let selects = |cluster: &KafkaCluster| {
            cluster.spec.claims.iter().any(|claim| claim.namespace_selector.is_some())
        };
        let selecting = self.clusters.values().filter(|(_, cluster)| selects(cluster));
        let selecting: Vec<Key> = selecting.map(|(key, _)| key.clone()).collect();
        let mut woken: Woken = selecting.iter().flat_map(|key| self.mark_cluster(key)).collect();
        woken.extend(self.queues.keys().cloned());
        woken
    }

    /// Before everything is listed the first owner of a name is not known.
    fn is_listed(&self) -> bool {
        self.resources.is_listed() && self.clusters.is_listed() && self.namespaces_listed
    }

    /// The next to look at; none if nobody is due.
    pub(crate) fn take(&mut self, cluster_key: &Key, now_ms: u64) -> Option<Batch<R>> {
        if !self.is_listed() {
            return None;
        }
        let keys = self.queues.get_mut(cluster_key)?.take(now_ms, BATCH_COUNT_MAX);
        let cluster = self.clusters.value(cluster_key).cloned();
        let resources =
            keys.into_iter().filter_map(|key| Some((self.resources.resource(&key)?, key)));
        // Who was made anew with another cluster is looked at by that cluster's worker.
        let here = resources.filter(|(resource, _)| resource.cluster() == *cluster_key);
        let items: Vec<Item<R>> = here
            .map(|(resource, key)| {
                let standing = self.standing(&key, &resource, cluster.as_deref());
                Item { key, resource: Arc::new(resource), standing }
            })
            .collect();
        let batch = Batch { cluster, cluster_key: cluster_key.clone(), items };
        (!batch.items.is_empty()).then_some(batch)
    }

    /// Milliseconds at which somebody is due; none if nobody is, or nothing can be done yet.
    pub(crate) fn next_ms(&self, cluster: &Key) -> Option<u64> {
        self.is_listed().then(|| self.queues.get(cluster)?.next_ms())?
    }

    /// Nobody names the cluster any more: its queue is put away.
    pub(crate) fn close(&mut self, cluster: &Key) -> bool {
        let is_idle = self.is_listed() && self.resources.of_cluster(cluster).is_empty();
        if is_idle {
            self.queues.remove(cluster);
        }
        is_idle
    }

    fn standing(&self, key: &Key, resource: &R, cluster: Option<&KafkaCluster>) -> Standing {
        let Some(cluster) = cluster else { return Standing::Owner };
        let (claims, home) = (&cluster.spec.claims, resource.cluster().namespace);
        let may = |namespace: &str| {
            may_name(claims, &self.namespaces, &home, self.kind, (namespace, resource.claimed()))
        };
        if !may(&key.namespace) {
            return Standing::NotAllowed;
        }
        let rivals = self.resources.same_name(resource);
        let rivals = rivals.filter(|rival| *rival != key && may(&rival.namespace));
        let ages = rivals.filter_map(|rival| Some((self.resources.resource(rival)?.age(), rival)));
        let ages: Vec<_> = ages.chain([(resource.age(), key)]).collect();
        match first(ages.iter().map(|(age, rival)| (age, *rival))) {
            Some(owner) if owner != key => Standing::Taken(owner.clone()),
            _ => Standing::Owner,
        }
    }
}

/// What topics and users depend on in a cluster.
fn acted_on(cluster: &KafkaCluster) -> impl PartialEq + use<'_> {
    (
        cluster.metadata.uid.as_deref(),
        cluster.metadata.generation,
        cluster.metadata.deletion_timestamp.is_some(),
        cluster.status.as_ref().map(|status| &status.listeners),
    )
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;
    use klamm_crd::{Claim, ClusterRef, KafkaClusterSpec, KafkaTopic, KafkaTopicSpec};

    use super::*;

    fn topic(namespace: &str, name: &str, created_s: i64) -> KafkaTopic {
        let cluster = ClusterRef { name: "c".into(), namespace: Some("kafka".into()) };
        let spec = KafkaTopicSpec { cluster, topic_name: Some("t".into()), ..Default::default() };
        let mut topic = KafkaTopic::new(name, spec);
        topic.metadata.namespace = Some(namespace.into());
        topic.metadata.uid = Some(name.into());
        topic.metadata.creation_timestamp = Some(Time(Timestamp::from_second(created_s).unwrap()));
        topic
    }

    fn cluster(generation: i64, shared_with: &[&str]) -> KafkaCluster {
        let claim = Claim {
            namespaces: Some(shared_with.iter().map(ToString::to_string).collect()),
            topics: vec!["*".into()],
            ..Claim::default()
        };
        let spec = KafkaClusterSpec { claims: vec![claim], ..KafkaClusterSpec::default() };
        let mut cluster = KafkaCluster::new("c", spec);
        cluster.metadata.namespace = Some("kafka".into());
        cluster.metadata.generation = Some(generation);
        cluster
    }

    fn board(topics: Vec<KafkaTopic>, shared_with: &[&str]) -> Board<KafkaTopic> {
        let mut board = Board::new(Kind::Topic, &[None].into());
        for topic in topics {
            let touched = board.resources.handle(&topic);
            board.mark(touched);
        }
        board.handle_cluster(cluster(1, shared_with));
        board.handle_namespaces(Namespaces::new());
        board.handle_clusters_listed(&None);
        board.resources.handle_listed(&None);
        board
    }

    fn standings(board: &mut Board<KafkaTopic>) -> Vec<(String, Standing)> {
        let batch = board.take(&Key::new("kafka", "c"), 0);
        let items = batch.into_iter().flat_map(|batch| batch.items);
        items.map(|item| (item.key.name, item.standing)).collect()
    }

    #[test]
    fn oldest_of_those_that_may_owns_the_name_in_any_order() {
        let older = || topic("shop", "older", 1);
        let newer = || topic("other", "newer", 2);
        let barred = || topic("barred", "barred", 0);
        for topics in [vec![older(), newer(), barred()], vec![barred(), newer(), older()]] {
            let mut board = board(topics, &["shop", "other"]);
            let expected = [
                ("barred".to_owned(), Standing::NotAllowed),
                ("newer".to_owned(), Standing::Taken(Key::new("shop", "older"))),
                ("older".to_owned(), Standing::Owner),
            ];
            assert_eq!(standings(&mut board), expected);
        }
    }

    #[test]
    fn nothing_is_decided_before_everything_is_listed() {
        let mut board = Board::new(Kind::Topic, &[None].into());
        let touched = board.resources.handle(&topic("kafka", "a", 1));
        board.mark(touched);
        board.handle_cluster(cluster(1, &["kafka"]));
        board.handle_clusters_listed(&None);
        board.resources.handle_listed(&None);
        assert_eq!(standings(&mut board), []);
        assert!(!board.handle_namespaces(Namespaces::new()).is_empty());
        assert_eq!(standings(&mut board), [("a".to_owned(), Standing::Owner)]);
    }

    #[test]
    fn other_rules_have_everybody_looked_at_and_mere_status_nobody() {
        let mut board = board(vec![topic("shop", "a", 1)], &["shop"]);
        standings(&mut board);
        let mut told = cluster(1, &["shop"]);
        told.status = Some(klamm_crd::KafkaClusterStatus::default());
        board.handle_cluster(told.clone());
        standings(&mut board);
        told.status.as_mut().unwrap().nodes_ready = Some("3/3".into());
        assert!(board.handle_cluster(told).is_empty());
        assert!(!board.handle_cluster(cluster(2, &["other"])).is_empty());
        assert_eq!(standings(&mut board), [("a".to_owned(), Standing::NotAllowed)]);
    }

    #[test]
    fn queue_of_a_cluster_that_nobody_names_is_put_away() {
        let mut board = board(vec![topic("shop", "a", 1)], &["shop"]);
        let cluster = Key::new("kafka", "c");
        assert!(!board.close(&cluster));
        let touched = board.resources.handle_gone(&Key::new("shop", "a"));
        board.mark(touched);
        assert!(board.close(&cluster));
    }
}
