//! Replicas on the move: AlterPartitionReassignments, ListPartitionReassignments (KIP-455).

use std::collections::BTreeMap;

use klamm_kafka_proto::messages::alter_partition_reassignments::{
    AlterPartitionReassignments, AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse, ReassignablePartition, ReassignableTopic,
};
use klamm_kafka_proto::messages::list_partition_reassignments::{
    ListPartitionReassignments, ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
};

use super::{Admin, Outcomes, To, TopicPartition, complete, moved_among, said, text};
use crate::KafkaError;

/// A reassignment that is going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassignment {
    /// Who has a replica now, those that come and those that go included.
    pub replicas: Vec<i32>,
    /// Those that come.
    pub adding: Vec<i32>,
    /// Those that go.
    pub removing: Vec<i32>,
}

impl Admin {
    /// Every reassignment that is going on.
    ///
    /// # Errors
    /// Of the connection or the controller.
    pub async fn list_partition_reassignments(
        &mut self,
    ) -> Result<BTreeMap<TopicPartition, Reassignment>, KafkaError> {
        let request = ListPartitionReassignmentsRequest {
            timeout_ms: self.timeout_ms(),
            ..ListPartitionReassignmentsRequest::default()
        };
        let response = self
            .call::<ListPartitionReassignments>(To::Controller, &request, |r| r.error_code)
            .await?;
        said(response.error_code, response.error_message.as_ref(), || "reassignments".into())?;
        Ok(listed(&response))
    }

    /// Begins to move replicas, or calls a reassignment off (`None`). Many in one call.
    ///
    /// # Errors
    /// Of the connection or the controller. What is wrong with a partition stands in its outcome: `NoReassignmentInProgress` for one
    /// that was to be called off and does not go on.
    pub async fn alter_partition_reassignments(
        &mut self,
        moves: &BTreeMap<TopicPartition, Option<Vec<i32>>>,
    ) -> Result<Outcomes<TopicPartition, ()>, KafkaError> {
        let mut topics = BTreeMap::<&str, Vec<ReassignablePartition>>::new();
        for (of, replicas) in moves {
            let (partition_index, replicas) = (of.partition, replicas.clone());
            let partition = ReassignablePartition { partition_index, replicas };
            topics.entry(&of.topic).or_default().push(partition);
        }
        let topic =
            |(name, partitions): (&str, _)| ReassignableTopic { name: name.into(), partitions };
        let request = AlterPartitionReassignmentsRequest {
            timeout_ms: self.timeout_ms(),
            topics: topics.into_iter().map(topic).collect(),
            ..AlterPartitionReassignmentsRequest::default()
        };
        let response =
            self.call::<AlterPartitionReassignments>(To::Controller, &request, code).await?;
        said(response.error_code, response.error_message.as_ref(), || "reassign".into())?;
        let mut outcomes = altered(&response);
        complete(&mut outcomes, moves.keys().cloned());
        Ok(outcomes)
    }
}

fn code(response: &AlterPartitionReassignmentsResponse) -> i16 {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    moved_among([response.error_code].into_iter().chain(partitions.map(|p| p.error_code)))
}

fn altered(response: &AlterPartitionReassignmentsResponse) -> Outcomes<TopicPartition, ()> {
    let mut outcomes = Outcomes::new();
    for topic in &response.responses {
        for answer in &topic.partitions {
            let (topic, partition) = (text(&topic.name), answer.partition_index);
            let what = || format!("reassign {topic}-{partition}");
            let outcome = said(answer.error_code, answer.error_message.as_ref(), what);
            outcomes.insert(TopicPartition { topic, partition }, outcome);
        }
    }
    outcomes
}

fn listed(response: &ListPartitionReassignmentsResponse) -> BTreeMap<TopicPartition, Reassignment> {
    let mut going_on = BTreeMap::new();
    for topic in &response.topics {
        for partition in &topic.partitions {
            let of =
                TopicPartition { topic: text(&topic.name), partition: partition.partition_index };
            let reassignment = Reassignment {
                replicas: partition.replicas.clone(),
                adding: partition.adding_replicas.clone(),
                removing: partition.removing_replicas.clone(),
            };
            going_on.insert(of, reassignment);
        }
    }
    going_on
}
