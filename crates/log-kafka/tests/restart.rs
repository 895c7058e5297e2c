//! Apache Kafka restarted under load, as by `kill -9` and in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use klamm_kafka_proto::records::{BatchBuilder, batches, records};
use klamm_log::{Durability, Log, LogError, NewTopic, Partition, Position, Reader};
use klamm_log_kafka::{KafkaLog, Options};
use klamm_testkit::{ApacheKafka, PATIENCE, Peers};

const PARTITIONS: u32 = 2;
/// Acknowledged appends for each partition between two restarts.
const APPENDS: usize = 500;
/// Appends of one writer that wait for their acknowledgement.
const UNDER_WAY: usize = 100;

/// Offset and number of each record.
type Found = Vec<(i64, u64)>;

/// What one writer did: the first number and size of each append, and where it went.
struct Written {
    outcomes: Vec<(u64, usize, Result<i64, LogError>)>,
}

async fn write(
    partition: Arc<dyn Partition>,
    stop: Arc<AtomicBool>,
    acked: Arc<AtomicUsize>,
) -> Written {
    let mut number = 0;
    let mut waiting = std::collections::VecDeque::new();
    let mut outcomes = Vec::new();
    while !stop.load(Ordering::Acquire) || !waiting.is_empty() {
        if waiting.len() < UNDER_WAY && !stop.load(Ordering::Acquire) {
            let size = 1 + number as usize % 3;
            let mut builder = BatchBuilder::new();
            for number in number..number + size as u64 {
                builder.append(0, None, Some(&number.to_be_bytes()), &[]);
            }
            match partition.append(builder.build(), Durability::Synced) {
                Ok(pending) => waiting.push_back((number, size, pending)),
                Err(LogError::Full) => partition.ready().await,
                Err(error) => panic!("{error:?}"),
            }
            number += size as u64;
            continue;
        }
        let (first, size, pending) = waiting.pop_front().expect("one waits");
        let outcome = pending.await.map(|appended| appended.base_offset);
        acked.fetch_add(usize::from(outcome.is_ok()), Ordering::AcqRel);
        outcomes.push((first, size, outcome));
    }
    Written { outcomes }
}

async fn tail(mut reader: Box<dyn Reader>, until: Arc<AtomicUsize>) -> Found {
    let mut found = Found::new();
    while (reader.position() as usize) < until.load(Ordering::Acquire) {
        let Ok(read) = tokio::time::timeout(PATIENCE, reader.next(64 << 10)).await else {
            panic!("the tail reader stands at {}", reader.position());
        };
        for batch in batches(read.expect("a tail reader goes on through restarts")) {
            for record in records(&batch.unwrap().1, 1 << 20).unwrap() {
                let record = record.unwrap();
                let value = record.value.unwrap();
                found.push((record.offset, u64::from_be_bytes(value[..].try_into().unwrap())));
            }
        }
    }
    found
}

async fn more_acked(acked: &[Arc<AtomicUsize>]) {
    let before: Vec<usize> = acked.iter().map(|acked| acked.load(Ordering::Acquire)).collect();
    let more = async {
        while acked.iter().zip(&before).any(|(a, b)| a.load(Ordering::Acquire) < b + APPENDS) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, more).await.expect("appends are acknowledged again");
}

fn assert_kept(written: &Written, found: &Found) {
    let mut places: BTreeMap<u64, i64> = BTreeMap::new();
    for (offset, number) in found {
        assert_eq!(places.insert(*number, *offset), None, "record {number} is there twice");
    }
    assert!(places.values().is_sorted(), "records lie in the order of their appends");
    for (first, size, outcome) in &written.outcomes {
        let Ok(base_offset) = outcome else { continue };
        for index in 0..*size as u64 {
            let place = places.get(&(first + index)).copied();
            assert_eq!(
                place,
                Some(base_offset + index as i64),
                "record {} was acknowledged",
                first + index
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_under_load_lose_nothing_acknowledged_and_repeat_nothing() {
    let mut kafka = match ApacheKafka::start(&Peers::find()) {
        Ok(kafka) => kafka,
        Err(skip) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("{skip}"),
        Err(skip) => return println!("skipped: Apache Kafka: {skip}"),
    };
    let log = KafkaLog::connect(kafka.address(), &[], Options::default()).unwrap();
    let topic = NewTopic { name: "t".into(), partitions: Some(PARTITIONS), ..NewTopic::default() };
    log.create_topic(topic).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (mut writers, mut tails, mut acked, mut ends) = (vec![], vec![], vec![], vec![]);
    for index in 0..PARTITIONS {
        let partition = log.partition("t", index).await.unwrap();
        let (count, end) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(usize::MAX)));
        let reader = partition.reader(Position::Earliest).await.unwrap();
        tails.push(tokio::spawn(tail(reader, Arc::clone(&end))));
        writers.push(tokio::spawn(write(partition, Arc::clone(&stop), Arc::clone(&count))));
        acked.push(count);
        ends.push(end);
    }
    more_acked(&acked).await;
    for orderly in [false, true] {
        kafka = tokio::task::spawn_blocking(move || {
            kafka.stop(orderly);
            kafka.start_again();
            kafka
        })
        .await
        .unwrap();
        more_acked(&acked).await;
    }
    stop.store(true, Ordering::Release);
    for (index, writer) in writers.into_iter().enumerate() {
        let written = writer.await.unwrap();
        let failed = written.outcomes.iter().filter(|(.., outcome)| outcome.is_err()).count();
        println!("partition {index}: {} appends, {failed} failed", written.outcomes.len());
        let partition = log.partition("t", index as u32).await.unwrap();
        let end = partition.list_offset(klamm_log::OffsetSpec::Latest).await.unwrap().offset;
        let all = partition.reader(Position::Earliest).await.unwrap();
        let all = tail(all, Arc::new(AtomicUsize::new(end as usize))).await;
        assert_kept(&written, &all);
        // One more record lets the tail see the end it is to reach.
        ends[index].store(end as usize, Ordering::Release);
        let mut last = BatchBuilder::new();
        last.append(0, None, Some(&u64::MAX.to_be_bytes()), &[]);
        partition.append(last.build(), Durability::Synced).unwrap().await.unwrap();
        let mut tailed = tails.remove(0).await.unwrap();
        tailed.retain(|(_, number)| *number != u64::MAX);
        assert_eq!(tailed, all, "the tail reader missed nothing and repeated nothing");
    }
    log.close().await.unwrap();
}
