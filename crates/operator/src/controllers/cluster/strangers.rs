//! Objects that have a name of this cluster's and are somebody else's.
//!
//! `a-b` with a pool `c` and `a` with a pool `b-c` mean the same StatefulSet, and anybody may have made a Service before. Who came first
//! keeps the name: nothing of the other one is touched until a person has decided.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::Api;
use kube::core::{ApiResource, DynamicObject};
use kube::{Client, Resource, ResourceExt};

use super::names::LABEL_CLUSTER;
use super::{Dereferenced, Manifests, Validated, build};
use crate::apply::{FIELD_MANAGER, LABEL_MANAGED_BY, is_not_found};
use crate::context::Context;
use crate::controllers::user::LABEL_USER;

/// A name that a cluster is about to use.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Of what.
    pub resource: ApiResource,
    /// The name.
    pub name: String,
}

impl Place {
    /// Of a kind that is known here.
    pub fn of<K: Resource<DynamicType = ()>>(name: impl Into<String>) -> Self {
        Self { resource: ApiResource::erase::<K>(&()), name: name.into() }
    }
}

/// An object that is not this cluster's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    kind: String,
    name: String,
    /// Whose it is, if it is another cluster's.
    of: Option<String>,
    /// Who wants its name.
    cluster: String,
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, of, cluster } = self;
        match of {
            Some(of) => write!(
                f,
                "{kind} {name} is there already and belongs to KafkaCluster {of}: \
                 give this cluster or its pool another name, or delete the {kind} if {of} is gone"
            ),
            None => write!(
                f,
                "{kind} {name} is there already and is not this cluster's: delete it, give this cluster or its pool another \
                 name, or hand it over with the labels {LABEL_CLUSTER}={cluster} and {LABEL_MANAGED_BY}={FIELD_MANAGER}"
            ),
        }
    }
}

/// What is wrong with an object of a name that `cluster` wants; none if it is the cluster's own.
pub fn stranger(
    place: &Place,
    labels: &BTreeMap<String, String>,
    cluster: &str,
) -> Option<Stranger> {
    let of = labels.get(LABEL_CLUSTER);
    let is_ours = of.is_some_and(|of| of == cluster)
        && labels.get(LABEL_MANAGED_BY).is_some_and(|by| by == FIELD_MANAGER)
        // A user's Secret has the cluster's label too.
        && !labels.contains_key(LABEL_USER);
    (!is_ours).then(|| Stranger {
        kind: place.resource.kind.clone(),
        name: place.name.clone(),
        of: of.filter(|of| *of != cluster).cloned(),
        cluster: cluster.to_owned(),
    })
}

/// The names of everything that is made, but for Secrets and for what is known to be the cluster's own.
pub fn places(there: &Dereferenced, validated: &Validated, manifests: &Manifests) -> Vec<Place> {
    let mut places = vec![
        Place::of::<ServiceAccount>(manifests.service_account.name_any()),
        Place::of::<NetworkPolicy>(manifests.network_policy.name_any()),
    ];
    let services = manifests.services.iter();
    places.extend(services.map(|service| Place::of::<Service>(service.name_any())));
    let budgets = manifests.budgets.iter();
    places.extend(budgets.map(|budget| Place::of::<PodDisruptionBudget>(budget.name_any())));
    places.extend(manifests.certificates.iter().map(|certificate| Place {
        resource: build::certificate::resource(),
        name: certificate.name_any(),
    }));
    let own = |names: &mut dyn Iterator<Item = String>| names.collect::<BTreeSet<_>>();
    let sets = own(&mut there.stateful_sets.iter().map(ResourceExt::name_any));
    let wanted = manifests.stateful_sets.values().map(ResourceExt::name_any);
    places.extend(wanted.filter(|name| !sets.contains(name)).map(Place::of::<StatefulSet>));
    let claims = own(&mut there.claims.iter().map(ResourceExt::name_any));
    for (id, node) in &validated.nodes {
        let inputs = &node.inputs;
        let wanted = inputs.volumes.iter();
        let wanted = wanted.map(|volume| validated.names.claim(volume.id, &inputs.pool, *id));
        let wanted = wanted.filter(|name| !claims.contains(name));
        places.extend(wanted.map(Place::of::<PersistentVolumeClaim>));
    }
    places
}

/// Looks for strangers at every place that was not written to a moment ago.
///
/// # Errors
/// Of the API server.
pub async fn find(
    context: &Context,
    there: &Dereferenced,
    validated: &Validated,
    manifests: &Manifests,
) -> Result<Vec<Stranger>, kube::Error> {
    let mut found = Vec::new();
    for place in places(there, validated, manifests) {
        if context.applier.is_fresh(&place.resource.kind, &there.namespace, &place.name) {
            continue;
        }
        let cluster = &validated.names.cluster;
        found.extend(at(&context.client, &there.namespace, &place, cluster).await?);
    }
    Ok(found)
}

/// The stranger at a place, if one is there.
///
/// # Errors
/// Of the API server.
pub async fn at(
    client: &Client,
    namespace: &str,
    place: &Place,
    cluster: &str,
) -> Result<Option<Stranger>, kube::Error> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &place.resource);
    match api.get_metadata(&place.name).await {
        Ok(object) => Ok(stranger(place, object.labels(), cluster)),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A Secret's place.
pub fn secret(name: &str) -> Place {
    Place::of::<Secret>(name)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{combined_input, dereferenced, valid};
    use super::super::{Names, build};
    use super::*;

    fn input(cluster: &str, pool: &str) -> Dereferenced {
        let head = "apiVersion: klamm.dev/v1alpha1";
        let cluster_text = format!(
            "{{{head}, kind: KafkaCluster, metadata: {{name: {cluster}, namespace: ns}}, spec: {{version: 4.3.0}}}}"
        );
        let pool_text = format!(
            "{{{head}, kind: KafkaNodePool, metadata: {{name: {pool}, namespace: ns}}, \
             spec: {{cluster: {cluster}, replicas: 1, roles: [Broker, Controller], volumes: [{{id: 0, size: 1Gi}}]}}}}"
        );
        dereferenced(&cluster_text, &[&pool_text])
    }

    fn named(places: &[Place]) -> BTreeSet<String> {
        places.iter().map(|place| format!("{} {}", place.resource.kind, place.name)).collect()
    }

    #[test]
    fn two_clusters_that_mean_the_same_names_are_told_apart_by_labels() {
        let (first, second) = (valid(&input("a-b", "c")), valid(&input("a", "b-c")));
        let wanted = named(&places(&input("a", "b-c"), &second, &build(&second)));
        assert!(wanted.contains("StatefulSet a-b-c-0"), "{wanted:?}");
        let object = build(&first).stateful_sets.into_values().next().unwrap();
        let place = Place::of::<StatefulSet>(object.name_any());
        assert_eq!(stranger(&place, object.labels(), "a-b"), None);
        let told = stranger(&place, object.labels(), "a").unwrap().to_string();
        let expected = "StatefulSet a-b-c-0 is there already and belongs to KafkaCluster a-b:";
        assert!(told.starts_with(expected), "{told}");
        assert!(wanted.contains("PersistentVolumeClaim data-0-a-b-c-0-0"), "{wanted:?}");
    }

    #[test]
    fn what_nobody_labelled_is_somebodys_and_can_be_handed_over() {
        let place = Place::of::<Service>("c-nodes");
        let told = stranger(&place, &BTreeMap::new(), "c").unwrap().to_string();
        assert!(told.contains("klamm.dev/cluster=c"), "{told}");
        let mut labels = Names { cluster: "c".into(), namespace: "ns".into() }.labels();
        assert_eq!(stranger(&place, &labels, "c"), None);
        labels.remove(LABEL_MANAGED_BY);
        assert!(stranger(&place, &labels, "c").is_some());
    }

    #[test]
    fn users_secret_is_not_the_clusters() {
        let mut labels = Names { cluster: "c".into(), namespace: "ns".into() }.labels();
        labels.insert(LABEL_USER.to_owned(), "c-ca".to_owned());
        assert!(stranger(&secret("c-ca"), &labels, "c").is_some());
    }

    #[test]
    fn every_object_is_looked_for_but_those_that_are_known() {
        let mut input = combined_input();
        let validated = valid(&input);
        let manifests = build(&validated);
        let before = named(&places(&input, &validated, &manifests));
        for name in [
            "ServiceAccount orders-kafka",
            "Service orders-nodes",
            "Service orders-bootstrap",
            "StatefulSet orders-all-2",
            "PersistentVolumeClaim data-1-orders-all-2-0",
        ] {
            assert!(before.contains(name), "{name} is not in {before:?}");
        }
        let all = 2 + manifests.services.len() + manifests.budgets.len() + 3 + 6;
        assert_eq!(before.len(), all);
        input.stateful_sets = manifests.stateful_sets.values().cloned().collect();
        let after = named(&places(&input, &validated, &manifests));
        assert_eq!(before.len() - after.len(), 3);
    }
}
