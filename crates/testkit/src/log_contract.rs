//! What every [`Log`] promises, as checks over the trait alone: the embedded log and Apache Kafka pass the same ones.
//!
//! ```no_run
//! # async fn test(log: std::sync::Arc<dyn klamm_log::Log>) {
//! use klamm_testkit::log_contract;
//!
//! log_contract::check(&log, "contract").await;
//! log_contract::check_close(&log, "contract").await;
//! # }
//! ```
//!
//! # Guarantees
//! - Each check makes topics of its own, named after the prefix, and deletes them. One that is broken panics with what
//!   was expected; one that never ends panics after [`crate::PATIENCE`].
//! - Where the trait leaves room, the checks do: batches may be read back split or joined, an operation may be
//!   [`LogError::Unsupported`] where that is said below.

use std::future::Future;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use bytes::Bytes;
use klamm_kafka_proto::records::{BatchBuilder, Header, Record, batches, records};
use klamm_log::{Appended, Durability, Log, LogError, NewTopic, Partition, Pending, Reader};

use crate::PATIENCE;

mod appends;
mod offsets;
mod readers;
mod topics;

/// What records may unpack to here.
const UNPACK_BYTES: usize = 16 << 20;
/// What a check asks a reader for.
const READ_BYTES: usize = 1 << 20;
/// A time for records: within any retention, and not in the future.
static START_MS: LazyLock<i64> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.as_millis() as i64 - 60_000
});

/// Checks everything but [`Log::close`].
///
/// # Panics
/// When the log breaks a promise.
pub async fn check(log: &Arc<dyn Log>, prefix: &str) {
    let name = |check: &str| format!("{prefix}.{check}");
    topics::come_and_go(log, &name("topics")).await;
    topics::say_what_is_wrong(log, &name("wrong")).await;
    topics::are_altered_all_or_none(log, &name("altered")).await;
    topics::take_their_partitions_with_them(log, &name("deleted")).await;
    appends::keep_the_order_of_calls(log, &name("order")).await;
    appends::give_records_back_as_they_were(log, &name("records")).await;
    appends::that_fail_take_nothing(log, &name("refused")).await;
    appends::find_room_again(log, &name("ready")).await;
    readers::begin_where_they_are_told(log, &name("begin")).await;
    readers::wait_at_the_end_and_may_be_cancelled(log, &name("wait")).await;
    readers::keep_to_the_bytes_asked_for(log, &name("bytes")).await;
    readers::of_one_partition_do_not_disturb_each_other(log, &name("many")).await;
    offsets::are_found_by_place_and_time(log, &name("offsets")).await;
    offsets::outside_are_refused_with_those_there_are(log, &name("range")).await;
    offsets::given_up_overtake_readers(log, &name("given-up")).await;
}

/// Checks [`Log::close`], after which the log is of no more use.
///
/// # Panics
/// When the log breaks a promise.
pub async fn check_close(log: &Arc<dyn Log>, prefix: &str) {
    let open = Open::new(log, &format!("{prefix}.close"), 1).await;
    let admitted: Vec<Pending> = (0..50).map(|i| open.append(&batch(&[i]))).collect();
    patient("close", log.close()).await.expect("the log closes");
    for pending in admitted {
        patient("an admitted append", pending).await.expect("admitted before close");
    }
    let late = open.partition.append(batch(&[0]), Durability::Synced);
    let late = match late {
        Err(error) => error,
        Ok(pending) => pending.await.expect_err("an append after close is refused"),
    };
    assert!(matches!(late, LogError::Closed), "{late:?}");
}

/// A topic for one check.
struct Open {
    log: Arc<dyn Log>,
    topic: String,
    partition: Arc<dyn Partition>,
}

impl Open {
    async fn new(log: &Arc<dyn Log>, topic: &str, partitions: u32) -> Self {
        let new = NewTopic {
            name: topic.to_owned(),
            partitions: Some(partitions),
            ..NewTopic::default()
        };
        patient("create_topic", log.create_topic(new)).await.expect("a new topic");
        let partition = patient("partition", log.partition(topic, 0)).await.expect("partition 0");
        Self { log: Arc::clone(log), topic: topic.to_owned(), partition }
    }

    fn append(&self, batch: &Bytes) -> Pending {
        self.partition.append(batch.clone(), Durability::Synced).expect("room for an append")
    }

    async fn appended(&self, batch: &Bytes) -> Appended {
        patient("an append", self.append(batch)).await.expect("an append")
    }

    async fn delete(self) {
        patient("delete_topic", self.log.delete_topic(&self.topic)).await.expect("delete_topic");
    }
}

/// Waits for what must come.
async fn patient<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} did not come within {PATIENCE:?}"),
    }
}

/// A batch with a record for each number, which is its value.
fn batch(numbers: &[u32]) -> Bytes {
    let mut builder = BatchBuilder::new();
    for number in numbers {
        builder.append(*START_MS, Some(b"key"), Some(&number.to_be_bytes()), &[]);
    }
    builder.build()
}

fn number(record: &Record) -> u32 {
    let value = record.value.as_deref().expect("a value");
    u32::from_be_bytes(value.try_into().expect("four bytes"))
}

/// The records of one [`Reader::next`], after a look at the batches they came in.
async fn next(reader: &mut dyn Reader, max_bytes: usize) -> Vec<Record> {
    let before = reader.position();
    let bytes = patient("Reader::next", reader.next(max_bytes)).await.expect("batches");
    let mut found = Vec::new();
    let mut at = before;
    let mut count = 0;
    for batch in batches(bytes.clone()) {
        let (header, batch) = batch.expect("whole batches, back to back");
        header.verify(&batch).expect("a batch with its checksum");
        assert!(header.next_offset() > at, "batches in offset order");
        at = header.next_offset();
        count += 1;
        for record in records(&batch, UNPACK_BYTES).expect("a batch that unpacks") {
            let record = record.expect("a record");
            // The first batch holds the position and is whole.
            if record.offset >= before {
                found.push(record);
            }
        }
    }
    assert!(!found.is_empty(), "at least one record at or after the position");
    assert!(count == 1 || bytes.len() <= max_bytes, "{} of {max_bytes} bytes", bytes.len());
    assert_eq!(reader.position(), at, "the position follows what was yielded");
    found
}

/// Reads on until there are that many records.
async fn read(reader: &mut dyn Reader, count: usize) -> Vec<Record> {
    let mut found = Vec::new();
    while found.len() < count {
        found.extend(next(reader, READ_BYTES).await);
    }
    assert_eq!(found.len(), count, "no more than were appended");
    found
}

fn header(key: &'static str, value: Option<&'static [u8]>) -> Header {
    Header { key: Bytes::from_static(key.as_bytes()), value: value.map(Bytes::from_static) }
}
