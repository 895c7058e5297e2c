//! What callers see of a cluster that is away, without a real one: librdkafka's own mock of a broker.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm_kafka_proto::records::BatchBuilder;
use klamm_log::{Durability, Log, LogError, Partition, Position, Reader, Status};
use klamm_log_kafka::{KafkaLog, Options};
use klamm_testkit::{PATIENCE, free_port};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn cluster() -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 2, 1).unwrap();
    cluster
}

async fn opened(cluster: &Cluster, options: Options) -> (Arc<KafkaLog>, Arc<dyn Partition>) {
    let log = KafkaLog::connect(&cluster.bootstrap_servers(), &[], options).unwrap();
    let partition = log.partition("t", 0).await.unwrap();
    (log, partition)
}

fn batch(size_bytes: usize) -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.append(1_750_000_000_000, Some(b"key"), Some(&vec![1; size_bytes]), &[]);
    builder.build()
}

async fn status(log: &KafkaLog, wanted: impl FnMut(&Status) -> bool) -> Status {
    let mut status = log.status();
    let found = tokio::time::timeout(PATIENCE, status.wait_for(wanted)).await;
    found.expect("the status changes").expect("the log is there").clone()
}

fn is_unavailable(status: &Status, needle: &str) -> bool {
    matches!(status, Status::Unavailable(text) if text.contains(needle))
}

#[tokio::test]
async fn cluster_that_is_down_is_no_error_at_start_but_a_status_with_servers_and_reason() {
    let nobody = format!("127.0.0.1:{}", free_port());
    let options = Options { request_timeout: Duration::from_millis(300), ..Options::default() };
    let log = KafkaLog::connect(&nobody, &[], options).unwrap();
    assert!(is_unavailable(&log.status().borrow(), &nobody));
    let said = status(&log, |status| is_unavailable(status, "refused")).await;
    assert!(is_unavailable(&said, &nobody), "{said:?}");
    let error = log.partition("t", 0).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    let error = log.topics().await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    log.close().await.unwrap();
    let error = log.topics().await.unwrap_err();
    assert!(matches!(error, LogError::Closed), "{error:?}");
}

#[tokio::test]
async fn impossible_property_fails_at_once_by_its_name() {
    let property = ("sasl.mechanism".to_owned(), "PSALM".to_owned());
    let security = ("security.protocol".to_owned(), "sasl_plaintext".to_owned());
    let error = KafkaLog::connect("127.0.0.1:1", &[security, property], Options::default());
    let LogError::InvalidConfig(text) = error.unwrap_err() else { panic!("not a configuration") };
    assert!(text.contains("PSALM") || text.contains("sasl.mechanism"), "{text}");
}

#[tokio::test]
async fn appends_wait_for_the_cluster_up_to_a_bound_and_keep_their_order() {
    let cluster = cluster();
    let options = Options { pending_bytes: 100 << 10, ..Options::default() };
    let (log, partition) = opened(&cluster, options).await;
    let first = partition.append(batch(10), Durability::Synced).unwrap();
    assert_eq!(first.await.unwrap().base_offset, 0);
    let mut reader = partition.reader(Position::Latest).await.unwrap();
    status(&log, |status| *status == Status::Ready).await;

    cluster.broker_down(1).unwrap();
    status(&log, |status| is_unavailable(status, &cluster.bootstrap_servers())).await;
    let mut taken = Vec::new();
    let full = loop {
        match partition.append(batch(10 << 10), Durability::Synced) {
            Ok(pending) => taken.push(pending),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, LogError::Full), "{full:?}");
    assert_eq!(taken.len(), 10, "100 KiB of 10 KiB and a little each");
    let no_room = tokio::time::timeout(Duration::from_millis(20), partition.ready()).await;
    assert!(no_room.is_err(), "nothing was acknowledged, so there is no room");

    cluster.broker_up(1).unwrap();
    tokio::time::timeout(PATIENCE, partition.ready()).await.expect("room again");
    for (index, pending) in taken.into_iter().enumerate() {
        assert_eq!(pending.await.unwrap().base_offset, 1 + index as i64);
    }
    status(&log, |status| *status == Status::Ready).await;
    while reader.position() < 11 {
        tokio::time::timeout(PATIENCE, reader.next(1 << 20)).await.expect("it goes on").unwrap();
    }
    log.close().await.unwrap();
}

#[tokio::test]
async fn append_that_waited_too_long_fails_and_close_says_what_was_left() {
    let cluster = cluster();
    let options = Options {
        delivery_timeout: Duration::from_millis(300),
        close_timeout: Duration::from_millis(10),
        ..Options::default()
    };
    let (log, partition) = opened(&cluster, options).await;
    cluster.broker_down(1).unwrap();
    let late = partition.append(batch(10), Durability::Synced).unwrap();
    let error = late.await.unwrap_err();
    assert!(matches!(error, LogError::Timeout(300)), "{error:?}");

    let given_up = partition.append(batch(10), Durability::Synced).unwrap();
    let LogError::Unavailable(text) = log.close().await.unwrap_err() else { panic!() };
    assert!(text.starts_with("1 records were not delivered"), "{text}");
    assert!(matches!(given_up.await.unwrap_err(), LogError::Closed | LogError::Timeout(_)));
    let error = partition.append(batch(10), Durability::Synced).unwrap_err();
    assert!(matches!(error, LogError::Closed), "{error:?}");
}

#[tokio::test]
async fn append_the_cluster_refuses_fails_with_its_reason_and_the_next_may_pass() {
    let cluster = cluster();
    let (log, partition) = opened(&cluster, Options::default()).await;
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::Produce, &[refusal]);
    let refused = partition.append(batch(10), Durability::Synced).unwrap();
    let error = refused.await.unwrap_err();
    assert!(matches!(&error, LogError::Refused(text) if text.contains("'t'")), "{error:?}");
    // librdkafka sends nothing more to a topic it may not write, until it hears that it may.
    let partition = log.partition("t", 0).await.unwrap();
    let appended = partition.append(batch(10), Durability::Synced).unwrap();
    assert_eq!(appended.await.unwrap().base_offset, 0);
    log.close().await.unwrap();
}

#[tokio::test]
async fn producer_that_librdkafka_gave_up_is_replaced() {
    let cluster = cluster();
    let (log, partition) = opened(&cluster, Options::default()).await;
    partition.append(batch(10), Durability::Synced).unwrap().await.unwrap();
    // Of the oldest request under way, a fatal error: the broker contradicts the producer's sequence.
    let fatal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    cluster.request_errors(RDKafkaApiKey::Produce, &[fatal]);
    let lost = partition.append(batch(10), Durability::Synced).unwrap();
    let error = lost.await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    let appended = partition.append(batch(10), Durability::Synced).unwrap();
    let appended = tokio::time::timeout(PATIENCE, appended).await.expect("a new producer");
    assert_eq!(appended.unwrap().base_offset, 1);
    log.close().await.unwrap();
}

#[tokio::test]
async fn waiting_reader_is_told_when_the_log_closes() {
    let cluster = cluster();
    let (log, partition) = opened(&cluster, Options::default()).await;
    let mut reader: Box<dyn Reader> = partition.reader(Position::Earliest).await.unwrap();
    let waiting = tokio::spawn(async move { reader.next(1000).await });
    log.close().await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, waiting).await.expect("it ends").unwrap();
    assert!(matches!(ended.unwrap_err(), LogError::Closed));
}
