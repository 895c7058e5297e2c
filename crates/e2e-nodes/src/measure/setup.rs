//! The operator's resources and rights, as it is installed, without its Deployment: it runs here.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::NAMESPACE;

const MANIFEST: &str = "deploy/klamm-operator.yaml";
/// Where the operator is installed.
pub const HOME: &str = "klamm-system";

/// What the operator is started with.
#[derive(Debug)]
pub struct Setup {
    /// With the rights of the operator's service account.
    pub kubeconfig: PathBuf,
}

impl Setup {
    /// Installs it.
    ///
    /// # Errors
    /// What `kubectl` says.
    pub async fn apply(work: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(work).map_err(|error| format!("{}: {error}", work.display()))?;
        kubectl(&["apply", "--server-side", "-f", MANIFEST]).await?;
        kubectl(&["-n", HOME, "delete", "deployment", "klamm-operator"]).await?;
        kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).await?;
        kubectl(&["create", "namespace", NAMESPACE]).await?;
        let duration = "--duration=24h";
        let token = kubectl(&["-n", HOME, "create", "token", "klamm-operator", duration]).await?;
        let config = kubectl(&["config", "view", "--raw", "--minify", "-o", "json"]).await?;
        let mut config: Value = serde_json::from_str(&config).map_err(|error| error.to_string())?;
        config["users"][0]["user"] = json!({"token": token.trim()});
        let kubeconfig = work.join("operator.kubeconfig");
        std::fs::write(&kubeconfig, config.to_string()).map_err(|error| error.to_string())?;
        Ok(Self { kubeconfig })
    }
}

/// Runs `kubectl` and gives what it prints.
///
/// # Errors
/// What it says.
pub async fn kubectl(arguments: &[&str]) -> Result<String, String> {
    let line = format!("kubectl {}", arguments.join(" "));
    let mut command = Command::new("kubectl");
    command.args(arguments);
    // The nodes play on meanwhile.
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.map_err(|error| error.to_string())?;
    let output = output.map_err(|error| format!("{line}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{line}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
