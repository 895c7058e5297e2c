//! Appends: one idempotent `acks=all` producer handle for all partitions.
//!
//! ```text
//!   append                      acknowledgement thread
//!     | refused: Full, TooLarge, ...
//!     | records, in order             | delivery reports
//!     v                               v
//!   librdkafka's queue ------> InFlight, one for each append ------> Pending
//! ```
//!
//! librdkafka retries in order and without repeats until the delivery timeout. When it gives an idempotent producer
//! up (a fatal error: the broker lost or contradicts its sequence numbers), everything under way fails and
//! the next append starts a new handle.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use klamm_kafka_proto::records::{self, Record, Validation};
use klamm_log::{LogError, Pending};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders, Timestamp};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::{ClientContext, producer::PurgeConfig};

use crate::budget::Budget;
use crate::context::Context;
use crate::error::{About, log_error};
use crate::health::Health;
use crate::in_flight::{Admission, InFlight};
use crate::options::Options;
use crate::partition::KafkaPartition;

/// librdkafka's memory for a record besides its bytes: `rd_kafka_msg_t`, its list node, the allocator's share.
const RECORD_COST_BYTES: usize = 256;
/// The same for a header.
const HEADER_COST_BYTES: usize = 64;
/// How long the acknowledgement thread sleeps when there is nothing to do; it looks for its end as often.
const POLL: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Producer {
    config: ClientConfig,
    handle: RwLock<Arc<Handle>>,
    budget: Arc<Budget>,
    health: Arc<Health>,
    delivery_timeout_ms: u64,
    unpack_limit_bytes: usize,
    closed: AtomicBool,
}

/// A librdkafka producer and the thread that takes its delivery reports. The thread keeps the client alive and, after
/// the last [`Handle`] is gone, destroys it: that can block, and is nothing for a reactor's thread.
pub(crate) struct Handle {
    client: Arc<BaseProducer<Acks>>,
    stop: Arc<AtomicBool>,
}

/// What delivery reports need.
#[derive(Debug)]
pub(crate) struct Acks {
    context: Context,
    delivery_timeout_ms: u64,
    /// A fatal error was seen: this handle takes nothing more.
    broken: AtomicBool,
}

impl Producer {
    pub(crate) fn new(
        config: ClientConfig,
        options: &Options,
        health: Arc<Health>,
    ) -> Result<Self, LogError> {
        let delivery_timeout_ms = options.delivery_timeout.as_millis() as u64;
        let handle = Handle::open(&config, Arc::clone(&health), delivery_timeout_ms)?;
        Ok(Self {
            config,
            handle: RwLock::new(Arc::new(handle)),
            budget: Arc::new(Budget::new(options.pending_bytes)),
            health,
            delivery_timeout_ms,
            unpack_limit_bytes: options.pending_bytes,
            closed: AtomicBool::new(false),
        })
    }

    /// The handle in use, for questions too: the answers teach it which topics there are.
    pub(crate) fn handle(&self) -> Arc<Handle> {
        Arc::clone(&self.handle.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) async fn ready(&self) {
        self.budget.ready().await;
    }

    /// Hands the records of one batch to librdkafka.
    pub(crate) fn append(&self, to: &KafkaPartition, batch: &Bytes) -> Result<Pending, LogError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(LogError::Closed);
        }
        let records = self.records(to, batch)?;
        let handle = self.healthy_handle()?;
        let cost_bytes = records.iter().map(cost_bytes).sum();
        if !self.budget.take(cost_bytes) {
            return Err(LogError::Full);
        }
        let (completion, pending) = Pending::channel();
        let of = Admission {
            topic: Arc::clone(&to.topic),
            batch_bytes: batch.len(),
            max_message_bytes: to.max_message_bytes,
            records: records.len(),
            cost_bytes,
        };
        let in_flight = Arc::new(InFlight::new(of, completion, Arc::clone(&self.budget)));
        handle.send(to, &records, &in_flight)?;
        Ok(pending)
    }

    /// Takes the batch apart, after everything that can be refused has been looked for.
    fn records(&self, to: &KafkaPartition, batch: &Bytes) -> Result<Vec<Record>, LogError> {
        let header = records::validate(batch, Validation::default())?;
        if header.producer_id >= 0 || header.attributes.is_transactional() {
            return Err(LogError::Unsupported(
                "batches of idempotent or transactional producers are only taken by the embedded log"
                    .to_owned(),
            ));
        }
        if let Some(max) = to.max_message_bytes.filter(|max| batch.len() > *max) {
            return Err(LogError::TooLarge { bytes: batch.len(), max });
        }
        let found = records::records(batch, self.unpack_limit_bytes)?;
        found.map(|record| check(record?)).collect()
    }

    /// The handle in use, or a new one when librdkafka gave that up.
    fn healthy_handle(&self) -> Result<Arc<Handle>, LogError> {
        let handle = self.handle();
        if !handle.is_broken() {
            return Ok(handle);
        }
        let mut current = self.handle.write().unwrap_or_else(PoisonError::into_inner);
        if current.is_broken() {
            tracing::warn!("librdkafka gave its producer up; another takes over");
            let health = Arc::clone(&self.health);
            *current = Arc::new(Handle::open(&self.config, health, self.delivery_timeout_ms)?);
        }
        Ok(Arc::clone(&current))
    }

    /// Takes no more, waits for what is under way, and gives up what is not delivered in time. Blocks.
    pub(crate) fn close(&self, timeout: Duration) -> Result<(), LogError> {
        self.closed.store(true, Ordering::Release);
        let handle = self.handle();
        if handle.client.flush(timeout).is_ok() {
            return Ok(());
        }
        let left = handle.client.in_flight_count();
        handle.client.purge(PurgeConfig::default().queue().inflight());
        let _ = handle.client.flush(POLL);
        Err(LogError::Unavailable(format!(
            "{left} records were not delivered within {} ms and are given up",
            timeout.as_millis()
        )))
    }
}

impl Handle {
    fn open(
        config: &ClientConfig,
        health: Arc<Health>,
        delivery_timeout_ms: u64,
    ) -> Result<Self, LogError> {
        let context = Acks {
            context: Context { health },
            delivery_timeout_ms,
            broken: AtomicBool::new(false),
        };
        let client: BaseProducer<Acks> = config
            .create_with_context(context)
            .map_err(|error| log_error(&error, About { topic: "", timeout_ms: 0 }))?;
        let client = Arc::new(client);
        let stop = Arc::new(AtomicBool::new(false));
        let thread = (Arc::clone(&client), Arc::clone(&stop));
        std::thread::Builder::new()
            .name("klamm-kafka-acks".to_owned())
            .spawn(move || {
                let (client, stop) = thread;
                while !(stop.load(Ordering::Acquire) && Arc::strong_count(&client) == 1) {
                    client.poll(POLL);
                }
            })
            .map_err(|error| LogError::Storage {
                context: Arc::from("starting a thread"),
                error: Arc::new(error),
            })?;
        Ok(Self { client, stop })
    }

    /// Administration and questions go through the same client.
    pub(crate) fn client(&self) -> &rdkafka::client::Client<Acks> {
        self.client.client()
    }

    fn is_broken(&self) -> bool {
        self.client.context().broken.load(Ordering::Acquire)
    }

    /// Fails only when nothing was taken. What fails after that is told by the append's end.
    fn send(
        &self,
        to: &KafkaPartition,
        records: &[Record],
        in_flight: &Arc<InFlight>,
    ) -> Result<(), LogError> {
        let _order = to.order.lock().unwrap_or_else(PoisonError::into_inner);
        for (sent, record) in records.iter().enumerate() {
            if let Err(error) = self.send_one(to, record, in_flight) {
                let error = self.client.context().log_error(&error, in_flight);
                in_flight.failed(error.clone(), records.len() - sent);
                in_flight.settle(1);
                return if sent == 0 { Err(error) } else { Ok(()) };
            }
        }
        in_flight.settle(1);
        Ok(())
    }

    fn send_one(
        &self,
        to: &KafkaPartition,
        record: &Record,
        in_flight: &Arc<InFlight>,
    ) -> Result<(), KafkaError> {
        let message: BaseRecord<'_, [u8], [u8], Arc<InFlight>> = BaseRecord {
            topic: &to.topic,
            partition: Some(to.index as i32),
            payload: record.value.as_deref(),
            key: record.key.as_deref(),
            // librdkafka fills in the present for 0, the only value it cannot send.
            timestamp: (record.timestamp > 0).then_some(record.timestamp),
            headers: headers(record),
            delivery_opaque: Arc::clone(in_flight),
        };
        self.client.send(message).map_err(|(error, _)| error)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("acks", self.client.context()).finish_non_exhaustive()
    }
}

impl Acks {
    fn log_error(&self, error: &KafkaError, of: &InFlight) -> LogError {
        // The first is what later records are told, the second the one that brought it about.
        if let Some(Code::Fatal | Code::OutOfOrderSequenceNumber) = error.rdkafka_error_code() {
            self.broken.store(true, Ordering::Release);
        }
        let too_large = matches!(
            error.rdkafka_error_code(),
            Some(Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize)
        );
        // What was not sent yet when librdkafka took its partition down, which it does to one that went with its topic. A
        // handle that ends has purged before.
        if error.rdkafka_error_code() == Some(Code::BrokerDestroy) {
            return LogError::UnknownTopic(Arc::clone(&of.topic));
        }
        match of.max_message_bytes {
            Some(max) if too_large => LogError::TooLarge { bytes: of.batch_bytes, max },
            _ => {
                let about = About { topic: &of.topic, timeout_ms: self.delivery_timeout_ms };
                log_error(error, about)
            }
        }
    }
}

impl ClientContext for Acks {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.context.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(Code::Fatal) {
            tracing::error!("librdkafka's producer failed: {reason}");
            self.broken.store(true, Ordering::Release);
        }
        self.context.error(error, reason);
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ProducerContext for Acks {
    type DeliveryOpaque = Arc<InFlight>;

    fn delivery(&self, result: &DeliveryResult<'_>, of: Arc<InFlight>) {
        match result {
            Ok(message) => {
                self.context.health.reached();
                let time = match message.timestamp() {
                    Timestamp::LogAppendTime(time) => Some(time),
                    Timestamp::CreateTime(_) | Timestamp::NotAvailable => None,
                };
                of.delivered(message.offset(), time);
            }
            Err((error, _)) => of.failed(self.log_error(error, &of), 1),
        }
    }
}

fn cost_bytes(record: &Record) -> usize {
    let bytes = |field: &Option<Bytes>| field.as_ref().map_or(0, Bytes::len);
    let headers = record.headers.iter();
    let headers = headers.map(|h| HEADER_COST_BYTES + h.key.len() + bytes(&h.value)).sum::<usize>();
    RECORD_COST_BYTES + bytes(&record.key) + bytes(&record.value) + headers
}

/// Refuses what librdkafka cannot carry.
fn check(record: Record) -> Result<Record, LogError> {
    if record.timestamp < -1 {
        let timestamp = record.timestamp;
        return Err(LogError::InvalidTimestamp(format!("timestamp {timestamp} is before 1970")));
    }
    let bad = |key: &Bytes| key.contains(&0) || std::str::from_utf8(key).is_err();
    if record.headers.iter().any(|header| bad(&header.key)) {
        return Err(LogError::InvalidRecord(
            "a header key that is not UTF-8 or holds a NUL cannot be sent to Apache Kafka"
                .to_owned(),
        ));
    }
    Ok(record)
}

fn headers(record: &Record) -> Option<OwnedHeaders> {
    if record.headers.is_empty() {
        return None;
    }
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
    for header in &record.headers {
        // `check` refused the others.
        let Ok(key) = std::str::from_utf8(&header.key) else { continue };
        headers = headers.insert(Header { key, value: header.value.as_deref() });
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_that_went_with_its_partition_tells_that_the_topic_is_gone() {
        let context = Context { health: Arc::new(Health::new("none")) };
        let acks = Acks { context, delivery_timeout_ms: 1, broken: AtomicBool::new(false) };
        let (completion, _pending) = Pending::channel();
        let of = Admission {
            topic: Arc::from("gone"),
            batch_bytes: 1,
            max_message_bytes: None,
            records: 1,
            cost_bytes: 0,
        };
        let of = InFlight::new(of, completion, Arc::new(Budget::new(1)));
        let told = |code| acks.log_error(&KafkaError::MessageProduction(code), &of);
        let gone = told(Code::BrokerDestroy);
        assert!(matches!(&gone, LogError::UnknownTopic(topic) if **topic == *"gone"), "{gone:?}");
        assert!(matches!(told(Code::PurgeQueue), LogError::Closed));
    }
}
