//! Who leads: ElectLeaders (KIP-183, KIP-460).

use std::collections::{BTreeMap, BTreeSet};

use klamm_kafka_proto::ErrorCode;
use klamm_kafka_proto::messages::elect_leaders::{
    ElectLeaders, ElectLeadersRequest, ElectLeadersResponse, TopicPartitions,
};

use super::{Admin, Outcomes, To, TopicPartition, moved_among, said, text};
use crate::KafkaError;
use crate::cluster::check;

/// Which leader is elected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Election {
    /// The first of the replicas.
    Preferred,
    /// The first that is alive, in sync or not: records may be lost.
    Unclean,
}

impl Admin {
    /// Has leaders elected, for these partitions or (`None`) for all; tells for each whether another leads now. Of all partitions only those are
    /// told where something was done or failed.
    ///
    /// # Errors
    /// Of the connection or the controller. What is wrong with a partition stands in its outcome.
    pub async fn elect_leaders(
        &mut self,
        election: Election,
        partitions: Option<&BTreeSet<TopicPartition>>,
    ) -> Result<Outcomes<TopicPartition, bool>, KafkaError> {
        let request = ElectLeadersRequest {
            election_type: match election {
                Election::Preferred => 0,
                Election::Unclean => 1,
            },
            topic_partitions: partitions.map(by_topic),
            timeout_ms: self.timeout_ms(),
        };
        let response = self.call::<ElectLeaders>(To::Controller, &request, code).await?;
        check(response.error_code, || "elect leaders".into())?;
        let mut outcomes = elected(&response);
        // What has that leader already is left out of an answer about all, and out of the answers of some versions.
        for partition in partitions.into_iter().flatten() {
            outcomes.entry(partition.clone()).or_insert(Ok(false));
        }
        Ok(outcomes)
    }
}

fn by_topic(partitions: &BTreeSet<TopicPartition>) -> Vec<TopicPartitions> {
    let mut topics = BTreeMap::<&str, Vec<i32>>::new();
    for of in partitions {
        topics.entry(&of.topic).or_default().push(of.partition);
    }
    let topic =
        |(topic, partitions): (&str, _)| TopicPartitions { topic: topic.into(), partitions };
    topics.into_iter().map(topic).collect()
}

fn code(response: &ElectLeadersResponse) -> i16 {
    let results = response.replica_election_results.iter().flat_map(|t| &t.partition_result);
    moved_among([response.error_code].into_iter().chain(results.map(|result| result.error_code)))
}

fn elected(response: &ElectLeadersResponse) -> Outcomes<TopicPartition, bool> {
    let mut outcomes = Outcomes::new();
    for topic in &response.replica_election_results {
        for result in &topic.partition_result {
            let (topic, partition) = (text(&topic.topic), result.partition_id);
            let what = || format!("elect a leader of {topic}-{partition}");
            let outcome = match said(result.error_code, result.error_message.as_ref(), what) {
                Ok(()) => Ok(true),
                Err(error) if error.code() == Some(ErrorCode::ElectionNotNeeded) => Ok(false),
                Err(error) => Err(error),
            };
            outcomes.insert(TopicPartition { topic, partition }, outcome);
        }
    }
    outcomes
}
