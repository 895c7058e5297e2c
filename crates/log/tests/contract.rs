//! The embedded log keeps the contract that Apache Kafka keeps too.

use std::sync::Arc;

use klamm_log::{EmbeddedLog, Log, Options};
use klamm_testkit::log_contract;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_log_keeps_the_contract_of_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(directory.path(), Options::default()).await.unwrap();
    let log: Arc<dyn Log> = log;
    log_contract::check(&log, "contract").await;
    log_contract::check_close(&log, "contract").await;
}
