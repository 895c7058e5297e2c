//! Listeners with a certificate of their own. Kafka wants key and chain in one file, and a Secret of type `kubernetes.io/tls` has two.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use klamm_agent::protocol::Listener;
use ring::digest::{Context, SHA256};

use crate::tls::{digits, read};

/// Joins what has changed. Gives the fingerprint of all of them, `None` if there are none.
///
/// # Errors
/// A sentence with the path.
pub fn join(listeners: &[Listener]) -> Result<Option<String>, String> {
    let mut context = Context::new(&SHA256);
    for listener in listeners {
        let content = joined(listener)?;
        context.update(&content);
        let is_there = fs::read(&listener.keystore).is_ok_and(|there| there == content);
        if !is_there {
            let failed = |error| format!("{}: {error}", listener.keystore.display());
            write(&listener.keystore, &content).map_err(failed)?;
        }
    }
    Ok((!listeners.is_empty()).then(|| digits(context)))
}

fn joined(listener: &Listener) -> Result<Vec<u8>, String> {
    let mut content = read(&listener.key)?;
    // The last line of either may lack its end.
    content.push(b'\n');
    content.extend(read(&listener.certificate)?);
    Ok(content)
}

/// Whole or not at all, and for nobody else to read.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let part = path.with_extension("part");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(content)?;
    fs::rename(part, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn key_and_chain_are_one_file_that_follows_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let listener = Listener {
            name: "public".into(),
            certificate: path("tls.crt"),
            key: path("tls.key"),
            keystore: path("run/public.pem"),
        };
        let listeners = [listener];
        assert_eq!(join(&[]), Ok(None));
        let missing = join(&listeners).unwrap_err();
        assert!(missing.contains("tls.key: No such file"), "{missing}");

        fs::write(path("tls.key"), "key").unwrap();
        fs::write(path("tls.crt"), "chain\n").unwrap();
        // printf 'key\nchain\n' | sha256sum
        let first = join(&listeners).unwrap().unwrap();
        assert_eq!(first, "5ab3c08040bd73a5");
        assert_eq!(fs::read_to_string(path("run/public.pem")).unwrap(), "key\nchain\n");
        let mode = fs::metadata(path("run/public.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        fs::write(path("tls.crt"), "renewed\n").unwrap();
        assert_ne!(join(&listeners).unwrap().unwrap(), first);
        assert_eq!(fs::read_to_string(path("run/public.pem")).unwrap(), "key\nrenewed\n");
    }
}
