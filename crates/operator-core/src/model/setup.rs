//! What a pod runs, split by what a change of it means.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Everything that a pod was, or should be, started with.
///
/// Each part but `config` is opaque: a name that differs when the content does. The pod carries its own in annotations, so that
/// a new release of the operator restarts nothing until it writes another name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// The pod template: image, command, the agent's protocol.
    pub revision: String,
    /// The node's properties.
    pub config: BTreeMap<String, String>,
    /// The certificate and its authorities.
    pub certificate: String,
    /// The mounted volumes.
    pub storage: String,
    /// Requests and limits.
    pub resources: String,
    /// The last restart that somebody asked for.
    pub restart: String,
}

/// Sixteen hexadecimal digits that name a content.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of the content's JSON, so that neither a new compiler nor another machine changes it. FNV-1a with 64 bits:
    /// nobody gains by a collision, which would take one approval for another of the same cluster.
    pub fn of(content: &impl Serialize) -> Self {
        let json = serde_json::to_vec(content).expect("plain data with text as keys");
        let hash = json.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(format!("{hash:016x}"))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Fingerprint {
    fn from(text: String) -> Self {
        Self(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_follows_the_content_only() {
        let mut a = Setup { revision: "1".into(), ..Setup::default() };
        let b = a.clone();
        assert_eq!(Fingerprint::of(&a), Fingerprint::of(&b));
        a.config.insert("k".into(), "v".into());
        assert_ne!(Fingerprint::of(&a), Fingerprint::of(&b));
    }

    #[test]
    fn fingerprint_is_the_same_in_every_build() {
        assert_eq!(Fingerprint::of(&"klamm").to_string(), "cab844bd5db86643");
    }
}
