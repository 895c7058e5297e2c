//! `meta.properties`.

use klamm_agent::protocol::Formatted;

/// Reads the file's text.
///
/// # Errors
/// A sentence: what is wrong with it.
pub fn parse(text: &str) -> Result<Formatted, String> {
    let property = |name: &str| {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
        // As java.util.Properties: the last one counts.
        let mut found =
            lines.filter_map(|line| line.split_once('=')).filter(|(key, _)| key.trim() == name);
        found.next_back().map(|(_, value)| value.trim()).ok_or_else(|| format!("it has no {name}"))
    };
    let version = property("version")?;
    if version != "1" {
        return Err(format!("it has version {version}, and version 1 is what KRaft writes"));
    }
    let id = |name: &str| {
        let value = property(name)?;
        let valid = is_id(value).then(|| value.to_owned());
        valid.ok_or_else(|| format!("its {name} is not an id of 22 characters"))
    };
    let node_id = property("node.id")?;
    Ok(Formatted {
        cluster_id: id("cluster.id")?,
        node_id: node_id.parse().map_err(|_| format!("its node.id is '{node_id}'"))?,
        directory_id: id("directory.id")?,
    })
}

/// Kafka's text of an id: 16 bytes as base64url without padding.
pub fn is_id(text: &str) -> bool {
    /// ⌈16 × 8 / 6⌉.
    const CHARACTERS: usize = 22;
    text.len() == CHARACTERS
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "#\n#Wed Nov 25 03:03:09 UTC 2026\nnode.id=3\ndirectory.id=JEXY6aqzQY-32P5TStzaFg\n\
                        version=1\ncluster.id=q1Sh-9_ISia_zwGINzRvyQ\n";

    #[test]
    fn file_of_kafka_is_read() {
        let formatted = Formatted {
            cluster_id: "q1Sh-9_ISia_zwGINzRvyQ".into(),
            node_id: 3,
            directory_id: "JEXY6aqzQY-32P5TStzaFg".into(),
        };
        assert_eq!(parse(TEXT), Ok(formatted.clone()));
        assert_eq!(parse(&TEXT.replace('=', " = ")), Ok(formatted));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let broken = |from: &str, to: &str| parse(&TEXT.replace(from, to)).unwrap_err();
        assert!(broken("version=1", "version=0").contains("version 0"));
        assert_eq!(broken("node.id=3", "broker.id=3"), "it has no node.id");
        assert_eq!(broken("node.id=3", "#node.id=3"), "it has no node.id");
        assert_eq!(broken("node.id=3", "node.id=x"), "its node.id is 'x'");
        assert_eq!(broken("q1Sh-", "q1Sh"), "its cluster.id is not an id of 22 characters");
        assert_eq!(broken("JEXY6", "JEX/6"), "its directory.id is not an id of 22 characters");
        assert_eq!(parse(""), Err("it has no version".into()));
    }
}
