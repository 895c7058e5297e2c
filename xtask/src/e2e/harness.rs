//! `e2e/kube`, and the lock that keeps two runs from one machine.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::workspace;

/// The program that makes clusters.
#[derive(Debug)]
pub struct Harness {
    path: PathBuf,
    /// Of a control plane beside the cluster.
    name: Option<&'static str>,
}

impl Harness {
    pub fn new() -> Self {
        Self { path: workspace::root().join("e2e/kube/kube"), name: None }
    }

    /// A control plane beside the cluster, with a lock of its own.
    pub fn named(name: &'static str) -> Self {
        Self { name: Some(name), ..Self::new() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn run(&self, args: &[&str]) -> Result<(), String> {
        let name = self.name.map(|name| ("KLAMM_KUBE_NAME", name.to_owned()));
        workspace::run_with(&self.path.display().to_string(), args, name.as_slice())
    }

    /// Held until it is dropped; a machine has addresses for one cluster. By hand: `flock FILE COMMAND`.
    pub fn lock(&self) -> Result<File, String> {
        let home = workspace::output(&self.path.display().to_string(), &["home"])?;
        let file = self.name.map_or_else(|| "lock".to_owned(), |name| format!("lock-{name}"));
        let path = Path::new(home.trim()).join(file);
        let at = |error: std::io::Error| format!("xtask: e2e: {}: {error}", path.display());
        std::fs::create_dir_all(home.trim()).map_err(at)?;
        let file = File::create(&path).map_err(at)?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                eprintln!("xtask: waiting for another run, which holds {}", path.display());
            }
            Err(TryLockError::Error(error)) => return Err(at(error)),
        }
        file.lock().map_err(at)?;
        Ok(file)
    }
}
