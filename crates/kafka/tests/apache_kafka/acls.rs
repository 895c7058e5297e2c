//! Rules, and that they bind.

use klamm_kafka::admin::{
    Acl, AclFilter, AclOperation, AclPermission, AclResource, Endpoint, NewTopic, PatternFilter,
    PatternType, ResourceType,
};
use klamm_kafka::security::ScramMechanism;
use klamm_kafka_proto::ErrorCode;

use crate::cluster::{KafkaCluster, admin, block_on, until};
use crate::scram::{set, user};

fn rule(name: &str, pattern: PatternType, operation: AclOperation) -> Acl {
    Acl {
        resource: AclResource { kind: ResourceType::Topic, name: name.into(), pattern },
        principal: "User:reader".into(),
        host: "*".into(),
        operation,
        permission: AclPermission::Allow,
    }
}

pub(crate) fn rules_bind(cluster: &KafkaCluster) {
    block_on(async {
        let mut root = cluster.admin();
        let topic = NewTopic { name: "acl.topic".into(), ..NewTopic::default() };
        root.create_topics(&[topic], false).await.unwrap()["acl.topic"].as_ref().unwrap();
        let made = [set("reader", ScramMechanism::Sha512, "secret")];
        root.alter_scram_credentials(&made).await.unwrap()["reader"].as_ref().unwrap();
        let security = user(cluster, "reader", "secret", ScramMechanism::Sha512);
        let mut reader = admin(&cluster.address("SCRAM"), Endpoint::Brokers, security);
        let asked =
            async || Ok(reader.metadata(Some(&["acl.topic"])).await?.remove("acl.topic").unwrap());
        let refused = until("the reader may log in", asked, |_| true).await.unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::TopicAuthorizationFailed), "{refused}");

        let rules = [
            rule("acl.", PatternType::Prefixed, AclOperation::Describe),
            rule("acl.topic", PatternType::Literal, AclOperation::Read),
        ];
        let wrong = rule("", PatternType::Literal, AclOperation::Read);
        let outcomes =
            root.create_acls(&[rules[0].clone(), wrong, rules[1].clone()]).await.unwrap();
        assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        let asked =
            async || Ok(reader.metadata(Some(&["acl.topic"])).await?.remove("acl.topic").unwrap());
        until("the reader sees the topic", asked, Result::is_ok).await.unwrap();

        let filter = AclFilter {
            kind: Some(ResourceType::Topic),
            name: Some("acl.topic".into()),
            pattern: PatternFilter::Match,
            ..AclFilter::default()
        };
        let asked = async || root.describe_acls(&filter).await;
        let mut found = until("both rules apply", asked, |found| found.len() == 2).await;
        found.sort_by_key(|acl| acl.resource.name.len());
        assert_eq!(found, rules);
        let filters = [AclFilter::from(&rules[1]), AclFilter::from(&rules[1])];
        let deleted = root.delete_acls(&filters[..1]).await.unwrap();
        assert_eq!(deleted[0].as_ref().unwrap(), &rules[1..]);
        let asked = async || root.describe_acls(&filter).await;
        until("one rule is left", asked, |found| *found == rules[..1]).await;
        root.delete_acls(&[AclFilter::from(&rules[0])]).await.unwrap();
    });
}
