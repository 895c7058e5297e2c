//! `klamm bench kafka-consume`.

use std::collections::BTreeMap;

use klamm_kafka::KafkaError;
use klamm_kafka::client::Client;
use klamm_kafka::cluster::check;
use klamm_kafka_proto::messages::fetch::{Fetch, FetchPartition, FetchRequest, FetchTopic};
use klamm_kafka_proto::records::batches;
use klamm_kafka_proto::{ApiKey, Uuid};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Target;
use crate::commands::bench::measure::Tally;

#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,

    /// Read each partition so often from its beginning
    #[arg(long, default_value_t = 1, value_name = "N")]
    rounds: u32,

    /// Most that one request brings
    #[arg(long, default_value_t = 4 << 20, value_name = "BYTES")]
    fetch_bytes: i32,

    /// The result as one JSON object
    #[arg(long)]
    json: bool,
}

/// Reads everything that is there, without unpacking: what is measured is the server.
pub async fn run(args: Args) -> Result<(), String> {
    let (cluster, topic) = args.target.connect().await?;
    let mut leaders: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for partition in &topic.partitions {
        leaders.entry(partition.leader_id).or_default().push(partition.partition_index);
    }
    let start = Instant::now();
    let mut running = JoinSet::new();
    for (leader, partitions) in leaders {
        let client = cluster.separate(leader).await.map_err(|error| error.to_string())?;
        running.spawn(read(client, args.clone(), partitions));
    }
    let mut total = Tally::default();
    for tally in running.join_all().await {
        total.add(&tally);
    }
    total.report("kafka-consume", "records", start.elapsed(), args.json)
}

async fn read(mut client: Client, args: Args, partitions: Vec<i32>) -> Tally {
    let mut tally = Tally::default();
    for index in partitions {
        for _ in 0..args.rounds {
            if let Err(error) = read_one(&mut client, &args, index, &mut tally).await {
                tally.fail(1, &error);
            }
        }
    }
    tally
}

async fn read_one(
    client: &mut Client,
    args: &Args,
    index: i32,
    tally: &mut Tally,
) -> Result<(), KafkaError> {
    let by_name = Uuid::default();
    let version = client.version_for(ApiKey::Fetch, by_name)?;
    let mut next = 0;
    loop {
        let request = FetchRequest {
            max_wait_ms: 0,
            min_bytes: 0,
            max_bytes: args.fetch_bytes,
            topics: vec![FetchTopic {
                topic: args.target.topic.as_str().into(),
                partitions: vec![FetchPartition {
                    partition: index,
                    fetch_offset: next,
                    partition_max_bytes: args.fetch_bytes,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        let response = client.call_at::<Fetch>(version, &request).await?;
        let partition = response.responses.into_iter().flat_map(|topic| topic.partitions).next();
        let partition = partition.ok_or(KafkaError::Closed)?;
        check(partition.error_code, || "fetch".into())?;
        let bytes = partition.records.unwrap_or_default();
        let whole = bytes.len() as u64;
        let mut records = 0;
        for (header, _) in batches(bytes).map_while(Result::ok) {
            next = header.next_offset();
            records += header.records_count as u64;
        }
        if records == 0 {
            return Ok(());
        }
        tally.count(records, whole);
    }
}
