//! Topics: made, found, grown, altered, deleted.

use std::sync::Arc;

use bytes::Bytes;
use klamm_kafka_proto::records::BatchBuilder;
use klamm_log::{Durability, Log, LogError, NewTopic, Partition, Position};

use super::{Open, START_MS, batch, patient, read};

pub(super) async fn come_and_go(log: &Arc<dyn Log>, name: &str) {
    let new = NewTopic { name: name.to_owned(), partitions: Some(2), ..NewTopic::default() };
    let made = patient("create_topic", log.create_topic(new)).await.expect("a new topic");
    assert_eq!((&*made.name, made.partitions, made.internal), (name, 2, false));
    assert_eq!(log.topic(name).await.expect("it is there at once"), made);
    let all = log.topics().await.expect("all topics");
    assert!(all.contains(&made), "{name} is listed");
    assert!(all.is_sorted_by(|a, b| a.name < b.name), "topics are listed by name");

    let grown = log.create_partitions(name, 3).await.expect("a third partition");
    assert_eq!(grown.partitions, 3);
    let third = log.partition(name, 2).await.expect("the third partition");
    assert_eq!((&**third.topic(), third.index()), (name, 2));
    let appended = third.append(batch(&[1]), Durability::Synced).expect("room");
    assert_eq!(patient("an append", appended).await.expect("an append").base_offset, 0);

    log.delete_topic(name).await.expect("it is deleted");
    assert!(matches!(log.topic(name).await, Err(LogError::UnknownTopic(_))), "it is gone at once");
    let all = log.topics().await.expect("all topics");
    assert!(all.iter().all(|topic| &*topic.name != name), "{name} is listed no more");

    let new = NewTopic { name: name.to_owned(), ..NewTopic::default() };
    let again = patient("create_topic", log.create_topic(new)).await.expect("made again");
    assert!(again.partitions > 0, "the log has a default");
    log.delete_topic(name).await.expect("it is deleted");
}

pub(super) async fn say_what_is_wrong(log: &Arc<dyn Log>, name: &str) {
    let unknown =
        |error: &LogError| matches!(error, LogError::UnknownTopic(topic) if **topic == *name);
    let error = log.topic(name).await.expect_err("no such topic");
    assert!(unknown(&error), "{error:?}");
    let error = log.partition(name, 0).await.expect_err("no such topic");
    assert!(unknown(&error), "{error:?}");
    let error = log.delete_topic(name).await.expect_err("no such topic");
    assert!(unknown(&error), "{error:?}");
    let error = log.create_partitions(name, 9).await.expect_err("no such topic");
    assert!(unknown(&error), "{error:?}");
    let error = log.topic("no/topic/name").await.expect_err("not even a name");
    assert!(matches!(error, LogError::UnknownTopic(_)), "{error:?}");

    let open = Open::new(log, name, 2).await;
    let new = |name: &str, partitions| NewTopic {
        name: name.to_owned(),
        partitions,
        ..NewTopic::default()
    };
    let error = log.create_topic(new(name, Some(1))).await.expect_err("it exists");
    assert!(matches!(&error, LogError::TopicExists(topic) if **topic == *name), "{error:?}");
    let error = log.create_topic(new("a/b", Some(1))).await.expect_err("not a name");
    assert!(matches!(error, LogError::InvalidTopic { .. }), "{error:?}");
    let other = format!("{name}.other");
    let error = log.create_topic(new(&other, Some(0))).await.expect_err("no partitions");
    assert!(matches!(error, LogError::InvalidPartitions(_)), "{error:?}");
    let error = log.create_partitions(name, 1).await.expect_err("fewer than there are");
    assert!(matches!(error, LogError::InvalidPartitions(_)), "{error:?}");
    let error = log.partition(name, 2).await.expect_err("the third of two");
    assert!(matches!(error, LogError::UnknownPartition { index: 2, .. }), "{error:?}");

    let mut odd = new(&other, Some(1));
    odd.configs = vec![("no.such.config".to_owned(), "1".to_owned())];
    let error = log.create_topic(odd).await.expect_err("an unknown configuration");
    let LogError::InvalidConfig(text) = &error else { panic!("{error:?}") };
    assert!(text.contains("no.such.config"), "{text}");
    let error = log.topic(&other).await.expect_err("nothing of it was made");
    assert!(matches!(error, LogError::UnknownTopic(_)), "{error:?}");
    open.delete().await;
}

pub(super) async fn are_altered_all_or_none(log: &Arc<dyn Log>, name: &str) {
    let small = |value: &str| ("max.message.bytes".to_owned(), Some(value.to_owned()));
    let open = Open::new(log, name, 1).await;
    let large = large_batch(3000);
    open.appended(&large).await;

    let bad = ("retention.ms".to_owned(), Some("soon".to_owned()));
    let error = log.alter_topic(name, vec![small("2000"), bad]).await.expect_err("not a number");
    assert!(matches!(error, LogError::InvalidConfig(_)), "{error:?}");
    open.appended(&large).await;

    log.alter_topic(name, vec![small("2000")]).await.expect("altered");
    // Others beside it stay as they are.
    let other = ("retention.ms".to_owned(), Some("7200000".to_owned()));
    log.alter_topic(name, vec![other]).await.expect("altered");
    assert_too_large(&open.partition, &large).await;
    let again = log.partition(name, 0).await.expect("opened again");
    assert_too_large(&again, &large).await;

    log.alter_topic(name, vec![("max.message.bytes".to_owned(), None)]).await.expect("reset");
    let again = log.partition(name, 0).await.expect("opened again");
    let pending = again.append(large, Durability::Synced).expect("room");
    patient("an append", pending).await.expect("as large as before");
    open.delete().await;
}

async fn assert_too_large(partition: &Arc<dyn Partition>, batch: &Bytes) {
    let error = match partition.append(batch.clone(), Durability::Synced) {
        Err(error) => error,
        Ok(pending) => patient("an append", pending).await.expect_err("too large"),
    };
    assert!(matches!(error, LogError::TooLarge { .. }), "{error:?}");
}

pub(super) fn large_batch(value_bytes: usize) -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.append(*START_MS, None, Some(&vec![7; value_bytes]), &[]);
    builder.build()
}

pub(super) async fn take_their_partitions_with_them(log: &Arc<dyn Log>, name: &str) {
    let open = Open::new(log, name, 1).await;
    open.appended(&batch(&[1, 2])).await;
    let mut reader = open.partition.reader(Position::Earliest).await.expect("a reader");
    read(&mut *reader, 2).await;
    log.delete_topic(name).await.expect("it is deleted");

    let error = match open.partition.append(batch(&[3]), Durability::Synced) {
        Err(error) => error,
        Ok(pending) => patient("an append", pending).await.expect_err("the topic is gone"),
    };
    assert!(matches!(error, LogError::UnknownTopic(_)), "append: {error:?}");
    let error = patient("Reader::next", reader.next(1000)).await.expect_err("the topic is gone");
    assert!(matches!(error, LogError::UnknownTopic(_)), "next: {error:?}");
    let error = patient("reader", open.partition.reader(Position::Latest)).await;
    let error = error.expect_err("the topic is gone");
    assert!(matches!(error, LogError::UnknownTopic(_)), "reader: {error:?}");

    let again = Open::new(log, name, 1).await;
    assert_eq!(again.appended(&batch(&[4])).await.base_offset, 0, "a new topic begins anew");
    let mut reader = again.partition.reader(Position::Earliest).await.expect("a reader");
    assert_eq!(super::number(&read(&mut *reader, 1).await[0]), 4);
    again.delete().await;
}
