//! `klamm topics`: list, create, describe, alter and delete topics over the Kafka protocol.

use anstream::println;
use klamm_kafka::KafkaError;
use klamm_kafka::client::{EARLIEST, LATEST};
use klamm_kafka::cluster::Cluster;
use klamm_kafka_proto::messages::create_partitions::{
    CreatePartitions, CreatePartitionsRequest, CreatePartitionsTopic,
};
use klamm_kafka_proto::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopics, CreateTopicsRequest,
};
use klamm_kafka_proto::messages::delete_topics::{
    DeleteTopicState, DeleteTopics, DeleteTopicsRequest,
};
use klamm_kafka_proto::messages::describe_configs::{
    DescribeConfigs, DescribeConfigsRequest, DescribeConfigsResource,
};
use klamm_kafka_proto::messages::incremental_alter_configs::{
    IncrementalAlterConfigs, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource,
    IncrementalAlterableConfig,
};
use klamm_kafka_proto::messages::metadata::MetadataTopic;
use klamm_kafka_proto::{ErrorCode, Str};

use super::{KAFKA_DEFAULT, pair, unreachable};

const TOPIC_RESOURCE: i8 = 2;
const SOURCE_TOPIC: i8 = 1;
const TIMEOUT_MS: i32 = 30_000;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Servers of the Kafka protocol [default: 127.0.0.1:9092]
    #[arg(long, global = true, value_name = "HOST:PORT,..")]
    kafka: Option<String>,

    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List topics (also what happens without a command)
    List {
        /// The server's own topics too
        #[arg(long)]
        internal: bool,
    },
    /// Make a topic
    Create {
        name: String,
        /// Number of partitions [default: the server's]
        #[arg(long, value_name = "N")]
        partitions: Option<i32>,
        /// Copies of each partition [default: the server's]
        #[arg(long, value_name = "N")]
        replication: Option<i16>,
        /// A topic configuration, such as retention.ms=3600000; may be repeated
        #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
        config: Vec<(String, String)>,
    },
    /// Show partitions, offsets and what is configured
    Describe { name: String },
    /// Change configurations or raise the number of partitions
    Alter {
        name: String,
        /// New number of partitions; it can only grow
        #[arg(long, value_name = "N")]
        partitions: Option<i32>,
        /// Set a configuration; may be repeated
        #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
        config: Vec<(String, String)>,
        /// Set a configuration back to the default; may be repeated
        #[arg(long, value_name = "NAME")]
        reset: Vec<String>,
    },
    /// Delete a topic and its records
    Delete { name: String },
}

pub async fn run(args: Args) -> Result<(), String> {
    let server = args.kafka.unwrap_or_else(|| KAFKA_DEFAULT.into());
    let mut cluster =
        Cluster::connect(&server, "klamm-topics").await.map_err(|e| unreachable(&server, e))?;
    let cluster = &mut cluster;
    match args.what.unwrap_or(What::List { internal: false }) {
        What::List { internal } => list(cluster, internal).await,
        What::Create { name, partitions, replication, config } => {
            create(cluster, name, partitions, replication, config).await
        }
        What::Describe { name } => describe(cluster, &name).await,
        What::Alter { name, partitions, config, reset } => {
            if partitions.is_none() && config.is_empty() && reset.is_empty() {
                return Err("nothing to change: give --partitions, --config or --reset".into());
            }
            if let Some(total) = partitions {
                grow(cluster, &name, total).await?;
            }
            configure(cluster, &name, config, reset).await
        }
        What::Delete { name } => delete(cluster, &name).await,
    }
}

/// An error code and the broker's own words for it.
fn check(code: i16, message: Option<&Str>, what: &str) -> Result<(), String> {
    let code = ErrorCode::from_number(code).unwrap_or(ErrorCode::UnknownServerError);
    match (code, message) {
        (ErrorCode::None, _) => Ok(()),
        (_, Some(message)) => Err(format!("{what}: {message}")),
        (_, None) => Err(format!("{what}: {code}")),
    }
}

async fn list(cluster: &mut Cluster, internal: bool) -> Result<(), String> {
    let mut topics = cluster.metadata(None).await.map_err(|error| error.to_string())?.topics;
    topics.retain(|topic| internal || !topic.is_internal);
    topics.sort_by_key(|topic| topic.name.as_ref().map(ToString::to_string));
    let width = topics.iter().filter_map(|t| t.name.as_ref().map(|n| n.len())).max().unwrap_or(0);
    println!("{:<width$}  PARTITIONS", "TOPIC", width = width.max(5));
    for topic in &topics {
        let name = topic.name.as_deref().unwrap_or("?");
        println!("{name:<width$}  {}", topic.partitions.len(), width = width.max(5));
    }
    Ok(())
}

async fn create(
    cluster: &mut Cluster,
    name: String,
    partitions: Option<i32>,
    replication: Option<i16>,
    config: Vec<(String, String)>,
) -> Result<(), String> {
    let configs = config
        .into_iter()
        .map(|(name, value)| CreatableTopicConfig { name: name.into(), value: Some(value.into()) });
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: name.clone().into(),
            num_partitions: partitions.unwrap_or(-1),
            replication_factor: replication.unwrap_or(-1),
            assignments: Vec::new(),
            configs: configs.collect(),
        }],
        timeout_ms: TIMEOUT_MS,
        validate_only: false,
    };
    let controller = cluster.controller().await.map_err(|error| error.to_string())?;
    let response =
        controller.call::<CreateTopics>(&request).await.map_err(|error| error.to_string())?;
    for topic in &response.topics {
        check(topic.error_code, topic.error_message.as_ref(), &name)?;
        println!("made {name} with {} partitions", topic.num_partitions);
    }
    Ok(())
}

async fn existing(cluster: &mut Cluster, name: &str) -> Result<MetadataTopic, String> {
    let mut response = cluster.metadata(Some(&[name])).await.map_err(|error| error.to_string())?;
    let topic = response.topics.pop().unwrap_or_default();
    check(topic.error_code, None, name)?;
    Ok(topic)
}

async fn describe(cluster: &mut Cluster, name: &str) -> Result<(), String> {
    let topic = existing(cluster, name).await?;
    println!("{name}\n\n{:>9}  {:>6}  {:>14}  {:>14}", "PARTITION", "LEADER", "FIRST", "NEXT");
    let mut partitions = topic.partitions.clone();
    partitions.sort_by_key(|partition| partition.partition_index);
    for partition in &partitions {
        let (index, leader) = (partition.partition_index, partition.leader_id);
        let (first, next) =
            ends(cluster, leader, name, index).await.map_err(|error| error.to_string())?;
        println!("{index:>9}  {leader:>6}  {first:>14}  {next:>14}");
    }
    let configured = configured(cluster, name).await?;
    println!("\nCONFIGURED");
    for (name, value) in &configured {
        println!("  {name} = {value}");
    }
    if configured.is_empty() {
        println!("  (defaults)");
    }
    Ok(())
}

async fn ends(
    cluster: &mut Cluster,
    leader: i32,
    topic: &str,
    index: i32,
) -> Result<(i64, i64), KafkaError> {
    let broker = cluster.broker(leader).await?;
    let first = broker.offset_at(topic, index, EARLIEST).await?;
    Ok((first, broker.offset_at(topic, index, LATEST).await?))
}

/// Configurations set on the topic itself.
async fn configured(cluster: &mut Cluster, name: &str) -> Result<Vec<(String, String)>, String> {
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: name.into(),
            configuration_keys: None,
        }],
        ..Default::default()
    };
    let controller = cluster.controller().await.map_err(|error| error.to_string())?;
    let response =
        controller.call::<DescribeConfigs>(&request).await.map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for result in &response.results {
        check(result.error_code, result.error_message.as_ref(), name)?;
        let own = result.configs.iter().filter(|config| config.config_source == SOURCE_TOPIC);
        found.extend(own.map(|config| {
            (config.name.to_string(), config.value.as_deref().unwrap_or_default().to_owned())
        }));
    }
    Ok(found)
}

async fn grow(cluster: &mut Cluster, name: &str, total: i32) -> Result<(), String> {
    let request = CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic { name: name.into(), count: total, assignments: None }],
        timeout_ms: TIMEOUT_MS,
        validate_only: false,
    };
    let controller = cluster.controller().await.map_err(|error| error.to_string())?;
    let response =
        controller.call::<CreatePartitions>(&request).await.map_err(|error| error.to_string())?;
    for result in &response.results {
        check(result.error_code, result.error_message.as_ref(), name)?;
        println!("{name} has {total} partitions");
    }
    Ok(())
}

async fn configure(
    cluster: &mut Cluster,
    name: &str,
    set: Vec<(String, String)>,
    reset: Vec<String>,
) -> Result<(), String> {
    if set.is_empty() && reset.is_empty() {
        return Ok(());
    }
    let set = set.into_iter().map(|(name, value)| IncrementalAlterableConfig {
        name: name.into(),
        config_operation: 0,
        value: Some(value.into()),
    });
    let reset = reset.into_iter().map(|name| IncrementalAlterableConfig {
        name: name.into(),
        config_operation: 1,
        value: None,
    });
    let request = IncrementalAlterConfigsRequest {
        resources: vec![IncrementalAlterConfigsResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: name.into(),
            configs: set.chain(reset).collect(),
        }],
        validate_only: false,
    };
    let controller = cluster.controller().await.map_err(|error| error.to_string())?;
    let response = controller
        .call::<IncrementalAlterConfigs>(&request)
        .await
        .map_err(|error| error.to_string())?;
    for result in &response.responses {
        check(result.error_code, result.error_message.as_ref(), name)?;
        println!("changed {name}");
    }
    Ok(())
}

async fn delete(cluster: &mut Cluster, name: &str) -> Result<(), String> {
    let topic = existing(cluster, name).await?;
    let by_name = DeleteTopicState { name: Some(name.into()), topic_id: Default::default() };
    let request = DeleteTopicsRequest {
        topics: vec![by_name],
        topic_names: vec![name.into()],
        timeout_ms: TIMEOUT_MS,
    };
    let controller = cluster.controller().await.map_err(|error| error.to_string())?;
    let response =
        controller.call::<DeleteTopics>(&request).await.map_err(|error| error.to_string())?;
    for result in &response.responses {
        check(result.error_code, result.error_message.as_ref(), name)?;
        println!("deleted {name} and its {} partitions", topic.partitions.len());
    }
    Ok(())
}
