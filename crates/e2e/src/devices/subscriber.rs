//! Who hears everything, over the gateways' Service.

use std::sync::Arc;

use klamm_mqtt::{Client, QoS};
use tokio::time::{sleep, timeout};

use super::NUMBERS;
use super::device::{CONNECT, connect};
use crate::load::ledger::{Ledger, Read};

const FILTER: &str = "e2e/#";

pub(super) struct Subscriber {
    pub(super) service: String,
    pub(super) ledger: Arc<Ledger>,
}

impl Subscriber {
    /// Listens for ever; dropped when it is over. What is heard is kept with the number of the connection it came over.
    pub(super) async fn run(self) {
        let mut connection = 0;
        loop {
            connection += 1;
            if let Some(client) = self.subscribed().await {
                while let Ok(message) = client.next().await {
                    let text = String::from_utf8_lossy(message.payload()).into_owned();
                    // What is no number of ours was never written.
                    let value: i64 = text.parse().unwrap_or(-1);
                    let read = Read { offset: connection, number: value.rem_euclid(NUMBERS) };
                    self.ledger.read(value.div_euclid(NUMBERS).max(0) as i32, &[read]);
                }
            }
            sleep(CONNECT / 20).await;
        }
    }

    async fn subscribed(&self) -> Option<Client> {
        let client = connect(&self.service, "subscriber").await?;
        let granted = timeout(CONNECT, client.subscribe(FILTER, QoS::AtLeastOnce)).await;
        granted.is_ok_and(|granted| granted.is_ok_and(|code| !code.is_failure())).then_some(client)
    }
}
