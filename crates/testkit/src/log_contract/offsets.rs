//! Offsets: asked for, out of range, given up.

use std::sync::Arc;

use klamm_kafka_proto::records::BatchBuilder;
use klamm_log::{Log, LogError, OffsetSpec, Position, TimestampedOffset};

use super::{Open, START_MS, batch, patient, read};

const NONE: TimestampedOffset = TimestampedOffset { offset: -1, timestamp: -1 };

pub(super) async fn are_found_by_place_and_time(log: &Arc<dyn Log>, name: &str) {
    let open = Open::new(log, name, 1).await;
    let ask = async |spec| patient("list_offset", open.partition.list_offset(spec)).await;
    let place = |offset| TimestampedOffset { offset, timestamp: -1 };
    assert_eq!(ask(OffsetSpec::Earliest).await.expect("an answer"), place(0));
    assert_eq!(ask(OffsetSpec::Latest).await.expect("an answer"), place(0));
    assert_eq!(ask(OffsetSpec::Timestamp(*START_MS)).await.expect("an answer"), NONE);

    let mut builder = BatchBuilder::new();
    for seconds in [1, 2, 9, 4] {
        builder.append(*START_MS + seconds * 1000, None, Some(b""), &[]);
    }
    open.appended(&builder.build()).await;
    builder.append(*START_MS + 5000, None, Some(b""), &[]);
    open.appended(&builder.build()).await;
    assert_eq!(ask(OffsetSpec::Earliest).await.expect("an answer"), place(0));
    assert_eq!(ask(OffsetSpec::Latest).await.expect("an answer"), place(5));
    for (from_ms, offset, seconds) in
        [(-1, 0, 1), (0, 0, 1), (1500, 1, 2), (2000, 1, 2), (3000, 2, 9)]
    {
        let answer = ask(OffsetSpec::Timestamp(*START_MS + from_ms)).await.expect("an answer");
        let expected = TimestampedOffset { offset, timestamp: *START_MS + seconds * 1000 };
        assert_eq!(answer, expected, "from {from_ms} ms on");
    }
    assert_eq!(ask(OffsetSpec::Timestamp(*START_MS + 9001)).await.expect("an answer"), NONE);
    match ask(OffsetSpec::MaxTimestamp).await {
        Ok(answer) => {
            let expected = TimestampedOffset { offset: 2, timestamp: *START_MS + 9000 };
            assert_eq!(answer, expected);
        }
        Err(LogError::Unsupported(why)) => assert!(!why.is_empty()),
        Err(error) => panic!("{error:?}"),
    }
    open.delete().await;
}

pub(super) async fn outside_are_refused_with_those_there_are(log: &Arc<dyn Log>, name: &str) {
    let open = Open::new(log, name, 1).await;
    open.appended(&batch(&[0, 1, 2, 3, 4])).await;
    let first = open.partition.delete_records(2).await.expect("two records are given up");
    assert_eq!(first, 2);
    for asked in [0, 1, 6, i64::MAX, -5] {
        let error = patient("reader", open.partition.reader(Position::Offset(asked))).await;
        match error.expect_err("outside") {
            LogError::OffsetOutOfRange { offset, start: 2, end: 5 } => assert_eq!(offset, asked),
            error => panic!("{error:?}"),
        }
    }
    let error = open.partition.delete_records(6).await.expect_err("beyond the end");
    assert!(
        matches!(error, LogError::OffsetOutOfRange { offset: 6, start: 2, end: 5 }),
        "{error:?}"
    );
    assert_eq!(open.partition.delete_records(1).await.expect("long given up"), 2);
    let mut reader = open.partition.reader(Position::Earliest).await.expect("a reader");
    assert_eq!(read(&mut *reader, 3).await[0].offset, 2);

    assert_eq!(open.partition.delete_records(-1).await.expect("all are given up"), 5);
    let earliest = open.partition.list_offset(OffsetSpec::Earliest).await.expect("an answer");
    assert_eq!(earliest.offset, 5);
    assert_eq!(open.appended(&batch(&[5])).await.base_offset, 5, "offsets are not used again");
    open.delete().await;
}

pub(super) async fn given_up_overtake_readers(log: &Arc<dyn Log>, name: &str) {
    let open = Open::new(log, name, 1).await;
    for index in 0..10 {
        open.appended(&batch(&[index])).await;
    }
    let reader = open.partition.reader(Position::Offset(3)).await.expect("a reader");
    drop(reader);
    let mut overtaken = open.partition.reader(Position::Offset(3)).await.expect("a reader");
    // A log may have read ahead for it; what it then yields was there when it was asked.
    let (mut yielded, mut error) = (Vec::new(), None);
    open.partition.delete_records(10).await.expect("all are given up");
    open.appended(&batch(&[10])).await;
    while error.is_none() && overtaken.position() < 10 {
        match patient("Reader::next", overtaken.next(1)).await {
            Ok(_) => yielded.push(overtaken.position() - 1),
            Err(found) => error = Some(found),
        }
    }
    match error {
        None => assert_eq!(yielded, (3..10).collect::<Vec<_>>(), "all, or an error"),
        Some(LogError::OffsetOutOfRange { offset, start: 10, end: 11 }) => {
            assert_eq!(offset, overtaken.position());
        }
        Some(error) => panic!("{error:?}"),
    }
    let mut again = open.partition.reader(Position::Earliest).await.expect("a reader");
    assert_eq!(read(&mut *again, 1).await[0].offset, 10);
    open.delete().await;
}
