//! What is on a broker's disks: DescribeLogDirs (KIP-113, KIP-827).

use std::collections::BTreeSet;

use klamm_kafka_proto::messages::describe_log_dirs::{
    DescribeLogDirs, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResult,
};

use super::{Admin, Outcomes, TopicPartition, text};
use crate::KafkaError;
use crate::cluster::check;

/// A log directory of a broker.
#[derive(Debug, Clone)]
pub struct LogDir {
    /// Its path on the broker.
    pub path: String,
    /// What is wrong with it: `KafkaStorageError` when it is offline.
    pub error: Option<KafkaError>,
    /// Size of its volume; `None` where the broker does not tell.
    pub total_bytes: Option<u64>,
    /// Free space of its volume; `None` where the broker does not tell.
    pub usable_bytes: Option<u64>,
    /// The replicas in it.
    pub replicas: Vec<LogDirReplica>,
}

/// A replica on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirReplica {
    /// Of which partition.
    pub partition: TopicPartition,
    /// Its size.
    pub bytes: u64,
    /// How many records it lacks.
    pub offset_lag: i64,
    /// Being copied from another directory of the same broker.
    pub is_future: bool,
}

impl Admin {
    /// Log directories of several brokers, asked at once.
    ///
    /// # Errors
    /// None of the whole; a broker that does not answer has an error as its outcome.
    pub async fn describe_log_dirs(
        &mut self,
        brokers: &BTreeSet<i32>,
    ) -> Outcomes<i32, Vec<LogDir>> {
        let requests = brokers.iter().map(|id| (*id, DescribeLogDirsRequest { topics: None }));
        let answers = self.call_each::<DescribeLogDirs>(requests.collect()).await;
        answers
            .into_iter()
            .map(|(id, answer)| (id, answer.and_then(|a| described(id, &a))))
            .collect()
    }
}

fn described(id: i32, response: &DescribeLogDirsResponse) -> Result<Vec<LogDir>, KafkaError> {
    check(response.error_code, || format!("log directories of broker {id}"))?;
    Ok(response.results.iter().map(log_dir).collect())
}

fn log_dir(dir: &DescribeLogDirsResult) -> LogDir {
    let mut replicas = Vec::new();
    for topic in &dir.topics {
        for partition in &topic.partitions {
            let of =
                TopicPartition { topic: text(&topic.name), partition: partition.partition_index };
            replicas.push(LogDirReplica {
                partition: of,
                bytes: u64::try_from(partition.partition_size).unwrap_or_default(),
                offset_lag: partition.offset_lag,
                is_future: partition.is_future_key,
            });
        }
    }
    LogDir {
        path: text(&dir.log_dir),
        error: check(dir.error_code, || format!("log directory {}", dir.log_dir)).err(),
        total_bytes: u64::try_from(dir.total_bytes).ok(),
        usable_bytes: u64::try_from(dir.usable_bytes).ok(),
        replicas,
    }
}
