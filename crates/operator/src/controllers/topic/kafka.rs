//! Topics of an Apache Kafka.

use std::collections::{BTreeMap, BTreeSet};

use klamm_kafka::KafkaError;
use klamm_kafka::admin::{
    ConfigAlteration, ConfigChange, ConfigEntry, ConfigSource, NewPartitions, NewTopic, Outcomes,
    Resource, TopicDescription, TopicPartition,
};

use super::admin::{Alteration, Created, Creation, Found, Move, TopicAdmin};
use super::assign::Brokers;
use crate::kafka::Lent;
use crate::model::DirectoryId;

/// One who has Kafka's ear.
pub(crate) struct KafkaTopics(pub(crate) Lent);

/// Topics that one Metadata request is about. A response of a thousand topics with a hundred partitions each has some 5 MB.
const METADATA_TOPICS_MAX: usize = 1_000;

impl TopicAdmin for KafkaTopics {
    async fn topics(
        &mut self,
        names: Option<&[&str]>,
    ) -> Result<Outcomes<String, Found>, KafkaError> {
        let Some(names) = names else {
            return Ok(described(self.0.metadata(None).await?));
        };
        let mut all = Outcomes::new();
        for some in names.chunks(METADATA_TOPICS_MAX) {
            all.extend(described(self.0.metadata(Some(some)).await?));
        }
        Ok(all)
    }

    async fn configs(
        &mut self,
        topics: &[&str],
        keys: &BTreeSet<&str>,
    ) -> Result<Outcomes<String, BTreeMap<String, String>>, KafkaError> {
        let resources: Vec<_> =
            topics.iter().map(|name| Resource::Topic((*name).to_owned())).collect();
        let keys: Vec<&str> = keys.iter().copied().collect();
        let answers = self.0.describe_configs(&resources, Some(&keys)).await?;
        Ok(by_topic(answers, |entries| entries.into_iter().filter_map(own).collect()))
    }

    async fn create(
        &mut self,
        topics: &[Creation],
    ) -> Result<Outcomes<String, Created>, KafkaError> {
        let topics: Vec<NewTopic> = topics.iter().map(new_topic).collect();
        let answers = self.0.create_topics(&topics, false).await?;
        let created = |(name, answer): (String, Result<klamm_kafka::admin::CreatedTopic, _>)| {
            let created = answer.map(|created| Created {
                id: id_text(created.id),
                partitions: u32::try_from(created.partitions).ok(),
                replicas: u32::try_from(created.replication_factor).ok(),
            });
            (name, created)
        };
        Ok(answers.into_iter().map(created).collect())
    }

    async fn grow(&mut self, topics: &[(&str, u32)]) -> Result<Outcomes<String, ()>, KafkaError> {
        let grown = |(topic, count): &(&str, u32)| NewPartitions {
            topic: (*topic).to_owned(),
            count: i32::try_from(*count).unwrap_or(i32::MAX),
            assignments: Vec::new(),
        };
        let topics: Vec<NewPartitions> = topics.iter().map(grown).collect();
        self.0.create_partitions(&topics, false).await
    }

    async fn alter(
        &mut self,
        alterations: &[Alteration],
    ) -> Result<Outcomes<String, ()>, KafkaError> {
        let change = |(key, value): (&String, &Option<String>)| match value {
            Some(value) => ConfigChange::Set(key.clone(), value.clone()),
            None => ConfigChange::Delete(key.clone()),
        };
        let alteration = |alteration: &Alteration| ConfigAlteration {
            resource: Resource::Topic(alteration.topic.clone()),
            changes: alteration.changes.iter().map(change).collect(),
        };
        let alterations: Vec<_> = alterations.iter().map(alteration).collect();
        let answers = self.0.incremental_alter_configs(&alterations, false).await?;
        Ok(by_topic(answers, |()| ()))
    }

    async fn delete(&mut self, ids: &[&str]) -> Result<Outcomes<String, ()>, KafkaError> {
        // What is no id is no topic's: it has no answer, as one that Kafka does not know.
        let ids: Vec<_> = ids.iter().filter_map(|id| id.parse::<DirectoryId>().ok()).collect();
        let ids: Vec<_> = ids.iter().map(|id| klamm_kafka_proto::Uuid(id.bytes())).collect();
        let answers = self.0.delete_topics_by_id(&ids).await?;
        Ok(answers.into_iter().map(|(id, answer)| (id_text(id), answer)).collect())
    }

    async fn brokers(&mut self) -> Result<Brokers, KafkaError> {
        let nodes = self.0.describe_cluster().await?.nodes;
        let in_service = nodes.into_iter().filter(|node| !node.is_fenced);
        let racks = in_service.map(|node| (node.id, node.rack)).collect();
        Ok(Brokers { racks, leaving: BTreeSet::new() })
    }

    async fn moving(&mut self) -> Result<BTreeMap<(String, usize), Vec<i32>>, KafkaError> {
        let going_on = self.0.list_partition_reassignments().await?;
        let target = |(of, going): (TopicPartition, klamm_kafka::admin::Reassignment)| {
            let stays = going.replicas.into_iter().filter(|id| !going.removing.contains(id));
            Some(((of.topic, usize::try_from(of.partition).ok()?), stays.collect()))
        };
        Ok(going_on.into_iter().filter_map(target).collect())
    }

    async fn reassign(&mut self, moves: &[Move]) -> Result<Outcomes<String, ()>, KafkaError> {
        let one = |one: &Move| {
            let partition = i32::try_from(one.partition).unwrap_or(i32::MAX);
            let of = TopicPartition { topic: one.topic.clone(), partition };
            (of, Some(one.replicas.clone()))
        };
        let answers =
            self.0.alter_partition_reassignments(&moves.iter().map(one).collect()).await?;
        let mut topics = Outcomes::new();
        for (of, answer) in answers {
            let first = topics.entry(of.topic).or_insert(Ok(()));
            if first.is_ok() {
                *first = answer;
            }
        }
        Ok(topics)
    }
}

fn described(answers: Outcomes<String, TopicDescription>) -> Outcomes<String, Found> {
    let found = |topic: TopicDescription| Found {
        id: id_text(topic.id),
        partitions: topic.partitions.into_iter().map(|partition| partition.replicas).collect(),
    };
    answers.into_iter().map(|(name, answer)| (name, answer.map(found))).collect()
}

fn by_topic<A, B>(answers: Outcomes<Resource, A>, of: impl Fn(A) -> B) -> Outcomes<String, B> {
    let topic = |(resource, answer): (Resource, Result<A, KafkaError>)| match resource {
        Resource::Topic(name) => Some((name, answer.map(&of))),
        _ => None,
    };
    answers.into_iter().filter_map(topic).collect()
}

/// What is set for the topic itself.
fn own(entry: ConfigEntry) -> Option<(String, String)> {
    (entry.source == ConfigSource::Topic).then(|| (entry.name, entry.value.unwrap_or_default()))
}

fn new_topic(creation: &Creation) -> NewTopic {
    NewTopic {
        name: creation.name.clone(),
        partitions: creation.partitions.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
        replication_factor: creation.replicas.map(|count| i16::try_from(count).unwrap_or(i16::MAX)),
        assignments: Vec::new(),
        configs: creation.config.clone(),
    }
}

/// As Kafka's tools print it.
fn id_text(id: klamm_kafka_proto::Uuid) -> String {
    DirectoryId::from_bytes(id.0).to_string()
}
