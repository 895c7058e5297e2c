//! Which namespaces may name which topics and users of a cluster, and who of several has a name.

use std::collections::BTreeMap;

use klamm_crd::Claim;
use kube::core::{Selector, SelectorExt};

/// What is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A topic.
    Topic,
    /// A user.
    User,
}

/// The labels of every namespace, by its name.
pub type Namespaces = BTreeMap<String, BTreeMap<String, String>>;

/// Whether resources of `namespace` may name this topic or user of a cluster that lives in the namespace `home`.
///
/// Another namespace needs a rule that says so. `home` needs none, unless a rule gives the name to another namespace.
pub fn may_name(
    claims: &[Claim],
    namespaces: &Namespaces,
    home: &str,
    kind: Kind,
    (namespace, name): (&str, &str),
) -> bool {
    let gives = |claim: &Claim, to: &str| {
        patterns(claim, kind).iter().any(|pattern| matches(pattern, to, name))
    };
    let given = |claim: &&Claim| covers(claim, namespaces, namespace) && gives(claim, namespace);
    if claims.iter().any(|claim| given(&claim)) {
        return true;
    }
    let given_to_another = |claim: &Claim| {
        let others = covered(claim, namespaces).into_iter().filter(|other| *other != home);
        others.into_iter().any(|other| gives(claim, other))
    };
    namespace == home && !claims.iter().any(given_to_another)
}

fn patterns(claim: &Claim, kind: Kind) -> &[String] {
    match kind {
        Kind::Topic => &claim.topics,
        Kind::User => &claim.users,
    }
}

/// `a.b`, `a.*` or `{namespace}.*`.
fn matches(pattern: &str, namespace: &str, name: &str) -> bool {
    let pattern = pattern.replace("{namespace}", namespace);
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

fn covers(claim: &Claim, namespaces: &Namespaces, namespace: &str) -> bool {
    let named = claim.namespaces.iter().flatten().any(|named| named == namespace);
    let labels = namespaces.get(namespace);
    named || labels.is_some_and(|labels| selector(claim).is_some_and(|s| s.matches(labels)))
}

fn covered<'a>(claim: &'a Claim, namespaces: &'a Namespaces) -> Vec<&'a str> {
    let named = claim.namespaces.iter().flatten().map(String::as_str);
    let selector = selector(claim);
    let selected = namespaces
        .iter()
        .filter(|(_, labels)| selector.as_ref().is_some_and(|selector| selector.matches(labels)));
    named.chain(selected.map(|(name, _)| name.as_str())).collect()
}

/// A selector that cannot be read selects nothing.
fn selector(claim: &Claim) -> Option<Selector> {
    Selector::try_from(claim.namespace_selector.clone()?).ok()
}

/// What decides who was first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age {
    /// Seconds since 1970; Kubernetes keeps no more of a creation.
    pub created_s: i64,
    /// Two of the same second are told apart by this, which no later change can move.
    pub uid: String,
}

/// The first of those that name the same thing; it does not depend on the order they are given in.
pub fn first<'a, T>(claimants: impl IntoIterator<Item = (&'a Age, T)>) -> Option<T> {
    claimants.into_iter().min_by_key(|(age, _)| *age).map(|(_, claimant)| claimant)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
    use proptest::prelude::*;

    use super::*;

    fn claim(namespaces: &[&str], topics: &[&str]) -> Claim {
        Claim {
            namespaces: Some(namespaces.iter().map(ToString::to_string).collect()),
            topics: topics.iter().map(ToString::to_string).collect(),
            ..Claim::default()
        }
    }

    #[track_caller]
    fn check(claims: &[Claim], namespace: &str, topic: &str, expected: bool) {
        let labels = |team: &str| BTreeMap::from([("team".to_owned(), team.to_owned())]);
        let namespaces = Namespaces::from([
            ("shop".to_owned(), labels("sales")),
            ("shop-2".to_owned(), labels("sales")),
            ("kafka".to_owned(), labels("ops")),
        ]);
        let may = may_name(claims, &namespaces, "kafka", Kind::Topic, (namespace, topic));
        assert_eq!(may, expected, "{namespace} naming {topic}");
    }

    #[test]
    fn without_rules_only_the_clusters_own_namespace_names_anything() {
        check(&[], "kafka", "orders", true);
        check(&[], "shop", "orders", false);
    }

    #[test]
    fn what_a_rule_gives_to_others_is_theirs_alone() {
        let claims = [claim(&["shop"], &["shop.*", "audit"])];
        check(&claims, "shop", "shop.orders", true);
        check(&claims, "shop", "audit", true);
        check(&claims, "shop", "audit2", false);
        check(&claims, "kafka", "shop.orders", false);
        check(&claims, "kafka", "orders", true);
        check(&claims, "other", "shop.orders", false);
    }

    #[test]
    fn rule_for_the_own_namespace_shares_with_others() {
        check(&[claim(&["shop", "kafka"], &["audit"])], "kafka", "audit", true);
    }

    #[test]
    fn placeholder_stands_for_the_namespace_that_asks() {
        let claims = [claim(&["shop", "other"], &["{namespace}.*"])];
        check(&claims, "shop", "shop.orders", true);
        check(&claims, "other", "shop.orders", false);
        check(&claims, "kafka", "shop.orders", false);
        check(&claims, "kafka", "kafka.orders", true);
    }

    #[test]
    fn selector_gives_to_namespaces_with_the_labels() {
        let sales = LabelSelector {
            match_labels: Some([("team".to_owned(), "sales".to_owned())].into()),
            ..LabelSelector::default()
        };
        let claims = [Claim {
            namespace_selector: Some(sales),
            topics: vec!["{namespace}.*".to_owned()],
            ..Claim::default()
        }];
        check(&claims, "shop", "shop.orders", true);
        check(&claims, "shop-2", "shop-2.orders", true);
        check(&claims, "kafka", "shop-2.orders", false);
        check(&claims, "kafka", "kafka.orders", true);
        check(&claims, "unknown", "unknown.orders", false);
    }

    #[test]
    fn rules_for_topics_say_nothing_of_users() {
        let claims = [claim(&["shop"], &["*"])];
        let none = Namespaces::new();
        assert!(!may_name(&claims, &none, "kafka", Kind::User, ("shop", "a")));
        assert!(may_name(&claims, &none, "kafka", Kind::User, ("kafka", "a")));
    }

    proptest! {
        #[test]
        fn first_is_the_oldest_in_any_order(
            ages in prop::collection::btree_set((0i64..3, 0u32..50), 1..9),
            rotation in 0usize..9,
        ) {
            let age = |(created_s, uid): &(i64, u32)| Age { created_s: *created_s, uid: format!("{uid:02}") };
            let mut claimants: Vec<Age> = ages.iter().map(age).collect();
            let oldest = claimants[0].clone();
            let length = claimants.len();
            claimants.rotate_left(rotation % length);
            let winner = first(claimants.iter().map(|age| (age, age.clone())));
            prop_assert_eq!(winner, Some(oldest));
        }
    }
}
