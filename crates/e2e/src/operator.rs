//! The operator, installed as the documentation says.

use serde_json::Value;

use crate::end::Outcome;
use crate::kubectl::{Namespace, kubectl};
use crate::stage::Stage;
use crate::wait::{PATIENCE, until};

const MANUAL: &str = "docs/operating/kubernetes.md";
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
        Self::install_as(stage, &stage.cluster().images.operator)
    }

    /// The same from another image, in place of one that is there.
    ///
    /// # Errors
    /// What `kubectl` says, or when it does not become available.
    pub fn install_as(stage: &Stage<'_>, image: &str) -> Outcome<Self> {
        let text = std::fs::read_to_string(MANIFEST).map_err(|e| format!("{MANIFEST}: {e}"))?;
        // Of the release, unless they are given.
        let text = text
            .replace("klamm/klamm-operator:0.1.0", image)
            .replace("klamm/klamm:0.1.0", &stage.cluster().images.klamm);
        let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        kubectl(&apply, Some(&text))?;
        let namespace = Namespace::there(NAMESPACE);
        namespace.wait("deployment/klamm-operator", "condition=Available", PATIENCE)?;
        Ok(Self { namespace })
    }

    /// Waits until the one with the lease is of this image, and no other is there.
    ///
    /// # Errors
    /// When that does not come true.
    pub fn leads(&self, image: &str) -> Result<(), String> {
        until(&format!("an operator of {image} that leads, alone"), PATIENCE, || {
            let leader = self.namespace.json("lease/klamm-operator")?["spec"].take();
            let list = self.namespace.kubectl(&["get", "pods", "-l", PODS, "-o", "json"])?;
            let list: Value = serde_json::from_str(&list).map_err(|error| error.to_string())?;
            let pods = list["items"].as_array().cloned().unwrap_or_default();
            let leads = |pod: &Value| {
                pod["metadata"]["name"] == leader["holderIdentity"]
                    && pod["spec"]["containers"][0]["image"] == image
            };
            if pods.len() == 1 && leads(&pods[0]) {
                return Ok(());
            }
            Err(format!("{} leads, {} pods are there", leader["holderIdentity"], pods.len()))
        })
    }

    /// Takes it away with the very commands of the documentation.
    ///
    /// # Errors
    /// What `kubectl` says, or when the documentation has no such commands.
    pub fn uninstall(&self) -> Result<(), String> {
        let text = std::fs::read_to_string(MANUAL).map_err(|e| format!("{MANUAL}: {e}"))?;
        let section = text.split("\n## ").find(|section| section.starts_with("Uninstall\n"));
        let lines = section.unwrap_or_default().lines().map(str::trim);
        let commands: Vec<&str> =
            lines.filter_map(|line| line.strip_prefix("kubectl delete ")).collect();
        if commands.is_empty() {
            return Err(format!("{MANUAL} does not say how to uninstall"));
        }
        for command in commands {
            println!("    kubectl delete {command}");
            kubectl(&[&["delete"], &command.split(' ').collect::<Vec<_>>()[..]].concat(), None)?;
        }
        until("no operator", PATIENCE, || {
            let pods = self.namespace.pods(PODS)?;
            if pods.is_empty() { Ok(()) } else { Err(format!("{} pods", pods.len())) }
        })
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
