//! Over the Kafka protocol: what is at hand goes in one batch.

use bytes::Bytes;
use klamm_broker::partition_of;
use klamm_kafka::cluster::Cluster;
use klamm_kafka_proto::messages::metadata::MetadataTopic;
use klamm_kafka_proto::records::{BatchBuilder, Header};

use super::{AHEAD_MAX, Args, Source};
use crate::clock::now_ms;
use crate::commands::{ready_topic, unreachable};

pub(super) async fn run(server: &str, args: &Args, mut source: Source) -> Result<(), String> {
    let mut cluster =
        Cluster::connect(server, "klamm-pub").await.map_err(|error| unreachable(server, error))?;
    let topic = ready_topic(&mut cluster, &args.topic).await?;
    let count = topic.partitions.len() as u32;
    let headers: Vec<Header> = args.header.iter().map(header).collect();
    let mut round = 0;
    let mut sent = 0;
    while let Some(first) = source.next().await? {
        let mut batch = BatchBuilder::new();
        let mut next = Some(first);
        while let Some(value) = next {
            batch.append(now_ms(), args.key.as_deref().map(str::as_bytes), Some(&value), &headers);
            next = if source.has_more() && batch.count() < AHEAD_MAX {
                source.next().await?
            } else {
                None
            };
        }
        // Without a key, batches take the partitions in turn.
        let index =
            args.key.as_ref().map_or(round % count, |key| partition_of(key.as_bytes(), count));
        round += 1;
        let count_in_batch = batch.count();
        let leader = leader(&topic, index as i32)?;
        let appended = cluster.produce(leader, &topic, index as i32, batch.build()).await;
        appended.map_err(|error| format!("{error}\n{sent} messages were acknowledged before"))?;
        sent += count_in_batch;
    }
    Ok(())
}

fn leader(topic: &MetadataTopic, index: i32) -> Result<i32, String> {
    let partition = topic.partitions.iter().find(|p| p.partition_index == index);
    partition.map(|p| p.leader_id).ok_or_else(|| format!("partition {index} has no leader"))
}

fn header((name, value): &(String, String)) -> Header {
    Header {
        key: Bytes::copy_from_slice(name.as_bytes()),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
    }
}
