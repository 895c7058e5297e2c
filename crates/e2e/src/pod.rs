//! What of a pod a scenario looks at.

use std::fmt;

use serde_json::Value;

/// A pod as the API server tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Which pod of that name it is.
    pub uid: String,
    /// Its machine; empty while it has none.
    pub node: String,
    /// Its address; empty while it has none.
    pub address: String,
    /// Its phase, for messages.
    pub phase: String,
    /// Condition `Ready`.
    pub ready: bool,
    /// Its deletion has been asked for.
    pub deleting: bool,
    /// Ids of its containers (not those of init containers): a container that was started again has another.
    pub containers: Vec<String>,
}

impl Pod {
    /// # Errors
    /// When it is no pod.
    pub(crate) fn read(object: &Value) -> Result<Self, String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (meta, status) = (&object["metadata"], &object["status"]);
        if meta["uid"].is_null() {
            return Err(format!("no pod: {object}"));
        }
        let each = |list: &Value| list.as_array().cloned().unwrap_or_default();
        let is_ready = |c: &Value| c["type"] == "Ready" && c["status"] == "True";
        let ids = each(&status["containerStatuses"]);
        Ok(Self {
            name: text(&meta["name"]),
            uid: text(&meta["uid"]),
            node: text(&object["spec"]["nodeName"]),
            address: text(&status["podIP"]),
            phase: text(&status["phase"]),
            ready: each(&status["conditions"]).iter().any(is_ready),
            deleting: !meta["deletionTimestamp"].is_null(),
            containers: ids
                .iter()
                .map(|c| text(&c["containerID"]))
                .filter(|id| !id.is_empty())
                .collect(),
        })
    }
}

impl fmt::Display for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ready = if self.ready { "Ready" } else { "not Ready" };
        let deleting = if self.deleting { ", being deleted" } else { "" };
        write!(f, "{} on '{}' is {} and {ready}{deleting}", self.name, self.node, self.phase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pod_is_read_from_what_the_api_server_says() {
        let object = serde_json::json!({
            "metadata": {"name": "kafka-0", "uid": "u", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"nodeName": "kn1"},
            "status": {
                "phase": "Running", "podIP": "10.244.1.2",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"containerID": "containerd://a"}],
            },
        });
        let pod = Pod::read(&object).unwrap();
        assert!(pod.ready && pod.deleting);
        assert_eq!(pod.containers, ["containerd://a"]);
        assert!(Pod::read(&serde_json::json!({"metadata": {}})).is_err());
    }
}
