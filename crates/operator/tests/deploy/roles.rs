//! What the operator may do, and above all what it may not.

use serde_json::{Value, json};

use super::{of_kind, rendered};

/// `(group, resource, verb)` of every rule of the ClusterRoles.
fn permissions() -> Vec<(String, String, String)> {
    let texts = |value: &Value| -> Vec<String> {
        let items = value.as_array().expect("a list").iter();
        items.map(|item| item.as_str().expect("a text").to_owned()).collect()
    };
    let mut found = Vec::new();
    for role in of_kind(&rendered("ops", &json!({})), "ClusterRole") {
        for rule in role["rules"].as_array().expect("rules") {
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    let verbs = texts(&rule["verbs"]).into_iter();
                    found.extend(verbs.map(|verb| (group.clone(), resource.clone(), verb)));
                }
            }
        }
    }
    found
}

#[test]
fn disks_and_clusters_cannot_be_deleted_by_the_operator() {
    for (group, resource, verb) in permissions() {
        let kept = resource == "persistentvolumeclaims" || group == "klamm.dev";
        assert!(!kept || !verb.starts_with("delete"), "{verb} {resource}");
    }
}

#[test]
fn nothing_is_allowed_by_a_star_and_nothing_in_bulk() {
    for (group, resource, verb) in permissions() {
        assert!(![&group, &resource, &verb].iter().any(|text| *text == "*"), "{verb} {resource}");
        assert_ne!(verb, "deletecollection", "{resource}");
        assert!(!resource.starts_with("pods/"), "{resource}: nothing is executed in pods");
    }
}

#[test]
fn every_resource_of_ours_can_be_read_and_told_about() {
    let permissions = permissions();
    for definition in klamm_crd::definitions() {
        let plural = definition.spec.names.plural;
        for (resource, verb) in [(plural.clone(), "watch"), (format!("{plural}/status"), "patch")] {
            let wanted = ("klamm.dev".to_owned(), resource, verb.to_owned());
            assert!(permissions.contains(&wanted), "{wanted:?}");
        }
    }
}

/// Of topics and users that left something behind, nothing else is left to tell of it.
#[test]
fn events_can_be_written() {
    let permissions = permissions();
    for verb in ["create", "patch"] {
        let wanted = ("events.k8s.io".to_owned(), "events".to_owned(), verb.to_owned());
        assert!(permissions.contains(&wanted), "{wanted:?}");
    }
}
