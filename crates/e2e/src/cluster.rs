//! The cluster that scenarios run on, and the images it has.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::end::{End, Outcome};
use crate::kubectl::kubectl;
use crate::machines::Machines;

/// Names of the images that scenarios use; on a cluster of somebody's own they must be there or pullable.
#[derive(Debug, Clone, clap::Args)]
pub struct Images {
    /// Image with `klamm-operator` and the agent
    #[arg(long, env = "KLAMM_E2E_IMAGE_OPERATOR", default_value = "klamm.test/klamm-operator:e2e")]
    pub operator: String,
    /// The same under another name, as a newer version would be
    #[arg(
        long,
        env = "KLAMM_E2E_IMAGE_OPERATOR_NEXT",
        default_value = "klamm.test/klamm-operator:next"
    )]
    pub operator_next: String,
    /// Image with `klamm`
    #[arg(long, env = "KLAMM_E2E_IMAGE_KLAMM", default_value = "klamm.test/klamm:e2e")]
    pub klamm: String,
    /// Image with a `klamm` that was built with the cargo feature `tls`; without one, what needs it is skipped
    #[arg(long, env = "KLAMM_E2E_IMAGE_KLAMM_TLS")]
    pub klamm_tls: Option<String>,
    /// Image with `klamm-e2e`, for loads on a cluster of somebody's own
    #[arg(long, env = "KLAMM_E2E_IMAGE_LOAD", default_value = "klamm.test/klamm-e2e:e2e")]
    pub load: String,
    /// Image of Apache Kafka with `klamm-operator` in it (examples/handmade/Dockerfile)
    #[arg(long, env = "KLAMM_E2E_IMAGE_HANDMADE", default_value = "kafka-handmade:4.3.0")]
    pub handmade: String,
    /// Image of Apache Kafka
    #[arg(long, env = "KLAMM_E2E_IMAGE_KAFKA", default_value = "apache/kafka:4.3.0")]
    pub kafka: String,
}

/// A cluster that `kubectl` reaches.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The harness's program, where the cluster is the harness's.
    pub harness: Option<PathBuf>,
    /// What runs on it.
    pub images: Images,
    /// Machines were asked for, so some may be hurt.
    hurt: Arc<AtomicBool>,
}

impl Cluster {
    /// One that `kubectl` reaches already.
    pub fn new(harness: Option<PathBuf>, images: Images) -> Self {
        Self { harness, images, hurt: Arc::default() }
    }

    /// Every machine as it should be, whatever a scenario did to some.
    pub(crate) fn restore(&self) -> Result<(), String> {
        match &self.harness {
            Some(harness) if self.hurt.swap(false, Ordering::Relaxed) => {
                Machines::new(harness).restore()
            }
            _ => Ok(()),
        }
    }

    /// Whether it has cert-manager's definitions.
    pub fn has_cert_manager(&self) -> bool {
        kubectl(&["get", "crd", "certificates.cert-manager.io", "-o", "name"], None).is_ok()
    }

    /// Installs cert-manager on the harness's cluster.
    ///
    /// # Errors
    /// [`End::Skipped`] on a cluster of somebody's own; what the harness says.
    pub fn install_cert_manager(&self) -> Outcome {
        let why = "needs cert-manager, which is not on this cluster";
        let harness = self.harness.as_deref().ok_or_else(|| End::Skipped(why.to_owned()))?;
        Ok(Machines::new(harness).cert_manager()?)
    }

    /// Its machines, to be hurt.
    ///
    /// # Errors
    /// [`End::Skipped`] on a cluster of somebody's own.
    pub fn machines(&self) -> Outcome<Machines> {
        let why = "hurts machines, and only those of e2e/kube can be";
        let harness = self.harness.as_deref().ok_or_else(|| End::Skipped(why.to_owned()))?;
        self.hurt.store(true, Ordering::Relaxed);
        Ok(Machines::new(harness))
    }
}
