//! A StatefulSet carries what it was made as, so that whatever somebody does to it can be undone, by a newer operator too.
//!
//! A newer operator would build it otherwise, and then restart nodes for what nobody asked for.

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::Value;

use crate::controllers::cluster::quantity;

/// Annotation of a StatefulSet: the JSON of the `spec` that was applied.
pub const MADE: &str = "klamm.dev/made";
/// Annotation of a StatefulSet: revisions of its template that somebody else made and that were undone. A pod of one of them is to be
/// restarted.
pub const UNDONE: &str = "klamm.dev/undone";
/// Label of a pod: the revision of the template it was made from.
const REVISION_OF_POD: &str = "controller-revision-hash";

/// Undone revisions that are kept: a StatefulSet has one pod, which is of one of them at most.
const UNDONE_MAX: usize = 4;

/// Writes down what is about to be applied over what lives.
pub fn recorded(live: Option<&StatefulSet>, mut set: StatefulSet) -> Box<StatefulSet> {
    let spec = serde_json::to_string(&set.spec).expect("plain data with text as keys");
    let annotations = set.metadata.annotations.get_or_insert_default();
    annotations.insert(MADE.to_owned(), spec);
    if let Some(undone) = live.and_then(|live| annotation(live, UNDONE)) {
        annotations.insert(UNDONE.to_owned(), undone.to_owned());
    }
    Box::new(set)
}

/// What a StatefulSet should be if it is not that any more; none if it is. `built` is what it would be made as today.
pub(super) fn repaired(live: &StatefulSet, mut built: StatefulSet) -> Option<Box<StatefulSet>> {
    let Some(made) = annotation(live, MADE) else {
        // Of an operator that wrote nothing down. What has no pod is restarted by nobody's hand.
        let replicas = live.spec.as_ref().and_then(|spec| spec.replicas);
        return (replicas.unwrap_or(1) != 1).then(|| recorded(Some(live), built));
    };
    let made: StatefulSetSpec = serde_json::from_str(made).ok()?;
    let is_as_made = live.spec.as_ref().is_some_and(|live| contains(&json(live), &json(&made)));
    if is_as_made {
        return None;
    }
    built.spec = Some(made);
    Some(recorded(Some(live), built))
}

/// Marks the revision of a template that is about to be undone, if Kubernetes has made one of it: a pod may be of it. `after` is what
/// the API server says there will be.
pub fn mark_undone(repaired: &mut StatefulSet, live: &StatefulSet, after: &StatefulSet) {
    let template = |set: &StatefulSet| set.spec.as_ref().map(|spec| json(&spec.template));
    let Some(status) = live.status.as_ref().filter(|_| template(live) != template(after)) else {
        return;
    };
    let (seen, generation) = (status.observed_generation, live.metadata.generation);
    let Some(revision) = status.update_revision.as_ref().filter(|_| seen == generation) else {
        return;
    };
    let mut undone: Vec<String> = annotation(live, UNDONE)
        .into_iter()
        .flat_map(|text| text.split(','))
        .map(str::to_owned)
        .collect();
    undone.retain(|known| known != revision);
    undone.push(revision.clone());
    let kept = undone.split_off(undone.len().saturating_sub(UNDONE_MAX));
    let annotations = repaired.metadata.annotations.get_or_insert_default();
    annotations.insert(UNDONE.to_owned(), kept.join(","));
}

/// The pod was made from a template that was undone since.
pub fn is_of_undone(set: &StatefulSet, pod: &k8s_openapi::api::core::v1::Pod) -> bool {
    let revision = pod.metadata.labels.as_ref().and_then(|labels| labels.get(REVISION_OF_POD));
    // What is made now is not undone, whatever was.
    let present = set.status.as_ref().and_then(|status| status.update_revision.as_ref());
    let undone = annotation(set, UNDONE).filter(|_| present != revision);
    revision.zip(undone).is_some_and(|(revision, undone)| undone.split(',').any(|u| u == revision))
}

fn annotation<'a>(set: &'a StatefulSet, key: &str) -> Option<&'a str> {
    set.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

fn json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("plain data with text as keys")
}

/// Everything of `made` is in `live`, which may have more: defaults, and what others added.
fn contains(live: &Value, made: &Value) -> bool {
    match (live, made) {
        (Value::Object(live), Value::Object(made)) => made.iter().all(|(key, made)| {
            is_empty(made) || live.get(key).is_some_and(|live| contains(live, made))
        }),
        // Lists of objects are in any order and may have more; those of plain values are one value.
        (Value::Array(live), Value::Array(made)) if made.iter().all(Value::is_object) => {
            made.iter().all(|made| live.iter().any(|live| contains(live, made)))
        }
        (Value::String(live), Value::String(made)) => live == made || is_same(live, made),
        (live, made) => live == made,
    }
}

/// What the API server leaves out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The same quantity, which the API server writes in its own way. Compared in thousandths.
fn is_same(one: &str, other: &str) -> bool {
    let exact = |text: &str| {
        let whole = quantity::whole(&Quantity(text.to_owned()))?;
        match text.strip_suffix('m') {
            Some(thousandths) => thousandths.parse::<u128>().ok(),
            None => whole.checked_mul(1000).filter(|_| !text.contains('.')),
        }
    };
    exact(one).is_some_and(|one| exact(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::super::super::build;
    use super::super::super::testing::{combined_input, valid};
    use super::super::{Verdict, keep_or_replace};
    use super::*;
    use crate::model::NodeId;
    use k8s_openapi::api::apps::v1::StatefulSetStatus;
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::json;

    fn built() -> StatefulSet {
        build(&valid(&combined_input())).stateful_sets.remove(&NodeId(0)).unwrap()
    }

    /// As it is in Kubernetes after it was applied, after a change by somebody else.
    fn live(edit: impl FnOnce(&mut StatefulSetSpec)) -> StatefulSet {
        let Verdict::Apply(mut set) = keep_or_replace(None, built()) else { panic!("not applied") };
        set.metadata.generation = Some(2);
        set.status = Some(StatefulSetStatus {
            observed_generation: Some(2),
            update_revision: Some("c-edited".into()),
            ..StatefulSetStatus::default()
        });
        edit(set.spec.as_mut().unwrap());
        *set
    }

    fn container(spec: &mut StatefulSetSpec) -> &mut k8s_openapi::api::core::v1::Container {
        &mut spec.template.spec.as_mut().unwrap().containers[0]
    }

    #[track_caller]
    fn repair(live: &StatefulSet) -> StatefulSet {
        let Verdict::Repair(set) = keep_or_replace(Some(live), built()) else {
            panic!("not repaired")
        };
        *set
    }

    #[test]
    fn what_is_as_it_was_made_and_what_others_added_is_kept() {
        assert_eq!(keep_or_replace(Some(&live(|_| ())), built()), Verdict::Keep);
        let added = live(|spec| {
            spec.revision_history_limit = Some(10);
            let template = spec.template.metadata.as_mut().unwrap();
            let annotations = template.annotations.as_mut().unwrap();
            annotations.insert("kubectl.kubernetes.io/restartedAt".into(), "now".into());
            container(spec).image_pull_policy = Some("IfNotPresent".into());
        });
        assert_eq!(keep_or_replace(Some(&added), built()), Verdict::Keep);
    }

    #[test]
    fn scaled_to_zero_is_put_back_and_restarts_nothing() {
        let scaled = live(|spec| spec.replicas = Some(0));
        let mut repaired = repair(&scaled);
        assert_eq!(repaired.spec, live(|_| ()).spec);
        let after = StatefulSet { spec: repaired.spec.clone(), ..scaled.clone() };
        mark_undone(&mut repaired, &scaled, &after);
        assert_eq!(annotation(&repaired, UNDONE), None);
        // Of an operator that wrote nothing down.
        let mut old = scaled;
        old.metadata.annotations.as_mut().unwrap().remove(MADE);
        assert_eq!(repair(&old).spec.unwrap().replicas, Some(1));
        old.spec.as_mut().unwrap().replicas = Some(1);
        assert_eq!(keep_or_replace(Some(&old), built()), Verdict::Keep);
    }

    #[test]
    fn edited_template_is_put_back_and_only_a_pod_of_it_is_restarted() {
        let edited = live(|spec| container(spec).image = Some("evil".into()));
        let mut repaired = repair(&edited);
        let after = StatefulSet { spec: repaired.spec.clone(), ..edited.clone() };
        assert_eq!(repaired.spec, live(|_| ()).spec);
        mark_undone(&mut repaired, &edited, &after);
        let pod = |revision: &str| -> Pod {
            let labels = json!({ REVISION_OF_POD: revision });
            serde_json::from_value(json!({ "metadata": { "labels": labels } })).unwrap()
        };
        assert!(is_of_undone(&repaired, &pod("c-edited")));
        assert!(!is_of_undone(&repaired, &pod("c-made")));
        // Nor when somebody asks for the same.
        repaired.status.clone_from(&edited.status);
        assert!(!is_of_undone(&repaired, &pod("c-edited")));
        // Kubernetes has not looked at the edited one: its revision is still that of what was made.
        let mut unseen = edited;
        unseen.status.as_mut().unwrap().observed_generation = Some(1);
        let mut repaired = repair(&unseen);
        mark_undone(&mut repaired, &unseen, &after);
        assert!(!is_of_undone(&repaired, &pod("c-edited")));
    }

    #[test]
    fn newer_operator_puts_back_what_the_older_one_made() {
        let scaled = live(|spec| spec.replicas = Some(0));
        let mut newer = built();
        container(newer.spec.as_mut().unwrap()).command = Some(vec!["other".into()]);
        let Verdict::Repair(set) = keep_or_replace(Some(&scaled), newer) else {
            panic!("not repaired")
        };
        assert_eq!(set.spec, live(|_| ()).spec);
    }

    #[test]
    fn quantities_in_the_servers_spelling_are_the_same() {
        for (one, other) in [("1000m", "1"), ("1024Mi", "1Gi"), ("1000", "1k")] {
            assert!(contains(&json!({"cpu": one}), &json!({"cpu": other})), "{one} {other}");
        }
        for (one, other) in [("1001m", "1"), ("1500m", "2"), ("a", "b")] {
            assert!(!contains(&json!(one), &json!(other)), "{one} {other}");
        }
        assert!(!contains(&json!(["a", "b"]), &json!(["b", "a"])));
    }
}
