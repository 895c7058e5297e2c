//! What Kafka says about itself, in the words of the decisions.

use std::collections::{BTreeMap, BTreeSet};

use klamm_kafka::admin::{Admin, ClusterSnapshot, ConfigEntry, QuorumDescription, QuorumReplica};
use klamm_kafka::KafkaError;

use crate::model::{ClusterId, DirectoryId, Metadata, NodeId, Partition, Quorum, Replica};
