//! Connections to the Kafka clusters that are looked after, each made when it is first needed.

/// Connections to Kafka clusters, by namespace and name.
#[derive(Debug, Clone, Default)]
pub struct Connections {}
