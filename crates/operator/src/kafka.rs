//! Connections to the Kafka clusters that are looked after, each made when it is first needed.

/// The field manager of everything the operator applies.
pub const FIELD_MANAGER: &str = "klamm-operator";

/// Connections to Kafka clusters, by namespace and name.
#[derive(Debug, Clone, Default)]
pub struct Connections {}
