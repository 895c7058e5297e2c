//! Topics and their partitions: Metadata, CreateTopics, DeleteTopics, CreatePartitions, reassignments, DescribeLogDirs.

use std::collections::BTreeMap;

use klamm_kafka_proto::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    ReassignablePartitionResponse, ReassignableTopic, ReassignableTopicResponse,
};
use klamm_kafka_proto::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopicResult,
};
use klamm_kafka_proto::messages::create_topics::{
    CreatableTopic, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use klamm_kafka_proto::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse,
};
use klamm_kafka_proto::messages::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use klamm_kafka_proto::messages::list_partition_reassignments::ListPartitionReassignmentsResponse;
use klamm_kafka_proto::messages::metadata::{
    MetadataBroker, MetadataPartition, MetadataRequest, MetadataResponse, MetadataTopic,
};
use klamm_kafka_proto::{ErrorCode, Uuid};

use super::{Here, Kafka, Topic};

pub fn metadata(kafka: &Kafka, here: &Here, request: &MetadataRequest) -> MetadataResponse {
    let brokers = kafka.brokers.iter().filter(|(id, _)| here.is_in_service(**id));
    let broker = |(id, broker): (&i32, &super::Broker)| MetadataBroker {
        node_id: *id,
        host: broker.host.as_str().into(),
        port: 9091,
        rack: broker.rack.as_deref().map(Into::into),
    };
    let topics = match &request.topics {
        None => kafka.topics.iter().map(|(name, topic)| described(here, name, topic)).collect(),
        Some(names) => {
            let names = names.iter().filter_map(|topic| topic.name.as_deref());
            names.map(|name| named(kafka, here, name)).collect()
        }
    };
    MetadataResponse {
        brokers: brokers.map(broker).collect(),
        cluster_id: Some(kafka.id.as_str().into()),
        controller_id: here.node,
        topics,
        ..MetadataResponse::default()
    }
}

fn named(kafka: &Kafka, here: &Here, name: &str) -> MetadataTopic {
    kafka.topics.get(name).map_or_else(
        || MetadataTopic {
            error_code: ErrorCode::UnknownTopicOrPartition as i16,
            name: Some(name.into()),
            ..MetadataTopic::default()
        },
        |topic| described(here, name, topic),
    )
}

fn described(here: &Here, name: &str, topic: &Topic) -> MetadataTopic {
    let partition = |(index, replicas): (i32, &Vec<i32>)| {
        let there = |id: &&i32| here.is_in_service(**id);
        let isr: Vec<i32> = replicas.iter().filter(there).copied().collect();
        MetadataPartition {
            partition_index: index,
            leader_id: isr.first().copied().unwrap_or(-1),
            replica_nodes: replicas.clone(),
            isr_nodes: isr,
            ..MetadataPartition::default()
        }
    };
    MetadataTopic {
        name: Some(name.into()),
        topic_id: topic.id,
        partitions: (0..).zip(&topic.partitions).map(partition).collect(),
        ..MetadataTopic::default()
    }
}

pub fn create(
    kafka: &mut Kafka,
    here: &Here,
    request: &CreateTopicsRequest,
) -> CreateTopicsResponse {
    let topics = request.topics.iter();
    let topics = topics.map(|topic| match create_one(kafka, here, topic, request.validate_only) {
        Ok(result) => result,
        Err(code) => CreatableTopicResult {
            name: topic.name.clone(),
            error_code: code as i16,
            ..CreatableTopicResult::default()
        },
    });
    CreateTopicsResponse { topics: topics.collect(), ..CreateTopicsResponse::default() }
}

fn create_one(
    kafka: &mut Kafka,
    here: &Here,
    topic: &CreatableTopic,
    validate_only: bool,
) -> Result<CreatableTopicResult, ErrorCode> {
    if kafka.topics.contains_key(&*topic.name) {
        return Err(ErrorCode::TopicAlreadyExists);
    }
    let count = match topic.num_partitions {
        -1 => here.number("num.partitions", 1),
        count => count,
    };
    let count = usize::try_from(count).ok().filter(|count| (1..=1_000).contains(count));
    let count = count.ok_or(ErrorCode::InvalidPartitions)?;
    let replicas = match topic.replication_factor {
        -1 => here.number("default.replication.factor", 1),
        replicas => replicas,
    };
    let partitions = spread(here, kafka.topics.len(), count, replicas)?;
    let config = topic
        .configs
        .iter()
        .filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())));
    let made =
        Topic { id: Uuid(uuid::Uuid::new_v4().into_bytes()), partitions, config: config.collect() };
    let result = CreatableTopicResult {
        name: topic.name.clone(),
        topic_id: made.id,
        num_partitions: i32::try_from(count).unwrap_or(i32::MAX),
        replication_factor: replicas,
        ..CreatableTopicResult::default()
    };
    if !validate_only {
        kafka.topics.insert(topic.name.to_string(), made);
    }
    Ok(result)
}

/// Replicas one after the other around the brokers.
fn spread(
    here: &Here,
    from: usize,
    partitions: usize,
    replicas: i16,
) -> Result<Vec<Vec<i32>>, ErrorCode> {
    let brokers: Vec<i32> =
        here.nodes.iter().filter(|(_, peer)| peer.is_broker).map(|(id, _)| *id).collect();
    let replicas = usize::try_from(replicas).ok().filter(|r| (1..=brokers.len()).contains(r));
    let replicas = replicas.ok_or(ErrorCode::InvalidReplicationFactor)?;
    let one = |index: usize| {
        let brokers = brokers.iter().cycle().skip((from + index) % brokers.len());
        brokers.take(replicas).copied().collect()
    };
    Ok((0..partitions).map(one).collect())
}

pub fn delete(kafka: &mut Kafka, request: &DeleteTopicsRequest) -> DeleteTopicsResponse {
    let names: BTreeMap<Uuid, String> =
        kafka.topics.iter().map(|(name, topic)| (topic.id, name.clone())).collect();
    let by_state = request.topics.iter().map(|state| match &state.name {
        Some(name) => (Some(name.to_string()), state.topic_id),
        None => (names.get(&state.topic_id).cloned(), state.topic_id),
    });
    let by_name = request.topic_names.iter().map(|name| (Some(name.to_string()), Uuid::default()));
    let asked: Vec<(Option<String>, Uuid)> = by_state.chain(by_name).collect();
    let mut result = |(name, id): (Option<String>, Uuid)| {
        let gone = name.as_ref().and_then(|name| kafka.topics.remove(name));
        let code = match (&gone, &name) {
            (Some(_), _) => ErrorCode::None,
            (None, Some(_)) => ErrorCode::UnknownTopicOrPartition,
            (None, None) => ErrorCode::UnknownTopicId,
        };
        DeletableTopicResult {
            name: name.map(|name| name.as_str().into()),
            topic_id: gone.map_or(id, |topic| topic.id),
            error_code: code as i16,
            error_message: None,
        }
    };
    let responses = asked.into_iter().map(&mut result).collect();
    DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() }
}

pub fn grow(
    kafka: &mut Kafka,
    here: &Here,
    request: &CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut grow_one = |name: &str, count: i32| {
        let topic = kafka.topics.get_mut(name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let there = topic.partitions.len();
        let count = usize::try_from(count).ok().filter(|count| (there + 1..=1_000).contains(count));
        let more = count.ok_or(ErrorCode::InvalidPartitions)? - there;
        let replicas = here.number("default.replication.factor", 1);
        let replicas = topic.partitions.first().map_or(replicas, |replicas| replicas.len() as i16);
        let more = spread(here, there, more, replicas)?;
        if !request.validate_only {
            topic.partitions.extend(more);
        }
        Ok::<(), ErrorCode>(())
    };
    let results = request.topics.iter().map(|topic| CreatePartitionsTopicResult {
        name: topic.name.clone(),
        error_code: grow_one(&topic.name, topic.count).err().unwrap_or(ErrorCode::None) as i16,
        error_message: None,
    });
    CreatePartitionsResponse { results: results.collect(), ..CreatePartitionsResponse::default() }
}

pub fn reassign(
    kafka: &mut Kafka,
    request: &AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let mut topic = |topic: &ReassignableTopic| {
        let mut known = kafka.topics.get_mut(&*topic.name);
        let partitions = topic.partitions.iter().map(|partition| {
            let index = usize::try_from(partition.partition_index).unwrap_or(usize::MAX);
            let replicas = known.as_mut().and_then(|topic| topic.partitions.get_mut(index));
            let code = match (replicas, &partition.replicas) {
                (Some(replicas), Some(wanted)) => {
                    replicas.clone_from(wanted);
                    ErrorCode::None
                }
                // A move is over when it is begun: there is none to call off.
                (Some(_), None) => ErrorCode::NoReassignmentInProgress,
                (None, _) => ErrorCode::UnknownTopicOrPartition,
            };
            ReassignablePartitionResponse {
                partition_index: partition.partition_index,
                error_code: code as i16,
                error_message: None,
            }
        });
        ReassignableTopicResponse { name: topic.name.clone(), partitions: partitions.collect() }
    };
    AlterPartitionReassignmentsResponse {
        responses: request.topics.iter().map(&mut topic).collect(),
        ..AlterPartitionReassignmentsResponse::default()
    }
}

/// Nothing is ever on the move.
pub fn moving() -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default()
}

pub fn log_dirs(kafka: &Kafka, here: &Here) -> DescribeLogDirsResponse {
    let topic = |(name, topic): (&String, &Topic)| {
        let own = (0..).zip(&topic.partitions).filter(|(_, ids)| ids.contains(&here.node));
        let own = own.map(|(index, _)| DescribeLogDirsPartition {
            partition_index: index,
            ..DescribeLogDirsPartition::default()
        });
        DescribeLogDirsTopic { name: name.as_str().into(), partitions: own.collect() }
    };
    let topics = kafka.topics.iter().map(topic).filter(|topic| !topic.partitions.is_empty());
    let result = DescribeLogDirsResult {
        log_dir: here.log_dir.clone(),
        topics: topics.collect(),
        total_bytes: 100 << 30,
        usable_bytes: 100 << 30,
        ..DescribeLogDirsResult::default()
    };
    DescribeLogDirsResponse { results: vec![result], ..DescribeLogDirsResponse::default() }
}
