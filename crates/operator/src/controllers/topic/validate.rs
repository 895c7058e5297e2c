//! What a KafkaTopic asks for, if it may. Pure.

use std::collections::{BTreeMap, BTreeSet};

use klamm_crd::{DeletionPolicy, KafkaCluster, KafkaTopic};
use kube::ResourceExt;

use crate::controllers::board::{Item, Standing};
use crate::controllers::objects::{Edit, has_finalizer};
use crate::controllers::registry::Claimant;
use crate::controllers::status::Told;
use crate::controllers::told::{cluster_told, pause_told, standing_told};

/// The properties that the resource ever named and that are not yet taken back.
pub(crate) const CONFIG_KEYS: &str = "klamm.dev/config-keys";

/// Kafka's limit.
const NAME_BYTES_MAX: usize = 249;

/// A topic as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) partitions: Option<u32>,
    pub(crate) replicas: Option<u32>,
    pub(crate) config: BTreeMap<String, String>,
    /// Properties that were named before: those not named now go back to the brokers' value.
    pub(crate) named_before: BTreeSet<String>,
    /// The topic's id when it was last seen.
    pub(crate) known_id: Option<String>,
    pub(crate) deletion_policy: DeletionPolicy,
}

/// What is to be done about a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Kafka should have this.
    Wanted(Wanted),
    /// Nothing is touched, and this is why.
    Refused(Told),
    /// The topic goes, then the resource.
    Delete {
        /// The topic.
        name: String,
        /// It and no other of that name.
        id: String,
    },
    /// The resource may go; what is left in Kafka, if a person should know.
    Release(Option<String>),
    /// Nothing, ever.
    Nothing,
}

pub(crate) fn validate(item: &Item<KafkaTopic>, cluster: Option<&KafkaCluster>) -> Verdict {
    let topic = &*item.resource;
    if topic.metadata.deletion_timestamp.is_some() {
        return going(item, cluster);
    }
    let wanted = cluster_told(&topic.cluster(), cluster)
        .and_then(|()| standing_told(item, "topic"))
        .and_then(|()| pause_told(topic.spec.paused, cluster))
        .and_then(|()| wanted(topic));
    match wanted {
        Ok(wanted) => Verdict::Wanted(wanted),
        Err(told) => Verdict::Refused(told),
    }
}

fn going(item: &Item<KafkaTopic>, cluster: Option<&KafkaCluster>) -> Verdict {
    let topic = &*item.resource;
    let name = topic.claimed();
    if !has_finalizer(&topic.metadata) {
        return Verdict::Nothing;
    }
    if topic.spec.deletion_policy == DeletionPolicy::Retain || item.standing != Standing::Owner {
        return Verdict::Release(None);
    }
    if let Err(told) = cluster_told(&topic.cluster(), cluster) {
        return Verdict::Release(Some(format!("topic '{name}' was left alone: {}", told.message)));
    }
    if let Err(told) = pause_told(topic.spec.paused, cluster) {
        return Verdict::Release(Some(format!(
            "topic '{name}' is left in Kafka: {}",
            told.message
        )));
    }
    match topic.status.as_ref().and_then(|status| status.topic_id.clone()) {
        Some(id) => Verdict::Delete { name: name.to_owned(), id },
        None => Verdict::Release(None),
    }
}

fn wanted(topic: &KafkaTopic) -> Result<Wanted, Told> {
    let name = topic.claimed();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let is_name = name.len() <= NAME_BYTES_MAX && name.chars().all(is_plain);
    if !is_name || ["", ".", ".."].contains(&name) {
        let rule = format!("1 to {NAME_BYTES_MAX} letters, digits, dots, underscores and dashes");
        return Err(Told::no("InvalidName", format!("'{name}' is no topic's name: {rule}")));
    }
    let config = topic.spec.config.properties().map_err(|key| {
        let message = format!("spec.config.{key}: expected text, a number or a boolean");
        Told::no("InvalidConfig", message)
    })?;
    Ok(Wanted {
        name: name.to_owned(),
        partitions: topic.spec.partitions,
        replicas: topic.spec.replicas,
        config,
        named_before: named_before(topic),
        known_id: topic.status.as_ref().and_then(|status| status.topic_id.clone()),
        deletion_policy: topic.spec.deletion_policy,
    })
}

fn named_before(topic: &KafkaTopic) -> BTreeSet<String> {
    let keys = topic.annotations().get(CONFIG_KEYS).map_or("", String::as_str);
    keys.split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect()
}

impl Wanted {
    /// What must stand in the resource before Kafka is touched: whoever comes after a crash has to know what to take back.
    pub(crate) fn before(&self) -> Edit {
        let keys = self.named_before.iter().chain(self.config.keys());
        self.edit(keys.map(String::as_str).collect())
    }

    /// What stands in it afterwards.
    pub(crate) fn after(&self) -> Edit {
        self.edit(self.config.keys().map(String::as_str).collect())
    }

    fn edit(&self, keys: BTreeSet<&str>) -> Edit {
        let joined = keys.into_iter().collect::<Vec<_>>().join(",");
        Edit {
            finalizer: Some(self.deletion_policy == DeletionPolicy::Delete),
            annotations: [(CONFIG_KEYS, (!joined.is_empty()).then_some(joined))].into(),
        }
    }
}
