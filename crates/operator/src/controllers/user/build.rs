//! What differs between a user as it should be and as Kafka has it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use klamm_kafka::admin::Acl;

use super::admin::Quotas;

/// Rules to make and to delete. What is made comes first: a user that is still in use loses nothing in between.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct AclChange {
    pub(crate) create: Vec<Acl>,
    pub(crate) delete: Vec<Acl>,
}

/// `there` are everybody's.
pub(crate) fn diff_acls(
    wanted: &BTreeSet<Acl>,
    principal: &str,
    there: &BTreeSet<Acl>,
) -> AclChange {
    let own: BTreeSet<&Acl> = there.iter().filter(|acl| acl.principal == principal).collect();
    AclChange {
        create: wanted.iter().filter(|acl| !own.contains(acl)).cloned().collect(),
        delete: own.into_iter().filter(|acl| !wanted.contains(acl)).cloned().collect(),
    }
}

/// Values to set, or to take away.
pub(crate) fn diff_quotas(
    wanted: &BTreeMap<String, Option<f64>>,
    there: Option<&Quotas>,
) -> BTreeMap<String, Option<f64>> {
    let none = Quotas::new();
    let there = there.unwrap_or(&none);
    let differs = |(name, value): &(&String, &Option<f64>)| there.get(*name).copied() != **value;
    wanted.iter().filter(differs).map(|(name, value)| (name.clone(), *value)).collect()
}

#[cfg(test)]
mod tests {
    use klamm_kafka::admin::{AclOperation, AclPermission, AclResource, PatternType, ResourceType};
    use proptest::prelude::*;

    use super::*;

    fn acl(principal: &str, name: &str, operation: AclOperation) -> Acl {
        Acl {
            resource: AclResource {
                kind: ResourceType::Topic,
                name: name.into(),
                pattern: PatternType::Literal,
            },
            principal: principal.into(),
            host: "*".into(),
            operation,
            permission: AclPermission::Allow,
        }
    }

    fn any_acls() -> impl Strategy<Value = BTreeSet<Acl>> {
        let operation = prop::sample::select(vec![AclOperation::Read, AclOperation::Write]);
        let acl = ("[ab]", "[a-c]", operation)
            .prop_map(|(user, topic, operation)| acl(&format!("User:{user}"), &topic, operation));
        prop::collection::btree_set(acl, 0..8)
    }

    proptest! {
        #[test]
        fn acls_of_the_principal_become_those_wanted_and_others_stay(
            there in any_acls(),
            wanted in any_acls(),
        ) {
            let of = |acls: &BTreeSet<Acl>, principal: &str| -> BTreeSet<Acl> {
                acls.iter().filter(|acl| acl.principal == principal).cloned().collect()
            };
            let wanted = of(&wanted, "User:a");
            let change = diff_acls(&wanted, "User:a", &there);
            let mut after = there.clone();
            after.extend(change.create.iter().cloned());
            after.retain(|acl| !change.delete.contains(acl));
            prop_assert_eq!(of(&after, "User:a"), wanted.clone());
            prop_assert_eq!(of(&after, "User:b"), of(&there, "User:b"));
            prop_assert_eq!(diff_acls(&wanted, "User:a", &after), AclChange::default());
        }

        #[test]
        fn quotas_named_become_those_wanted_and_others_stay(
            there in prop::collection::btree_map("[a-d]", 1u8..4, 0..4),
            wanted in prop::collection::btree_map("[a-c]", prop::option::of(1u8..4), 0..4),
        ) {
            let there: Quotas = there.into_iter().map(|(name, v)| (name, f64::from(v))).collect();
            let wanted: BTreeMap<_, _> =
                wanted.into_iter().map(|(name, v)| (name, v.map(f64::from))).collect();
            let mut after = there.clone();
            for (name, value) in diff_quotas(&wanted, Some(&there)) {
                match value {
                    Some(value) => after.insert(name, value),
                    None => after.remove(&name),
                };
            }
            for name in ["a", "b", "c", "d"] {
                let expected = wanted.get(name).copied().unwrap_or(there.get(name).copied());
                prop_assert_eq!(after.get(name).copied(), expected);
            }
        }
    }
}
