//! Appends: order, contents, refusals.

use std::sync::Arc;

use bytes::Bytes;
use klamm_kafka_proto::records::{BatchBuilder, Compression, Header};
use klamm_log::{Durability, Log, LogError, OffsetSpec, Pending, Position};

use super::topics::large_batch;
use super::{Open, START_MS, batch, header, number, patient, read};

pub(super) async fn keep_the_order_of_calls(log: &Arc<dyn Log>, name: &str) {
    const BATCHES: u32 = 400;
    let open = Open::new(log, name, 1).await;
    let mut numbers = 0..u32::MAX;
    let mut sent: Vec<(u32, usize, Pending)> = Vec::new();
    for index in 0..BATCHES {
        let size = 1 + (index % 5) as usize;
        let of_batch: Vec<u32> = numbers.by_ref().take(size).collect();
        let durability = if index % 3 == 0 { Durability::Written } else { Durability::Synced };
        let pending = open.partition.append(batch(&of_batch), durability).expect("room");
        sent.push((of_batch[0], size, pending));
    }
    let mut total = 0;
    for (first, size, pending) in sent {
        let appended = patient("an append", pending).await.expect("an append");
        assert_eq!(appended.base_offset, i64::from(first), "offsets follow the calls without gaps");
        assert_eq!(appended.log_append_time, None, "the producer's timestamps were kept");
        total += size;
    }
    let mut reader = open.partition.reader(Position::Earliest).await.expect("a reader");
    for (index, record) in read(&mut *reader, total).await.iter().enumerate() {
        assert_eq!((record.offset, number(record)), (index as i64, index as u32));
    }
    open.delete().await;
}

pub(super) async fn give_records_back_as_they_were(log: &Arc<dyn Log>, name: &str) {
    type Given = (i64, Option<&'static [u8]>, Option<&'static [u8]>, Vec<Header>);
    let given: Vec<Given> = vec![
        (*START_MS, Some(b"key"), Some(b"value"), vec![]),
        (*START_MS - 5000, None, Some(b"older than the one before"), vec![]),
        (*START_MS + 7, Some(b"tombstone"), None, vec![header("why", Some(b"gone"))]),
        (*START_MS, Some(b""), Some(b""), vec![header("", Some(b"")), header("null", None)]),
        (
            *START_MS,
            Some(b"\xff\x00"),
            Some(&[0; 5000]),
            vec![header("twice", Some(b"1")), header("\u{e4}", None), header("twice", Some(b"2"))],
        ),
    ];
    let open = Open::new(log, name, 1).await;
    let codecs = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];
    for codec in codecs {
        let mut builder = BatchBuilder::new().compression(codec);
        for (timestamp, key, value, headers) in &given {
            builder.append(*timestamp, *key, *value, headers);
        }
        open.appended(&builder.build()).await;
    }
    let mut reader = open.partition.reader(Position::Earliest).await.expect("a reader");
    let found = read(&mut *reader, given.len() * codecs.len()).await;
    for (index, record) in found.iter().enumerate() {
        let (timestamp, key, value, headers) = &given[index % given.len()];
        assert_eq!(record.offset, index as i64);
        assert_eq!(record.timestamp, *timestamp);
        assert_eq!(record.key.as_deref(), *key);
        assert_eq!(record.value.as_deref(), *value);
        assert_eq!(&record.headers, headers);
    }
    open.delete().await;
}

pub(super) async fn that_fail_take_nothing(log: &Arc<dyn Log>, name: &str) {
    let open = Open::new(log, name, 1).await;
    open.appended(&batch(&[0])).await;
    let refuse = |bytes: Bytes| {
        open.partition.append(bytes, Durability::Synced).expect_err("refused before it is written")
    };
    let good = batch(&[1, 2]);
    let mut flipped = good.to_vec();
    *flipped.last_mut().expect("bytes") ^= 1;
    let twice = Bytes::from([&good[..], &good[..]].concat());
    for bad in [Bytes::new(), good.slice(..40), good.slice(..good.len() - 1), flipped.into(), twice]
    {
        let error = refuse(bad);
        assert!(matches!(error, LogError::Batch(_)), "{error:?}");
    }
    let error = refuse(large_batch(2 << 20));
    assert!(matches!(error, LogError::TooLarge { .. }), "{error:?}");
    assert!(!error.is_retryable());

    let end = open.partition.list_offset(OffsetSpec::Latest).await.expect("the end");
    assert_eq!(end.offset, 1, "nothing of it was taken");
    assert_eq!(open.appended(&good).await.base_offset, 1, "and the next is taken as ever");
    open.delete().await;
}

/// Appends faster than any log stores, so that bounds are met, and waits for room as callers do.
pub(super) async fn find_room_again(log: &Arc<dyn Log>, name: &str) {
    const APPENDS: i64 = 300;
    let open = Open::new(log, name, 1).await;
    let large = large_batch(900 << 10);
    let mut sent = Vec::new();
    for _ in 0..APPENDS {
        let pending = loop {
            match open.partition.append(large.clone(), Durability::Written) {
                Ok(pending) => break pending,
                Err(LogError::Full) => patient("room", open.partition.ready()).await,
                Err(error) => panic!("{error:?}"),
            }
        };
        sent.push(pending);
    }
    for (index, pending) in sent.into_iter().enumerate() {
        let appended = patient("an append", pending).await.expect("an append");
        assert_eq!(appended.base_offset, index as i64, "refusals left no gaps");
    }
    open.delete().await;
}
