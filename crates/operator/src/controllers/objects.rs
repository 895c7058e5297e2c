//! What controllers of topics and users change in Kubernetes: finalizers and annotations, statuses, events.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

/// Kept on a resource while something in Kafka is to be undone before it goes.
pub(crate) const FINALIZER: &str = "klamm.dev/kafka";

/// A change of a resource's metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    /// With the finalizer or without; none to leave it.
    pub(crate) finalizer: Option<bool>,
    /// Annotations to set, or to take away.
    pub(crate) annotations: BTreeMap<&'static str, Option<String>>,
}

impl Edit {
    /// Without what is there already; none if nothing is left.
    pub(crate) fn needed(mut self, metadata: &ObjectMeta) -> Option<Self> {
        self.finalizer = self.finalizer.filter(|with| *with != has_finalizer(metadata));
        let there = metadata.annotations.as_ref();
        let value = |name: &str| there.and_then(|annotations| annotations.get(name));
        self.annotations.retain(|name, wanted| value(name) != wanted.as_ref());
        (self.finalizer.is_some() || !self.annotations.is_empty()).then_some(self)
    }

    /// As JSON merge patch. It names the version that it was thought of for, because it replaces the list of finalizers.
    pub(crate) fn patch(&self, metadata: &ObjectMeta) -> serde_json::Value {
        let mut changed = serde_json::json!({ "resourceVersion": metadata.resource_version });
        if let Some(with) = self.finalizer {
            let others = metadata.finalizers.iter().flatten().filter(|name| *name != FINALIZER);
            let own = with.then(|| FINALIZER.to_owned());
            changed["finalizers"] = others.cloned().chain(own).collect();
        }
        if !self.annotations.is_empty() {
            changed["annotations"] = serde_json::json!(self.annotations);
        }
        serde_json::json!({ "metadata": changed })
    }
}

pub(crate) fn has_finalizer(metadata: &ObjectMeta) -> bool {
    metadata.finalizers.iter().flatten().any(|name| name == FINALIZER)
}

/// Something that a person looking at the resource should find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) is_warning: bool,
    pub(crate) reason: &'static str,
    pub(crate) text: String,
}

/// What became of a change.
#[derive(Debug)]
pub(crate) enum Edited<R> {
    /// The resource as it is now.
    Now(Box<R>),
    /// Somebody else was faster; think again.
    Stale,
    /// It is gone.
    Gone,
}

/// The resources of a kind, to be changed. The error is for the log: everything is tried again later.
pub(crate) trait Objects<R: ResourceExt, S>: Sync {
    /// Changes metadata.
    fn edit(
        &self,
        resource: &R,
        edit: &Edit,
    ) -> impl Future<Output = Result<Edited<R>, String>> + Send;

    /// Replaces the status.
    fn tell(
        &self,
        resource: &R,
        status: &S,
    ) -> impl Future<Output = Result<Edited<R>, String>> + Send;

    /// Publishes an event. One that gets lost is no reason to stop.
    fn note(&self, resource: &R, note: &Note) -> impl Future<Output = ()> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_keeps_the_finalizers_of_others() {
        let metadata = ObjectMeta {
            finalizers: Some(vec!["a/b".into(), FINALIZER.into()]),
            resource_version: Some("7".into()),
            ..ObjectMeta::default()
        };
        let without = Edit { finalizer: Some(false), ..Edit::default() };
        let patch = without.clone().needed(&metadata).unwrap().patch(&metadata);
        let expected =
            serde_json::json!({"metadata": {"resourceVersion": "7", "finalizers": ["a/b"]}});
        assert_eq!(patch, expected);
        assert_eq!(without.needed(&ObjectMeta::default()), None);
    }

    #[test]
    fn annotation_that_is_there_is_not_set_again() {
        let mut metadata = ObjectMeta::default();
        let edit = Edit {
            annotations: [("a", Some("1".to_owned())), ("b", None)].into(),
            finalizer: None,
        };
        assert_eq!(edit.clone().needed(&metadata).unwrap().annotations.len(), 1);
        metadata.annotations = Some([("a".to_owned(), "1".to_owned())].into());
        assert_eq!(edit.needed(&metadata), None);
    }
}
