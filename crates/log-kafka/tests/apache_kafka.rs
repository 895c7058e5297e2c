//! The log on a real Apache Kafka: the one that `KLAMM_TEST_KAFKA` names, or one that is started here.

use std::sync::Arc;

use klamm_log::{Log, Status};
use klamm_log_kafka::{KafkaLog, Options};
use klamm_testkit::{ApacheKafka, PATIENCE, Peers, log_contract};

/// The broker, or the reason to skip. With `CI=true` nothing is skipped.
fn kafka() -> Option<ApacheKafka> {
    match ApacheKafka::given_or_started(&Peers::find()) {
        Ok(kafka) => Some(kafka),
        Err(skip) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("{skip}"),
        Err(skip) => {
            println!("skipped: Apache Kafka: {skip}");
            None
        }
    }
}

async fn ready(log: &KafkaLog) {
    let mut status = log.status();
    let ready = status.wait_for(|status| *status == Status::Ready);
    tokio::time::timeout(PATIENCE, ready).await.expect("the cluster answers").expect("a status");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apache_kafka_keeps_the_contract_of_the_log() {
    let Some(kafka) = kafka() else { return };
    let log = KafkaLog::connect(kafka.address(), &[], Options::default()).unwrap();
    ready(&log).await;
    let log: Arc<dyn Log> = log;
    let prefix = format!("contract-{}", std::process::id());
    log_contract::check(&log, &prefix).await;
    log_contract::check_close(&log, &prefix).await;
}
