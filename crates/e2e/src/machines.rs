//! The machines of the harness, which can be crashed and cut off.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::kubectl::Namespace;

/// The nodes of `e2e/kube`.
#[derive(Debug, Clone)]
pub struct Machines {
    harness: PathBuf,
}

impl Machines {
    pub(crate) fn new(harness: &Path) -> Self {
        Self { harness: harness.to_owned() }
    }

    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(&self.harness).args(arguments).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("{}: {error}", self.harness.display()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("kube {}: {}", arguments.join(" "), said.trim()))
    }

    /// The machine that loads run on: cutting it off would cut off the load, which proves nothing.
    pub fn own() -> &'static str {
        "kn0"
    }

    /// Their names.
    ///
    /// # Errors
    /// What the harness says.
    pub fn all(&self) -> Result<Vec<String>, String> {
        Ok(self.run(&["nodes"])?.lines().map(str::to_owned).collect())
    }

    /// Puts another version of Apache Kafka on every machine.
    ///
    /// # Errors
    /// What the harness says.
    pub fn kafka(&self, version: &str) -> Result<(), String> {
        self.run(&["image-kafka", version]).map(drop)
    }

    /// Installs cert-manager.
    ///
    /// # Errors
    /// What the harness says.
    pub fn cert_manager(&self) -> Result<(), String> {
        self.run(&["cert-manager"]).map(drop)
    }

    /// Every process of a machine dies at once; nobody is told.
    ///
    /// # Errors
    /// What the harness says.
    pub fn crash(&self, node: &str) -> Result<(), String> {
        self.run(&["node-crash", node]).map(drop)
    }

    /// Starts a crashed machine; nothing of one that runs.
    ///
    /// # Errors
    /// What the harness says.
    pub fn start(&self, node: &str) -> Result<(), String> {
        self.run(&["node-start", node]).map(drop)
    }

    /// Cuts its wire.
    ///
    /// # Errors
    /// What the harness says.
    pub fn cut(&self, node: &str) -> Result<(), String> {
        self.run(&["node-cut", node]).map(drop)
    }

    /// Mends its wire.
    ///
    /// # Errors
    /// What the harness says.
    pub fn heal(&self, node: &str) -> Result<(), String> {
        self.run(&["node-heal", node]).map(drop)
    }

    /// `kill -9` of the processes of a name in a pod, from outside, where also a container's first process hears it.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn kill(&self, namespace: &Namespace, pod: &str, command: &str) -> Result<(), String> {
        self.run(&["kill", namespace.name(), pod, command]).map(drop)
    }

    pub(crate) fn restore(&self) -> Result<(), String> {
        for node in self.all()? {
            self.heal(&node)?;
            self.start(&node)?;
        }
        Ok(())
    }
}
