//! Readers: where they begin, how they wait, what they yield.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use klamm_log::{Log, Position, Reader};

use super::{Open, READ_BYTES, batch, next, number, patient, read};

pub(super) async fn begin_where_they_are_told(log: &Arc<dyn Log>, name: &str) {
    let open = Open::new(log, name, 1).await;
    let mut empty = open.partition.reader(Position::Earliest).await.expect("of an empty partition");
    assert_eq!(empty.position(), 0);
    open.appended(&batch(&[0, 1, 2, 3])).await;
    open.appended(&batch(&[4, 5])).await;
    assert_eq!(read(&mut *empty, 6).await.len(), 6);

    for from in 0..6 {
        let mut reader = open.partition.reader(Position::Offset(from)).await.expect("a reader");
        let found = read(&mut *reader, 6 - from as usize).await;
        assert_eq!(found[0].offset, from, "also in the middle of a batch");
    }
    let mut latest = open.partition.reader(Position::Latest).await.expect("a reader");
    let mut end = open.partition.reader(Position::Offset(6)).await.expect("a reader at the end");
    assert_eq!((latest.position(), end.position()), (6, 6));
    open.appended(&batch(&[6])).await;
    assert_eq!(
        number(&read(&mut *latest, 1).await[0]),
        6,
        "all after it was opened, nothing before"
    );
    assert_eq!(number(&read(&mut *end, 1).await[0]), 6);
    open.delete().await;
}

pub(super) async fn wait_at_the_end_and_may_be_cancelled(log: &Arc<dyn Log>, name: &str) {
    const APPENDS: u32 = 60;
    let open = Open::new(log, name, 1).await;
    let mut reader = open.partition.reader(Position::Latest).await.expect("a reader");
    assert!(is_pending(&mut *reader), "there is nothing to read");
    let mut found = Vec::new();
    for index in 0..APPENDS {
        let pending = open.append(&batch(&[2 * index, 2 * index + 1]));
        // Calls given up at any point: each may have brought batches, none may lose any.
        for _ in 0..3 {
            let before = reader.position();
            let call = tokio::time::timeout(
                std::time::Duration::from_micros(500),
                reader.next(READ_BYTES),
            );
            match call.await {
                Ok(bytes) => found.push(bytes.expect("batches")),
                Err(_) => assert_eq!(reader.position(), before, "a call given up moves nothing"),
            }
        }
        patient("an append", pending).await.expect("an append");
    }
    while reader.position() < i64::from(2 * APPENDS) {
        found.push(patient("Reader::next", reader.next(READ_BYTES)).await.expect("batches"));
    }
    let numbers: Vec<u32> = found
        .into_iter()
        .flat_map(klamm_kafka_proto::records::batches)
        .flat_map(|found| {
            klamm_kafka_proto::records::records(&found.expect("a batch").1, READ_BYTES)
        })
        .flatten()
        .map(|record| number(&record.expect("a record")))
        .collect();
    assert_eq!(numbers, (0..2 * APPENDS).collect::<Vec<_>>(), "each once, in order");
    assert!(is_pending(&mut *reader), "it waits at the end again");
    open.delete().await;
}

fn is_pending(reader: &mut dyn Reader) -> bool {
    let mut call = reader.next(READ_BYTES);
    matches!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
}

pub(super) async fn keep_to_the_bytes_asked_for(log: &Arc<dyn Log>, name: &str) {
    let open = Open::new(log, name, 1).await;
    let large = super::topics::large_batch(10_000);
    for index in 0..20 {
        open.append(&batch(&[index])).forget();
        open.appended(&large).await;
    }
    // `next` checks the sum; here, that a bound below the smallest batch still makes progress.
    for max_bytes in [0, 1, 500, 12_000, 25_000] {
        let mut reader = open.partition.reader(Position::Earliest).await.expect("a reader");
        let mut offsets = Vec::new();
        while offsets.len() < 40 {
            offsets.extend(next(&mut *reader, max_bytes).await.iter().map(|record| record.offset));
        }
        assert_eq!(offsets, (0..40).collect::<Vec<_>>(), "max_bytes {max_bytes}");
    }
    open.delete().await;
}

pub(super) async fn of_one_partition_do_not_disturb_each_other(log: &Arc<dyn Log>, name: &str) {
    const READERS: usize = 12;
    const RECORDS: u32 = 500;
    let open = Open::new(log, name, 1).await;
    for index in 0..RECORDS / 2 {
        open.append(&batch(&[index])).forget();
    }
    let mut tasks = Vec::new();
    for index in 0..READERS {
        let reader = patient("a reader", open.partition.reader(Position::Earliest)).await;
        let mut reader = reader.expect("a reader");
        if index % 3 == 1 {
            open.appended(&batch(&[RECORDS / 2 + index as u32 / 3])).await;
        }
        tasks.push(tokio::spawn(async move {
            let mut found = Vec::new();
            while found.len() < RECORDS as usize {
                found.extend(next(&mut *reader, 2000).await);
            }
            let numbers: Vec<u32> = found.iter().map(number).collect();
            assert_eq!(numbers, (0..RECORDS).collect::<Vec<_>>(), "reader {index}");
        }));
    }
    for index in RECORDS / 2 + READERS as u32 / 3..RECORDS {
        open.appended(&batch(&[index])).await;
    }
    for task in tasks {
        patient("a reader's task", task).await.expect("each reads all");
    }
    open.delete().await;
}
