//! One device: its numbers, one after the other, each until it is acknowledged.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use klamm_mqtt::{Client, ClientOptions, ProtocolVersion, QoS};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::NUMBERS;
use crate::load::ledger::{Acknowledged, Ledger};

/// Between two messages.
const PACE: Duration = Duration::from_millis(20);
/// Before a message is sent again.
const PAUSE: Duration = Duration::from_millis(50);
/// For a connection.
pub(super) const CONNECT: Duration = Duration::from_secs(1);
/// For an acknowledgement.
const PUBLISH: Duration = Duration::from_secs(3);
/// A gateway that is silent for twice this is given up by who only listens.
const KEEP_ALIVE_S: u16 = 2;

/// Gateways that can be spoken to one by one.
pub(super) type Pods = Arc<Mutex<Vec<String>>>;

pub(super) fn topic(device: usize) -> String {
    format!("e2e/devices/{device}")
}

pub(super) async fn connect(server: &str, name: &str) -> Option<Client> {
    let mut options = ClientOptions::new(ProtocolVersion::V5, name);
    options.connect = CONNECT;
    options.keep_alive = KEEP_ALIVE_S;
    Client::connect(server, options).await.ok()
}

pub(super) struct Device {
    pub(super) index: usize,
    pub(super) service: String,
    pub(super) pods: Pods,
    pub(super) ledger: Arc<Ledger>,
    pub(super) stop: Arc<AtomicBool>,
}

impl Device {
    /// Until it is told to stop; the number that is under way then is still seen through.
    pub(super) async fn run(self) {
        let (mut number, mut connections) = (0, 0);
        let topic = topic(self.index);
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut open: Option<Client> = None;
        while !self.stop.load(Ordering::Relaxed) {
            pace.tick().await;
            let value = (self.index as i64 * NUMBERS + number).to_string();
            loop {
                if let Some(client) = &open {
                    let sent = client.publish(&topic, QoS::AtLeastOnce, value.clone());
                    match timeout(PUBLISH, sent).await {
                        Ok(Ok(reason)) if !reason.is_failure() => break,
                        // Not taken, and the connection is good.
                        Ok(Ok(_)) => {}
                        Ok(Err(_)) | Err(_) => open = None,
                    }
                    self.ledger.retry(self.index as i32);
                    sleep(PAUSE).await;
                } else {
                    let server = self.server(connections);
                    connections += 1;
                    open = connect(&server, &format!("device-{}", self.index)).await;
                    if open.is_none() {
                        sleep(PAUSE).await;
                    }
                }
            }
            let one = Acknowledged { offset: 0, first: number, count: 1 };
            self.ledger.acknowledge(self.index as i32, one);
            number += 1;
        }
    }

    /// The Service, or the next of the pods for every other device.
    fn server(&self, connections: usize) -> String {
        let pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        if self.index.is_multiple_of(2) || pods.is_empty() {
            return self.service.clone();
        }
        pods[(self.index + connections) % pods.len()].clone()
    }
}
