//! What is wrong, and what to do.

use std::fmt;

/// Something that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Invalid {
    /// The KafkaNodePool it is in; the KafkaCluster without one.
    pub pool: Option<String>,
    /// The field, such as `spec.version`.
    pub field: String,
    /// What is wrong with it: goes on after the field's name.
    pub wrong: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(pool) = &self.pool {
            write!(f, "KafkaNodePool {pool}: ")?;
        }
        write!(f, "{} {}: {}", self.field, self.wrong, self.remedy)
    }
}

/// All that was found.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// What cannot be had.
    pub invalid: Vec<Invalid>,
    /// What is strange and yet possible.
    pub warnings: Vec<String>,
}

impl Findings {
    /// In the KafkaCluster.
    pub(super) fn cluster(
        &mut self,
        field: impl Into<String>,
        wrong: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(None, field, wrong, remedy);
    }

    /// In a KafkaNodePool.
    pub(super) fn pool(
        &mut self,
        pool: &str,
        field: impl Into<String>,
        wrong: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Some(pool), field, wrong, remedy);
    }

    pub(super) fn add(
        &mut self,
        pool: Option<&str>,
        field: impl Into<String>,
        wrong: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.invalid.push(Invalid {
            pool: pool.map(str::to_owned),
            field: field.into(),
            wrong: wrong.into(),
            remedy: remedy.into(),
        });
    }

    /// Strange and yet possible.
    pub(super) fn warn(&mut self, pool: Option<&str>, warning: impl fmt::Display) {
        let place = pool.map(|pool| format!("KafkaNodePool {pool}: ")).unwrap_or_default();
        self.warnings.push(format!("{place}{warning}"));
    }
}
