//! The operator's numbers, in Prometheus' words.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// How a look at a resource ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is as it was asked for, or on its way.
    Fine,
    /// Something is wrong with what was asked for, and a condition says what.
    Refused,
    /// It is tried again.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reconcile {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Certificate {
    namespace: String,
    cluster: String,
    name: String,
}

type Durations = Family<Kind, Histogram, fn() -> Histogram>;

/// Counted by the controllers, read by who scrapes. Clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciles: Family<Reconcile, Counter>,
    durations: Durations,
    watch_errors: Family<Kind, Counter>,
    certificates: Family<Certificate, Gauge>,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let reconciles = Family::<Reconcile, Counter>::default();
        let durations = Durations::new_with_constructor(seconds);
        let watch_errors = Family::<Kind, Counter>::default();
        let certificates = Family::<Certificate, Gauge>::default();
        let leader = Gauge::default();
        let mut registry = Registry::with_prefix("klamm_operator");
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "this program", version);
        registry.register("leader", "1 in the operator that works", leader.clone());
        registry.register(
            "reconciles",
            "looks at a resource: fine, refused (a condition says why), failed (tried again)",
            reconciles.clone(),
        );
        registry.register("reconcile_seconds", "how long a look takes", durations.clone());
        registry.register(
            "watch_errors",
            "watches that broke and began again",
            watch_errors.clone(),
        );
        registry.register(
            "certificate_not_after_seconds",
            "when a certificate ends, in seconds since 1970",
            certificates.clone(),
        );
        registry.register_collector(Box::new(Process));
        let registry = Arc::new(registry);
        Self { registry, reconciles, durations, watch_errors, certificates, leader }
    }
}

/// From 2 ms to 66 s, each bucket twice the one before.
fn seconds() -> Histogram {
    Histogram::new(std::iter::successors(Some(0.002), |bound| Some(bound * 2.0)).take(16))
}

impl Metrics {
    /// A look at a resource is over.
    pub fn reconciled(&self, kind: &'static str, outcome: Outcome, took: Duration) {
        let outcome = match outcome {
            Outcome::Fine => "fine",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        };
        self.reconciles.get_or_create(&Reconcile { kind, outcome }).inc();
        self.durations.get_or_create(&Kind { kind }).observe(took.as_secs_f64());
    }

    /// A watch broke.
    pub fn watch_failed(&self, kind: &'static str) {
        self.watch_errors.get_or_create(&Kind { kind }).inc();
    }

    /// This process leads, or no longer.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// When a certificate of a cluster ends (`name` is its Secret's), in seconds since 1970; none once it is gone.
    pub fn certificate(&self, namespace: &str, cluster: &str, name: &str, not_after: Option<i64>) {
        let [namespace, cluster, name] = [namespace, cluster, name].map(str::to_owned);
        let labels = Certificate { namespace, cluster, name };
        match not_after {
            Some(seconds) => {
                self.certificates.get_or_create(&labels).set(seconds);
            }
            None => {
                self.certificates.remove(&labels);
            }
        }
    }

    /// All of them, in OpenMetrics' text format.
    ///
    /// # Errors
    /// A number that cannot be written.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// What the system says of this process.
#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(bytes) =
            std::fs::read_to_string("/proc/self/status").ok().and_then(|s| resident(&s))
        else {
            return Ok(());
        };
        let gauge = ConstGauge::new(bytes);
        let name = "process_resident_memory_bytes";
        let help = "memory that this process has";
        gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
    }
}

/// `VmRSS:      1234 kB`, in bytes.
fn resident(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_by_kind_and_outcome() {
        let metrics = Metrics::default();
        metrics.reconciled("Gateway", Outcome::Fine, Duration::from_millis(3));
        metrics.reconciled("Gateway", Outcome::Refused, Duration::from_millis(3));
        metrics.watch_failed("KafkaTopic");
        metrics.clone().leads(true);
        let text = metrics.text().unwrap();
        for line in [
            "klamm_operator_reconciles_total{kind=\"Gateway\",outcome=\"refused\"} 1",
            "klamm_operator_reconcile_seconds_count{kind=\"Gateway\"} 2",
            "klamm_operator_watch_errors_total{kind=\"KafkaTopic\"} 1",
            "klamm_operator_leader 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(text.contains("klamm_operator_process_resident_memory_bytes"), "{text}");
    }

    #[test]
    fn certificate_that_is_gone_is_told_no_more() {
        let metrics = Metrics::default();
        metrics.certificate("ns", "c", "c-ca", Some(1_800_000_000));
        assert!(metrics.text().unwrap().contains("name=\"c-ca\"} 1800000000"));
        metrics.certificate("ns", "c", "c-ca", None);
        assert!(!metrics.text().unwrap().contains("c-ca"));
    }

    #[test]
    fn resident_memory_is_read_in_kib() {
        assert_eq!(resident("VmPeak: 9 kB\nVmRSS:\t   1234 kB\n"), Some(1234 << 10));
        assert_eq!(resident("VmPeak: 9 kB\n"), None);
    }
}
