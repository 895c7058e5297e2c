//! KafkaTopics of three partitions with three replicas each.

use std::path::Path;
use std::time::Duration;

use kube::Client;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::NAMESPACE;
use super::setup::kubectl;
use super::watched::Watched;

/// All of them.
#[derive(Debug)]
pub struct Topics {
    watched: Watched,
    count: usize,
}

impl Topics {
    pub fn new(client: &Client) -> Self {
        Self { watched: Watched::new(client, "KafkaTopic"), count: 0 }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Makes one for each cluster, and changes one after the other so many times: from the change to Ready.
    ///
    /// # Errors
    /// Of the API server, or when one does not become Ready.
    pub async fn changes(
        &mut self,
        clusters: usize,
        times: usize,
    ) -> Result<Vec<Duration>, String> {
        let said = |error: kube::Error| error.to_string();
        for index in 0..clusters {
            let topic = serde_json::from_value(topic(&name("changed", index), index));
            let topic = topic.map_err(|error| error.to_string())?;
            self.watched.api.create(&PostParams::default(), &topic).await.map_err(said)?;
        }
        self.count += clusters;
        self.watched.all_ready("changed-", clusters).await?;
        let mut all = Vec::new();
        for time in 0..times {
            let name = name("changed", time % clusters);
            let change = json!({"spec": {"config": {"retention.ms": 1_000_000 + time}}});
            let begun = Instant::now();
            let params = PatchParams::default();
            let patched = self.watched.api.patch(&name, &params, &Patch::Merge(change)).await;
            let generation = patched.map_err(said)?.metadata.generation.unwrap_or_default();
            all.push(self.watched.ready(&name, generation).await? - begun);
        }
        Ok(all)
    }

    /// Applies so many, the same number of each cluster, with one `kubectl apply`: until that is done, and until all are Ready.
    ///
    /// # Errors
    /// Of `kubectl`, or when they do not become Ready.
    pub async fn apply(
        &mut self,
        work: &Path,
        prefix: &str,
        count: usize,
        clusters: usize,
    ) -> Result<(Duration, Duration), String> {
        let items = (0..count).map(|index| topic(&name(prefix, index), index % clusters));
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items.collect::<Vec<_>>()});
        let file = work.join(format!("{prefix}.json"));
        std::fs::write(&file, list.to_string()).map_err(|error| error.to_string())?;
        let file = file.display().to_string();
        let begun = Instant::now();
        let applying = async {
            kubectl(&["-n", NAMESPACE, "apply", "--server-side", "-f", &file]).await?;
            Ok::<_, String>(begun.elapsed())
        };
        let prefix = format!("{prefix}-");
        let becoming = async {
            self.watched.all_ready(&prefix, count).await?;
            Ok(begun.elapsed())
        };
        let times = tokio::try_join!(applying, becoming)?;
        self.count += count;
        Ok(times)
    }
}

fn name(prefix: &str, index: usize) -> String {
    format!("{prefix}-{index}")
}

fn topic(name: &str, cluster: usize) -> Value {
    json!({
        "apiVersion": "klamm.dev/v1alpha1", "kind": "KafkaTopic", "metadata": {"name": name},
        "spec": {
            "cluster": {"name": format!("crowd-{cluster}")}, "partitions": 3, "replicas": 3,
            "config": {"retention.ms": 604_800_000, "cleanup.policy": "delete"},
        },
    })
}
