//! DescribeLogDirs: bytes on disk (KIP-113).

use std::collections::HashSet;

use klamm_kafka::server::Answer;
use klamm_kafka_proto::Str;
use klamm_kafka_proto::messages::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeLogDirsResult, DescribeLogDirsTopic,
};
use klamm_log::Topic;

use super::KafkaService;

impl KafkaService {
    pub(super) fn describe_log_dirs(&self, request: DescribeLogDirsRequest) -> Answer {
        let mut topics = match request.topics {
            None => {
                let all = self.log.list();
                all.iter().map(|topic| self.sizes(topic, |_| true)).collect::<Vec<_>>()
            }
            Some(asked) => {
                let sizes = asked.iter().filter_map(|asked| {
                    let wanted: HashSet<i32> = asked.partitions.iter().copied().collect();
                    let topic = self.log.find(&asked.topic)?;
                    Some(self.sizes(&topic, |index| wanted.contains(&index)))
                });
                sizes.collect()
            }
        };
        topics.retain(|topic| !topic.partitions.is_empty());
        let log_dir = match self.log.data_directory() {
            Some(path) => path.display().to_string().into(),
            None => Str::from_static("memory"),
        };
        let directory = DescribeLogDirsResult { log_dir, topics, ..Default::default() };
        Answer::ready(DescribeLogDirsResponse { results: vec![directory], ..Default::default() })
    }

    fn sizes(&self, topic: &Topic, wanted: impl Fn(i32) -> bool) -> DescribeLogDirsTopic {
        let indices = (0..topic.partitions).filter(|index| wanted(*index as i32));
        let partitions = indices.filter_map(|index| {
            // A topic that was deleted meanwhile has no size.
            let partition = self.log.open_partition(&topic.name, index).ok()?;
            Some(DescribeLogDirsPartition {
                partition_index: index as i32,
                partition_size: partition.size_bytes() as i64,
                ..Default::default()
            })
        });
        DescribeLogDirsTopic { name: (&*topic.name).into(), partitions: partitions.collect() }
    }
}
