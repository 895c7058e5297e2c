//! The operator, installed as the documentation says.

use crate::end::Outcome;
use crate::kubectl::{Namespace, kubectl};
use crate::stage::Stage;
use crate::wait::PATIENCE;

const MANIFEST: &str = "deploy/klamm-operator.yaml";
const NAMESPACE: &str = "klamm-system";
const PODS: &str = "app.kubernetes.io/name=klamm-operator";

/// The operator of the cluster; it stays from one scenario to the next.
#[derive(Debug, Clone)]
pub struct Operator {
    namespace: Namespace,
}

impl Operator {
    /// Installs it, unless it is there already, and waits until it leads.
    ///
    /// # Errors
    /// What `kubectl` says, or when it does not become available.
    pub fn install(stage: &Stage<'_>) -> Outcome<Self> {
        let text = std::fs::read_to_string(MANIFEST).map_err(|e| format!("{MANIFEST}: {e}"))?;
        let images = &stage.cluster().images;
        // Of the release, unless they are given.
        let text = text
            .replace("klamm/klamm-operator:0.1.0", &images.operator)
            .replace("klamm/klamm:0.1.0", &images.klamm);
        let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        kubectl(&apply, Some(&text))?;
        let namespace = Namespace::there(NAMESPACE);
        namespace.wait("deployment/klamm-operator", "condition=Available", PATIENCE)?;
        Ok(Self { namespace })
    }

    /// Its process dies at once.
    ///
    /// # Errors
    /// What `kubectl` says.
    pub fn kill(&self) -> Result<(), String> {
        let now = ["--grace-period=0", "--force", "--wait=false"];
        self.namespace.kubectl(&[&["delete", "pod", "-l", PODS][..], &now].concat()).map(drop)
    }

    /// Memory that the one who leads has, by its own numbers.
    ///
    /// # Errors
    /// When its page cannot be reached.
    pub fn resident_bytes(&self) -> Result<u64, String> {
        let pods = self.namespace.pods(PODS)?;
        let pod = pods.iter().find(|pod| pod.ready).ok_or("no operator is Ready")?;
        let page = format!("/api/v1/namespaces/{NAMESPACE}/pods/{}:8080/proxy/metrics", pod.name);
        let text = self.namespace.kubectl(&["get", "--raw", &page])?;
        let name = "klamm_operator_process_resident_memory_bytes ";
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value.and_then(|value| value.trim().parse().ok()).ok_or_else(|| format!("no {name}"))
    }

    /// What it printed last.
    ///
    /// # Errors
    /// What `kubectl` says.
    pub fn log(&self) -> Result<String, String> {
        self.namespace.kubectl(&["logs", "deployment/klamm-operator", "--tail=40"])
    }
}
