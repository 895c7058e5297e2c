//! What a scenario is given: the cluster, namespaces of its own, and a place for the numbers it finds.

use crate::cluster::Cluster;
use crate::kubectl::Namespace;

/// Something measured.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Number {
    /// Of what.
    pub name: String,
    /// How much.
    pub value: String,
    /// Of which unit; empty for a count.
    pub unit: &'static str,
}

/// One run of one scenario.
#[derive(Debug)]
pub struct Stage<'a> {
    cluster: &'a Cluster,
    seed: u64,
    namespaces: Vec<Namespace>,
    numbers: Vec<Number>,
}

impl<'a> Stage<'a> {
    /// For a run whose choices come from `seed`.
    pub fn new(cluster: &'a Cluster, seed: u64) -> Self {
        Self { cluster, seed, namespaces: Vec::new(), numbers: Vec::new() }
    }

    /// The cluster.
    pub fn cluster(&self) -> &'a Cluster {
        self.cluster
    }

    /// What this run's choices come from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Makes the namespace `e2e-NAME`, which is removed after the scenario.
    ///
    /// # Errors
    /// What `kubectl` says.
    pub fn namespace(&mut self, name: &str) -> Result<Namespace, String> {
        let namespace = Namespace::create(&format!("e2e-{name}"))?;
        self.namespaces.push(namespace.clone());
        Ok(namespace)
    }

    /// Keeps a number for the table.
    pub fn number(&mut self, name: &str, value: impl std::fmt::Display, unit: &'static str) {
        let (name, value) = (name.to_owned(), value.to_string());
        println!("    {name}: {value} {unit}");
        self.numbers.push(Number { name, value, unit });
    }

    /// What was measured so far.
    pub fn numbers(&self) -> &[Number] {
        &self.numbers
    }

    /// The namespaces made so far.
    pub fn namespaces(&self) -> &[Namespace] {
        &self.namespaces
    }
}
