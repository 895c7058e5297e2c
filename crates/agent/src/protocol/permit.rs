//! What the operator says.

use serde::{Deserialize, Serialize};

/// What the agent may do now. Sent again it changes nothing; forgotten when the agent ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permit {
    /// Nothing. A node that would start by itself after the grace time does not.
    Wait(Wait),
    /// Format the empty disk, then report it and wait.
    Format(Format),
    /// Start Kafka. Log directories that are empty beside a formatted metadata log directory are formatted first.
    Start(Start),
}

/// Of [`Permit::Wait`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// For people.
    pub reason: String,
}

/// Of [`Permit::Format`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// `--cluster-id`: 22 characters.
    pub cluster_id: String,
    /// `--initial-controllers`: `0@host:9090:directory id,...`. `None`: `--no-initial-controllers` for a controller; a
    /// broker is formatted without either.
    pub initial: Option<String>,
}

/// Of [`Permit::Start`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// `broker.rack`.
    pub rack: Option<String>,
}

/// Kafka has loaded another certificate than it started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// The fingerprint, as in [`super::Certificate`].
    pub loaded: String,
    /// That of [`super::State::listeners`], if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listeners: Option<String>,
}

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// A sentence for people.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(permit: &Permit, text: &str) {
        assert_eq!(serde_json::to_string(permit).unwrap(), text);
        assert_eq!(&serde_json::from_str::<Permit>(text).unwrap(), permit);
    }

    #[test]
    fn permits_are_written_as_agreed() {
        check(
            &Permit::Wait(Wait { reason: "the quorum has not formed".into() }),
            r#"{"wait":{"reason":"the quorum has not formed"}}"#,
        );
        let initial = Some("0@c-p-0-0.c-nodes.ns.svc:9090:JEXY6aqzQY-32P5TStzaFg".into());
        check(
            &Permit::Format(Format { cluster_id: "q1Sh-9_ISia_zwGINzRvyQ".into(), initial }),
            r#"{"format":{"cluster_id":"q1Sh-9_ISia_zwGINzRvyQ","initial":"0@c-p-0-0.c-nodes.ns.svc:9090:JEXY6aqzQY-32P5TStzaFg"}}"#,
        );
        check(
            &Permit::Format(Format { cluster_id: "q1Sh-9_ISia_zwGINzRvyQ".into(), initial: None }),
            r#"{"format":{"cluster_id":"q1Sh-9_ISia_zwGINzRvyQ","initial":null}}"#,
        );
        check(
            &Permit::Start(Start { rack: Some("zone-a".into()) }),
            r#"{"start":{"rack":"zone-a"}}"#,
        );
        check(&Permit::Start(Start { rack: None }), r#"{"start":{"rack":null}}"#);
    }

    #[test]
    fn permit_that_is_not_known_is_an_error() {
        serde_json::from_str::<Permit>(r#"{"erase":{}}"#).unwrap_err();
        serde_json::from_str::<Permit>(r#"{"format":{"initial":null}}"#).unwrap_err();
    }
}
