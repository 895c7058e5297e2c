//! The broker's and the listeners' numbers in Prometheus' words.

use std::fmt;
use std::sync::Arc;

use klamm_broker::{Kind, Metrics};
use klamm_log::Status;
use klamm_net::ListenerMetrics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

/// Everything that `/metrics` shows.
#[derive(Debug)]
pub struct Numbers {
    pub broker: Arc<Metrics>,
    pub listeners: Vec<(&'static str, Arc<ListenerMetrics>)>,
    pub log: watch::Receiver<Status>,
}

/// A registry that reads the numbers when it is scraped.
pub fn registry(numbers: Numbers) -> Registry {
    let mut registry = Registry::with_prefix("klamm");
    let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "this program", version);
    registry.register_collector(Box::new(numbers));
    registry
}

impl Collector for Numbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (kind, name, help, number) in self.broker.all() {
            match kind {
                Kind::Counter => counter(&mut encoder, name, help, number)?,
                Kind::Gauge => gauge(&mut encoder, name, help, number)?,
            }
        }
        for (name, listener) in &self.listeners {
            let metric = |what: &str| format!("{name}_connections_{what}");
            gauge(&mut encoder, &metric("open"), "connections open", listener.open())?;
            counter(
                &mut encoder,
                &metric("accepted"),
                "connections accepted",
                listener.accepted(),
            )?;
            let refused = listener.refused();
            counter(&mut encoder, &metric("refused"), "closed at the connection limit", refused)?;
        }
        let ready = u64::from(*self.log.borrow() == Status::Ready);
        gauge(&mut encoder, "log_ready", "1 while the log takes appends", ready)
    }
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    number: u64,
) -> Result<(), fmt::Error> {
    let counter = ConstCounter::new(number);
    counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    number: u64,
) -> Result<(), fmt::Error> {
    let gauge = ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}
