//! Tests of the whole log.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use klamm_kafka_proto::records::{self, BatchBuilder, Producer, Record};

use super::disk::MemoryDisk;
use super::{EmbeddedLog, EmbeddedPartition, Options};
use crate::{
    Appended, Durability, Log, LogError, NewTopic, OffsetSpec, Partition, Position, Status,
};

mod files;
mod reference;
mod simulation;
mod space;

/// A batch with one record for each text, with timestamps from `timestamp` on.
pub(super) fn batch(timestamp: i64, texts: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new();
    for (at, text) in texts.iter().enumerate() {
        builder.append(timestamp + at as i64, None, Some(text.as_bytes()), &[]);
    }
    builder.build()
}

pub(super) async fn open(directory: &Path) -> Arc<EmbeddedLog> {
    EmbeddedLog::open(directory, Options::default()).await.unwrap()
}

/// A log on a disk in memory, which small files suit better.
pub(super) async fn in_memory(disk: &MemoryDisk) -> Arc<EmbeddedLog> {
    let options = Options { wal_file_bytes: 8 << 10, ..Options::default() };
    EmbeddedLog::open_on(Arc::new(disk.clone()), options).await.unwrap()
}

pub(super) async fn topic(log: &EmbeddedLog, name: &str, configs: &[(&str, &str)]) {
    let configs = configs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let new = NewTopic { name: name.into(), partitions: Some(2), replication: None, configs };
    log.create_topic(new).await.unwrap();
}

pub(super) async fn append(partition: &EmbeddedPartition, batch: Bytes) -> Appended {
    partition.append(batch, Durability::Synced).unwrap().await.unwrap()
}

/// All records from an offset on.
pub(super) async fn read_all(partition: &EmbeddedPartition, from: i64) -> Vec<Record> {
    let (mut found, mut at) = (Vec::new(), from);
    while at < partition.high_watermark() {
        let read = partition.read(at, 1 << 20).await.unwrap();
        for one in records::batches(read.bytes) {
            let (header, bytes) = one.unwrap();
            header.verify(&bytes).unwrap();
            at = header.next_offset();
            found.extend(records::records(&bytes, 1 << 20).unwrap().map(Result::unwrap));
        }
    }
    found
}

fn texts(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| String::from_utf8(record.value.clone().unwrap().into()).unwrap();
    records.iter().map(text).collect()
}

#[tokio::test]
async fn what_was_appended_is_there_after_close_and_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).await;
    let (cluster, epoch);
    {
        topic(&log, "t", &[]).await;
        topic(&log, "os", &[("durability", "os")]).await;
        for name in ["t", "os"] {
            let partition = log.open_partition(name, 1).unwrap();
            assert_eq!(append(&partition, batch(5, &["a", "b"])).await.base_offset, 0);
            assert_eq!(append(&partition, batch(5, &["c"])).await.base_offset, 2);
        }
        cluster = log.cluster_id().to_owned();
        epoch = log.open_partition("t", 0).unwrap().leader_epoch();
        log.close().await.unwrap();
    }
    for (round, clean) in [(1, true), (2, false), (3, false)] {
        let log = open(folder.path()).await;
        assert_eq!(log.cluster_id(), cluster);
        for name in ["t", "os"] {
            let partition = log.open_partition(name, 1).unwrap();
            let expected = ["a", "b", "c", "d", "d"];
            let expected = &expected[..2 + round];
            assert_eq!(texts(&read_all(&partition, 0).await), expected, "{name} in round {round}");
            append(&partition, batch(6, &["d"])).await;
            let raised = if clean { 0 } else { round as i32 - 1 };
            assert_eq!(partition.leader_epoch(), epoch + raised, "raised only without a clean end");
        }
    }
}

#[tokio::test]
async fn read_begins_with_the_batch_that_holds_the_offset() {
    let log = in_memory(&MemoryDisk::new()).await;
    topic(&log, "t", &[]).await;
    let partition = log.open_partition("t", 0).unwrap();
    append(&partition, batch(5, &["a", "b", "c"])).await;
    append(&partition, batch(5, &["d"])).await;
    assert_eq!(texts(&read_all(&partition, 1).await), ["a", "b", "c", "d"]);
    assert_eq!(texts(&read_all(&partition, 3).await), ["d"]);
    let first = partition.read(2, 1).await.unwrap();
    assert_eq!(records::batches(first.bytes).count(), 1, "one batch, larger than asked for");
    assert!(partition.read(4, 1).await.unwrap().bytes.is_empty());
    let refused = partition.read(5, 1).await.unwrap_err();
    assert!(matches!(refused, LogError::OffsetOutOfRange { offset: 5, start: 0, end: 4 }));
}

#[tokio::test]
async fn reader_waits_for_what_comes_and_is_told_when_the_topic_goes() {
    let log = in_memory(&MemoryDisk::new()).await;
    topic(&log, "t", &[]).await;
    let partition = log.open_partition("t", 0).unwrap();
    let mut reader = partition.reader(Position::Latest).await.unwrap();
    let (read, _) = tokio::join!(reader.next(1 << 20), append(&partition, batch(5, &["a", "b"])));
    assert_eq!(records::batches(read.unwrap()).count(), 1);
    assert_eq!(reader.position(), 2);
    let (read, deleted) = tokio::join!(reader.next(1 << 20), log.delete_topic("t"));
    deleted.unwrap();
    assert!(matches!(read, Err(LogError::UnknownTopic(_))));
    let refused = partition.append(batch(5, &["c"]), Durability::Synced);
    assert!(matches!(refused, Err(LogError::UnknownTopic(_))));
}

#[tokio::test]
async fn topic_made_again_under_the_name_is_another_and_empty() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).await;
    topic(&log, "t", &[]).await;
    append(&log.open_partition("t", 0).unwrap(), batch(5, &["old"])).await;
    let before = log.find("t").unwrap();
    log.delete_topic("t").await.unwrap();
    assert!(log.find("t").is_none());
    topic(&log, "t", &[("durability", "os")]).await;
    let after = log.find("t").unwrap();
    assert_ne!(before.id, after.id);
    assert_eq!((log.find_by_id(before.id), log.find_by_id(after.id)), (None, Some(after.clone())));
    append(&log.open_partition("t", 0).unwrap(), batch(5, &["new"])).await;
    drop(log);
    let log = open(folder.path()).await;
    let partition = log.open_partition("t", 0).unwrap();
    assert_eq!(partition.topic_id(), after.id);
    assert_eq!(texts(&read_all(&partition, 0).await), ["new"]);
}

#[tokio::test]
async fn topics_change_durably() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).await;
    topic(&log, "t", &[("retention.ms", "5")]).await;
    let again = NewTopic { name: "t".into(), ..NewTopic::default() };
    assert!(matches!(log.create_topic(again).await, Err(LogError::TopicExists(_))));
    let copies = NewTopic { name: "u".into(), replication: Some(3), ..NewTopic::default() };
    assert!(matches!(log.validate_new_topic(&copies), Err(LogError::InvalidReplication(_))));
    assert!(matches!(log.create_partitions("t", 2).await, Err(LogError::InvalidPartitions(_))));
    log.create_partitions("t", 5).await.unwrap();
    let changes = vec![
        ("retention.ms".to_owned(), None),
        ("max.message.bytes".to_owned(), Some("100".to_owned())),
    ];
    log.alter_topic("t", changes).await.unwrap();
    let nonsense = vec![("nonsense".to_owned(), None), ("x".to_owned(), Some("1".to_owned()))];
    assert!(matches!(log.alter_topic("t", nonsense).await, Err(LogError::InvalidConfig(_))));
    drop(log);
    let log = open(folder.path()).await;
    assert_eq!(log.find("t").unwrap().partitions, 5);
    let configs = log.describe_configs("t").unwrap();
    let value = |name| configs.iter().find(|entry| entry.name == name).unwrap().value.clone();
    assert_eq!(
        (value("retention.ms"), value("max.message.bytes")),
        ("604800000".into(), "100".into())
    );
    let partition = log.open_partition("t", 4).unwrap();
    let refused = partition.append(batch(5, &[&"x".repeat(100)]), Durability::Synced);
    assert!(matches!(refused, Err(LogError::TooLarge { max: 100, .. })));
    assert!(matches!(log.open_partition("t", 5), Err(LogError::UnknownPartition { .. })));
}

#[tokio::test]
async fn idempotent_producer_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let sent = |base_sequence| {
        let mut builder = BatchBuilder::new().producer(Producer { id: 7, epoch: 0, base_sequence });
        builder.append(1, None, Some(b"x"), &[]);
        builder.build()
    };
    let mut ids = std::collections::HashSet::new();
    for (round, clean) in [(0, true), (1, false), (2, false)] {
        let log = open(folder.path()).await;
        assert!(ids.insert(log.next_producer_id().await.unwrap()), "ids are never given twice");
        if round == 0 {
            topic(&log, "t", &[]).await;
        }
        let partition = log.open_partition("t", 0).unwrap();
        if round > 0 {
            assert_eq!(append(&partition, sent(round - 1)).await.base_offset, i64::from(round) - 1);
        }
        assert_eq!(append(&partition, sent(round)).await.base_offset, i64::from(round));
        assert_eq!(append(&partition, sent(round)).await.base_offset, i64::from(round), "again");
        let gap = partition.append(sent(round + 5), Durability::Synced);
        assert!(matches!(gap, Err(LogError::OutOfOrderSequence { .. })));
        if clean {
            log.close().await.unwrap();
        }
    }
}

#[tokio::test]
async fn timestamps_are_checked_or_set_as_the_topic_says() {
    let log = in_memory(&MemoryDisk::new()).await;
    topic(&log, "create", &[("message.timestamp.before.max.ms", "1000")]).await;
    topic(&log, "append", &[("message.timestamp.type", "LogAppendTime")]).await;
    let now = super::Clock::default().now_ms();
    let partition = log.open_partition("create", 0).unwrap();
    let refused = |timestamp| partition.append(batch(timestamp, &["x"]), Durability::Written).err();
    assert!(matches!(refused(now + 7_200_000), Some(LogError::InvalidTimestamp(_))));
    assert!(matches!(refused(now - 1_000_000), Some(LogError::InvalidTimestamp(_))));
    append(&partition, batch(now, &["x"])).await;
    let partition = log.open_partition("append", 0).unwrap();
    let appended = append(&partition, batch(5, &["x", "y"])).await;
    let stamped = appended.log_append_time.unwrap();
    assert!(stamped >= now);
    assert!(read_all(&partition, 0).await.iter().all(|record| record.timestamp == stamped));
}

#[tokio::test]
async fn list_offsets_finds_the_exact_record() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).await;
    topic(&log, "t", &[("index.interval.bytes", "0")]).await;
    let partition = log.open_partition("t", 0).unwrap();
    let ask = async |partition: &EmbeddedPartition, spec| {
        let found = partition.list_offset(spec).await.unwrap();
        (found.offset, found.timestamp)
    };
    assert_eq!(ask(&partition, OffsetSpec::MaxTimestamp).await, (-1, -1));
    for start in [100, 200, 150, 300] {
        append(&partition, batch(start, &["a", "b", "c"])).await;
    }
    for round in 0..2 {
        let log = if round == 0 { log.clone() } else { open(folder.path()).await };
        let partition = log.open_partition("t", 0).unwrap();
        assert_eq!(ask(&partition, OffsetSpec::Timestamp(0)).await, (0, 100));
        assert_eq!(ask(&partition, OffsetSpec::Timestamp(102)).await, (2, 102));
        assert_eq!(ask(&partition, OffsetSpec::Timestamp(103)).await, (3, 200));
        assert_eq!(ask(&partition, OffsetSpec::Timestamp(203)).await, (9, 300));
        assert_eq!(ask(&partition, OffsetSpec::Timestamp(303)).await, (-1, -1));
        assert_eq!(ask(&partition, OffsetSpec::MaxTimestamp).await, (11, 302));
        assert_eq!(ask(&partition, OffsetSpec::Earliest).await, (0, -1));
        assert_eq!(ask(&partition, OffsetSpec::Latest).await, (12, -1));
        log.close().await.unwrap();
    }
}

#[tokio::test]
async fn second_log_in_a_directory_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).await;
    let text = EmbeddedLog::open(folder.path(), Options::default()).await.unwrap_err().to_string();
    assert!(text.contains(folder.path().to_str().unwrap()) && text.contains("process"), "{text}");
    drop(first);
    open(folder.path()).await;
}

#[tokio::test]
async fn failed_sync_stops_writes_and_not_reads() {
    let disk = MemoryDisk::new();
    let log = in_memory(&disk).await;
    topic(&log, "t", &[]).await;
    let partition = log.open_partition("t", 0).unwrap();
    append(&partition, batch(1, &["a"])).await;
    disk.set_fault(|fault| fault.fail_sync = true);
    let pending = partition.append(batch(1, &["b"]), Durability::Synced).unwrap();
    assert!(matches!(pending.await, Err(LogError::Storage { .. })));
    assert!(matches!(*log.status().borrow(), Status::Failed(_)));
    assert!(partition.append(batch(1, &["c"]), Durability::Written).is_err());
    assert!(log.delete_topic("t").await.is_err());
    assert_eq!(texts(&read_all(&partition, 0).await), ["a"]);
}
