//! The log on a real Apache Kafka: the one that `KLAMM_TEST_KAFKA` names, or one that is started here.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bytes::Bytes;
use klamm_kafka::client::Client;
use klamm_kafka_proto::messages::produce::{
    PartitionProduceData, Produce, ProduceRequest, TopicProduceData,
};
use klamm_kafka_proto::records::{BatchBuilder, Header, Record, batches, records};
use klamm_log::{Durability, Log, NewTopic, Partition, Position, Reader, Status};
use klamm_log_kafka::{KafkaLog, Options};
use klamm_testkit::{ApacheKafka, PATIENCE, Peers, log_contract};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

/// One broker for the tests that run at the same time; it ends with the last of them.
static KAFKA: Mutex<Weak<ApacheKafka>> = Mutex::new(Weak::new());

/// The broker, or `None` to skip. With `CI=true` nothing is skipped.
fn kafka() -> Option<Arc<ApacheKafka>> {
    let mut shared = KAFKA.lock().unwrap();
    if let Some(kafka) = shared.upgrade() {
        return Some(kafka);
    }
    match ApacheKafka::given_or_started(&Peers::find()) {
        Ok(kafka) => {
            let kafka = Arc::new(kafka);
            *shared = Arc::downgrade(&kafka);
            Some(kafka)
        }
        Err(skip) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("{skip}"),
        Err(skip) => {
            println!("skipped: Apache Kafka: {skip}");
            None
        }
    }
}

fn connect(kafka: &ApacheKafka, properties: &[(&str, &str)]) -> Arc<KafkaLog> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let properties: Vec<_> = properties.iter().map(own).collect();
    KafkaLog::connect(kafka.address(), &properties, Options::default()).unwrap()
}

/// A new topic of one partition, named after the test and this process.
async fn topic(log: &KafkaLog, test: &str, configs: &[(&str, &str)]) -> Arc<dyn Partition> {
    let name = format!("{test}-{}", std::process::id());
    let configs = configs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let new = NewTopic { name: name.clone(), partitions: Some(1), replication: None, configs };
    log.create_topic(new).await.unwrap();
    log.partition(&name, 0).await.unwrap()
}

async fn read(reader: &mut dyn Reader, count: usize) -> Vec<Record> {
    let mut found = Vec::new();
    while found.len() < count {
        let read = tokio::time::timeout(PATIENCE, reader.next(1 << 20)).await;
        for batch in batches(read.expect("records come").unwrap()) {
            found.extend(records(&batch.unwrap().1, 1 << 20).unwrap().map(Result::unwrap));
        }
    }
    found
}

fn values(records: &[Record]) -> Vec<&[u8]> {
    records.iter().map(|record| record.value.as_deref().unwrap_or_default()).collect()
}

fn one(value: &[u8]) -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.append(0, None, Some(value), &[]);
    builder.build()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apache_kafka_keeps_the_contract_of_the_log() {
    let Some(kafka) = kafka() else { return };
    let log = connect(&kafka, &[]);
    let mut status = log.status();
    let ready = status.wait_for(|status| *status == Status::Ready);
    tokio::time::timeout(PATIENCE, ready).await.expect("the cluster answers").unwrap();
    let log: Arc<dyn Log> = log;
    let prefix = format!("contract-{}", std::process::id());
    log_contract::check(&log, &prefix).await;
    log_contract::check_close(&log, &prefix).await;
}

#[tokio::test]
async fn records_compressed_by_any_codec_are_read() {
    let Some(kafka) = kafka() else { return };
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        let log = connect(&kafka, &[("compression.type", codec)]);
        let partition = topic(&log, codec, &[]).await;
        let large = vec![b'x'; 100_000];
        partition.append(one(&large), Durability::Synced).unwrap().await.unwrap();
        let mut reader = partition.reader(Position::Earliest).await.unwrap();
        assert!(values(&read(&mut *reader, 1).await) == [&large[..]], "{codec}");
        log.delete_topic(partition.topic()).await.unwrap();
        log.close().await.unwrap();
    }
}

#[tokio::test]
async fn time_of_the_append_is_told_where_the_topic_sets_it() {
    let Some(kafka) = kafka() else { return };
    let log = connect(&kafka, &[]);
    let configs = [("message.timestamp.type", "LogAppendTime")];
    let partition = topic(&log, "append-time", &configs).await;
    let mut batch = BatchBuilder::new();
    batch.append(1_000_000, None, Some(b"old"), &[]);
    let appended = partition.append(batch.build(), Durability::Synced).unwrap().await.unwrap();
    let mut reader = partition.reader(Position::Earliest).await.unwrap();
    let record = &read(&mut *reader, 1).await[0];
    assert_eq!(Some(record.timestamp), appended.log_append_time);
    assert!(record.timestamp > 1_700_000_000_000, "the broker's time");
    log.delete_topic(partition.topic()).await.unwrap();
}

#[tokio::test]
async fn aborted_and_control_records_are_left_out_and_their_offsets_stay_gaps() {
    let Some(kafka) = kafka() else { return };
    let log = connect(&kafka, &[]);
    let partition = topic(&log, "transactions", &[]).await;
    let mut reader = partition.reader(Position::Earliest).await.unwrap();
    let (address, name) = (kafka.address().to_owned(), partition.topic().to_string());
    let transactions = move || {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &address)
            .set("transactional.id", &name)
            .create()
            .unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        for (value, commit) in [("committed", true), ("aborted", false), ("committed too", true)] {
            producer.begin_transaction().unwrap();
            let record: BaseRecord<'_, (), str> = BaseRecord::to(&name).payload(value).partition(0);
            producer.send(record).map_err(|(error, _)| error).unwrap();
            producer.flush(PATIENCE).unwrap();
            if commit {
                producer.commit_transaction(PATIENCE).unwrap();
            } else {
                producer.abort_transaction(PATIENCE).unwrap();
            }
        }
    };
    tokio::task::spawn_blocking(transactions).await.unwrap();
    partition.append(one(b"last"), Durability::Synced).unwrap().await.unwrap();
    let found = read(&mut *reader, 3).await;
    assert_eq!(values(&found), [&b"committed"[..], b"committed too", b"last"]);
    let offsets: Vec<i64> = found.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [0, 4, 6], "each transaction ends with a control record");
    log.delete_topic(partition.topic()).await.unwrap();
}

#[tokio::test]
async fn header_that_is_not_utf8_is_left_out_and_its_record_stays() {
    let Some(kafka) = kafka() else { return };
    let log = connect(&kafka, &[]);
    let partition = topic(&log, "headers", &[]).await;
    let header = |key: &'static [u8]| Header { key: key.into(), value: Some(Bytes::new()) };
    let mut batch = BatchBuilder::new();
    let headers = [header(b"good"), header(b"\xff\xfe"), header(b"good")];
    batch.append(1_790_000_000_000, None, Some(b"value"), &headers);
    let batch = batch.build();
    let refused = partition.append(batch.clone(), Durability::Synced).unwrap_err();
    assert!(refused.to_string().contains("UTF-8"), "{refused}");

    // Other clients may write what librdkafka cannot.
    let mut client = Client::connect(kafka.address(), "raw").await.unwrap();
    let data = PartitionProduceData { index: 0, records: Some(batch) };
    let to = TopicProduceData {
        name: partition.topic().to_string().into(),
        partition_data: vec![data],
        ..Default::default()
    };
    let request =
        ProduceRequest { acks: -1, timeout_ms: 10_000, topic_data: vec![to], ..Default::default() };
    let response = client.call_at::<Produce>(9, &request).await.unwrap();
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    let mut reader = partition.reader(Position::Earliest).await.unwrap();
    let record = &read(&mut *reader, 1).await[0];
    let keys: Vec<&[u8]> = record.headers.iter().map(|header| &header.key[..]).collect();
    assert_eq!(keys, [b"good", b"good"]);
    log.delete_topic(partition.topic()).await.unwrap();
}

#[tokio::test]
async fn deleted_topic_does_not_come_back_by_itself() {
    let Some(kafka) = kafka() else { return };
    let log = connect(&kafka, &[("topic.metadata.refresh.interval.ms", "100")]);
    let partition = topic(&log, "gone", &[]).await;
    partition.append(one(b"1"), Durability::Synced).unwrap().await.unwrap();
    log.delete_topic(partition.topic()).await.unwrap();
    // Through the next refreshes of every handle, on a broker that makes topics for who asks.
    let last = partition.append(one(b"2"), Durability::Synced);
    if let Ok(pending) = last {
        let error = tokio::time::timeout(PATIENCE, pending).await.expect("it fails").unwrap_err();
        assert!(matches!(error, klamm_log::LogError::UnknownTopic(_)), "{error:?}");
    }
    let topics = log.topics().await.unwrap();
    assert!(topics.iter().all(|topic| topic.name != *partition.topic()));
}

#[tokio::test]
async fn log_that_is_dropped_ends_its_threads_without_blocking_the_runtime() {
    let Some(kafka) = kafka() else { return };
    let threads = || {
        let all = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        all.filter(|task| {
            let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            name.starts_with("klamm-kafka-6")
        })
        .count()
    };
    let options = Options { lanes: 7, ..Options::default() };
    let log = KafkaLog::connect(kafka.address(), &[], options).unwrap();
    let partition = topic(&log, "dropped", &[]).await;
    let mut readers = Vec::new();
    for _ in 0..7 {
        readers.push(partition.reader(Position::Earliest).await.unwrap());
    }
    // A thread names itself once it runs, and is there for a while after it was told to end.
    let come_to = async |number: usize| {
        while threads() != number {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if cfg!(target_os = "linux") {
        let seventh = tokio::time::timeout(PATIENCE, come_to(1)).await;
        seventh.expect("the seventh lane of this test alone");
    }
    log.delete_topic(partition.topic()).await.unwrap();
    drop((readers, partition, log));
    let gone = tokio::time::timeout(PATIENCE, come_to(0)).await;
    gone.expect("no thread of it stays");
}
