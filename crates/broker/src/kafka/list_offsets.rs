//! ListOffsets: offsets by position or time.

use klamm_kafka::server::Answer;
use klamm_kafka_proto::ErrorCode;
use klamm_kafka_proto::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};
use klamm_log::{EmbeddedPartition, OffsetSpec, Partition, TimestampedOffset};

use super::{KafkaService, Refusal};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
/// Since version 7 (KIP-734).
const MAX_TIMESTAMP: i64 = -3;
/// Since version 8 (KIP-405): the earliest offset that is not in tiered storage alone.
const EARLIEST_LOCAL: i64 = -4;
/// Since version 9 (KIP-1005): the latest offset in tiered storage.
const LATEST_TIERED: i64 = -5;

impl KafkaService {
    pub(super) async fn list_offsets(&self, version: i16, request: ListOffsetsRequest) -> Answer {
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for asked in &topic.partitions {
                partitions.push(self.list_offset(version, &topic.name, asked).await);
            }
            topics.push(ListOffsetsTopicResponse { name: topic.name, partitions });
        }
        Answer::ready(ListOffsetsResponse { topics, ..Default::default() })
    }

    async fn list_offset(
        &self,
        version: i16,
        topic: &str,
        asked: &ListOffsetsPartition,
    ) -> ListOffsetsPartitionResponse {
        let partition_index = asked.partition_index;
        match self.look_up(version, topic, asked).await {
            Ok((found, leader_epoch)) => ListOffsetsPartitionResponse {
                partition_index,
                timestamp: found.timestamp,
                offset: found.offset,
                leader_epoch,
                ..Default::default()
            },
            Err(refusal) => ListOffsetsPartitionResponse {
                partition_index,
                error_code: refusal.number(),
                ..Default::default()
            },
        }
    }

    async fn look_up(
        &self,
        version: i16,
        topic: &str,
        asked: &ListOffsetsPartition,
    ) -> Result<(TimestampedOffset, i32), Refusal> {
        let partition = self.partition(topic, asked.partition_index)?;
        check_leader_epoch(&partition, asked.current_leader_epoch)?;
        let spec = match asked.timestamp {
            LATEST => OffsetSpec::Latest,
            EARLIEST => OffsetSpec::Earliest,
            MAX_TIMESTAMP if version >= 7 => OffsetSpec::MaxTimestamp,
            EARLIEST_LOCAL if version >= 8 => OffsetSpec::Earliest,
            // There is no tiered storage, so nothing is in it.
            LATEST_TIERED if version >= 9 => {
                return Ok((TimestampedOffset { offset: -1, timestamp: -1 }, -1));
            }
            timestamp if timestamp >= 0 => OffsetSpec::Timestamp(timestamp),
            _ => return Err(ErrorCode::UnsupportedVersion.into()),
        };
        let found = partition.list_offset(spec).await?;
        let epoch = if found.offset < 0 { -1 } else { epoch_of(&partition, found.offset) };
        Ok((found, epoch))
    }
}

/// Fences a client off that knows another leader epoch than the partition's (KIP-320).
pub(super) fn check_leader_epoch(
    partition: &EmbeddedPartition,
    known: i32,
) -> Result<(), ErrorCode> {
    let current = partition.leader_epoch();
    match known {
        -1 => Ok(()),
        known if known < current => Err(ErrorCode::FencedLeaderEpoch),
        known if known > current => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

/// The leader epoch in which the record at `offset` was, or will be, written: the first that ends after it.
fn epoch_of(partition: &EmbeddedPartition, offset: i64) -> i32 {
    let current = partition.leader_epoch();
    let (mut low, mut high) = (0, current);
    while low < high {
        let middle = low + (high - low) / 2;
        let (epoch, end) = partition.end_offset_of_epoch(middle);
        if epoch >= 0 && end > offset {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    let (epoch, _) = partition.end_offset_of_epoch(low);
    if epoch >= 0 { epoch } else { current }
}
