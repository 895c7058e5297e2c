//! Over the Kafka protocol: a connection for each broker that leads partitions of the topic.

use std::collections::BTreeMap;
use std::time::Duration;

use klamm_kafka::KafkaError;
use klamm_kafka::client::{Client, EARLIEST, LATEST};
use klamm_kafka::cluster::{Cluster, check};
use klamm_kafka_proto::messages::fetch::{Fetch, FetchPartition, FetchRequest, FetchTopic};
use klamm_kafka_proto::messages::metadata::MetadataTopic;
use klamm_kafka_proto::records::{batches, records};
use klamm_kafka_proto::{ApiKey, Str};
use tokio::sync::mpsc;

use super::{Args, Arrived, Printer};
use crate::commands::unreachable;

/// Batches read and not yet printed; each is at most [`FETCH_BYTES`] or one batch.
const AHEAD_MAX: usize = 4;
const FETCH_BYTES: i32 = 1 << 20;
const WAIT_MS: i32 = 500;
/// What one batch may unpack to: 16 times Kafka's default `max.message.bytes`.
const UNPACKED_BYTES_MAX: usize = 16 << 20; // beyond it a batch is a bomb rather than data
/// Pause before the cluster is asked again who leads what.
const RETRY: Duration = Duration::from_millis(500);

/// Where to go on, by partition.
type Offsets = BTreeMap<i32, i64>;

pub(super) async fn run(server: &str, args: &Args) -> Result<(), String> {
    let mut cluster =
        Cluster::connect(server, "klamm-sub").await.map_err(|error| unreachable(server, error))?;
    let mut offsets = Offsets::new();
    let mut printer = Printer::new(args);
    let mut first = true;
    loop {
        match follow(&mut cluster, args, &mut offsets, &mut printer).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_retryable() && !first => tokio::time::sleep(RETRY).await,
            Err(error) => return Err(error.to_string()),
        }
        first = offsets.is_empty();
    }
}

/// Follows the topic until enough was printed or something breaks.
async fn follow(
    cluster: &mut Cluster,
    args: &Args,
    offsets: &mut Offsets,
    printer: &mut Printer,
) -> Result<(), KafkaError> {
    let topic = cluster.topic(&args.topic).await?;
    let mut leaders: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for partition in &topic.partitions {
        let index = partition.partition_index;
        if args.partition.is_none_or(|only| only == index) {
            leaders.entry(partition.leader_id).or_default().push(index);
        }
    }
    let start = if args.from_beginning { EARLIEST } else { LATEST };
    let (send, mut receive) = mpsc::channel(AHEAD_MAX);
    let mut readers = tokio::task::JoinSet::new();
    for (leader, indices) in leaders {
        let mut client = cluster.separate(leader).await?;
        let mut own = Offsets::new();
        for index in indices {
            let from = match offsets.get(&index) {
                Some(next) => *next,
                None => client.offset_at(&args.topic, index, start).await?,
            };
            offsets.insert(index, from);
            own.insert(index, from);
        }
        readers.spawn(read(client, topic.clone(), own, send.clone()));
    }
    drop(send);
    while let Some((index, next, arrived)) = receive.recv().await {
        for message in arrived {
            printer.print(&message);
            if printer.is_done() {
                return Ok(());
            }
        }
        offsets.insert(index, next);
    }
    match readers.join_next().await {
        Some(Ok(Err(error))) => Err(error),
        _ => Err(KafkaError::Closed),
    }
}

async fn read(
    mut client: Client,
    topic: MetadataTopic,
    mut offsets: Offsets,
    send: mpsc::Sender<(i32, i64, Vec<Arrived>)>,
) -> Result<(), KafkaError> {
    let name = topic.name.clone().unwrap_or_default();
    let version = client.version_for(ApiKey::Fetch, topic.topic_id)?;
    loop {
        let partitions = offsets.iter().map(|(index, offset)| FetchPartition {
            partition: *index,
            fetch_offset: *offset,
            partition_max_bytes: FETCH_BYTES,
            ..Default::default()
        });
        let request = FetchRequest {
            max_wait_ms: WAIT_MS,
            min_bytes: 1,
            max_bytes: FETCH_BYTES,
            topics: vec![FetchTopic {
                topic: name.clone(),
                topic_id: topic.topic_id,
                partitions: partitions.collect(),
            }],
            ..Default::default()
        };
        let response = client.call_at::<Fetch>(version, &request).await?;
        check(response.error_code, || format!("fetch from '{name}'"))?;
        for partition in response.responses.into_iter().flat_map(|topic| topic.partitions) {
            let index = partition.partition_index;
            check(partition.error_code, || format!("partition {index} of '{name}'"))?;
            let Some(bytes) = partition.records else { continue };
            let from = offsets.get(&index).copied().unwrap_or_default();
            let (next, arrived) = unpack(&name, index, from, bytes)?;
            offsets.insert(index, next);
            if !arrived.is_empty() && send.send((index, next, arrived)).await.is_err() {
                return Ok(());
            }
        }
    }
}

fn unpack(
    topic: &Str,
    index: i32,
    from: i64,
    bytes: bytes::Bytes,
) -> Result<(i64, Vec<Arrived>), KafkaError> {
    let (mut next, mut arrived) = (from, Vec::new());
    for batch in batches(bytes) {
        // Brokers may cut the last batch short; it comes again whole.
        let Ok((header, batch)) = batch else { break };
        next = header.next_offset();
        if header.attributes.is_control() {
            continue;
        }
        let unreadable = |error| KafkaError::Unreadable { offset: header.base_offset, error };
        for record in records(&batch, UNPACKED_BYTES_MAX).map_err(unreadable)? {
            let record = record.map_err(unreadable)?;
            if record.offset < from {
                continue;
            }
            arrived.push(Arrived {
                topic: topic.to_string(),
                place: Some((index, record.offset, record.timestamp)),
                key: record.key,
                value: record.value,
                headers: record.headers.into_iter().map(|h| (h.key, h.value)).collect(),
                ..Default::default()
            });
        }
    }
    Ok((next, arrived))
}
