//! A cluster through `kubectl`, and one namespace of it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::clock::now;
use crate::pod::Pod;
use crate::wait::until;

/// For one request to the API server. A request that takes longer has no answer coming.
const REQUEST: &str = "--request-timeout=60s";

/// Runs `kubectl` and gives what it prints.
///
/// # Errors
/// When it does not succeed: its arguments and what it said.
pub fn kubectl(arguments: &[&str], input: Option<&str>) -> Result<String, String> {
    let line = || format!("kubectl {}", arguments.join(" "));
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = Command::new("kubectl")
        .args(arguments)
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start '{}': {error}", line()))?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        // If it ended early, its status says so.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| format!("{}: {error}", line()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("'{}' failed: {}", line(), said.trim()))
}

/// One namespace; removed with everything in it when a scenario is over.
#[derive(Debug, Clone)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes it; one of an earlier run is removed first.
    ///
    /// # Errors
    /// What `kubectl` says.
    pub fn create(name: &str) -> Result<Self, String> {
        let namespace = Self { name: name.to_owned() };
        namespace.remove()?;
        kubectl(&["create", "namespace", name, REQUEST], None)?;
        Ok(namespace)
    }

    /// One that is there and is nobody's to remove.
    pub(crate) fn there(name: &str) -> Self {
        Self { name: name.to_owned() }
    }

    /// Removes it and waits until it is gone.
    ///
    /// # Errors
    /// What `kubectl` says, also when a finalizer keeps it.
    pub fn remove(&self) -> Result<(), String> {
        let name = self.name.as_str();
        kubectl(&["delete", "namespace", name, "--ignore-not-found", "--wait=false"], None)?;
        // Pods may have minutes for their end, which nobody needs here. Without the namespace there are none.
        let _ = self.kubectl(&["delete", "pods", "--all", "--grace-period=1", "--wait=false"]);
        let gone = format!("namespace/{name}");
        kubectl(&["wait", "--for=delete", &gone, "--timeout=300s"], None).map(drop)
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `kubectl` in this namespace.
    ///
    /// # Errors
    /// What it says.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        let arguments = [&["-n", &self.name, REQUEST], arguments].concat();
        kubectl(&arguments, None)
    }

    /// Applies manifests (server-side).
    ///
    /// # Errors
    /// What the API server says of them.
    pub fn apply(&self, manifests: &str) -> Result<(), String> {
        let arguments = ["-n", &self.name, REQUEST, "apply", "--server-side", "-f", "-"];
        kubectl(&arguments, Some(manifests)).map(drop)
    }

    /// Applies the manifests of a file, as a user would; its path counts from the project's root.
    ///
    /// # Errors
    /// What the API server says of them.
    pub fn apply_file(&self, path: impl AsRef<Path>) -> Result<(), String> {
        let path = path.as_ref().display().to_string();
        self.kubectl(&["apply", "--server-side", "-f", &path]).map(drop)
    }

    /// An object (`kind/name`), or a list (`kind`).
    ///
    /// # Errors
    /// When there is none.
    pub fn json(&self, what: &str) -> Result<Value, String> {
        let text = self.kubectl(&["get", what, "-o", "json"])?;
        serde_json::from_str(&text).map_err(|error| format!("{what}: {error}"))
    }

    /// Waits as `kubectl wait --for` does, but also for an object that is not there yet; the message of a wait in vain has
    /// the object's conditions.
    ///
    /// # Errors
    /// When it does not come true within `limit`.
    pub fn wait(&self, what: &str, condition: &str, limit: Duration) -> Result<Duration, String> {
        let start = now();
        let condition_flag = format!("--for={condition}");
        until(&format!("{condition} of {what} in {}", self.name), limit, || {
            let waited = self.kubectl(&["wait", what, &condition_flag, "--timeout=2s"]);
            waited.map_err(|error| match self.json(what) {
                Ok(object) => object["status"]["conditions"].to_string(),
                Err(_) => error,
            })
        })?;
        Ok(now() - start)
    }

    /// What a command in a pod prints.
    ///
    /// # Errors
    /// When it does not succeed.
    pub fn exec(&self, pod: &str, command: &[&str]) -> Result<String, String> {
        self.kubectl(&[&["exec", pod, "--"], command].concat())
    }

    /// Deletes a pod and does not wait.
    ///
    /// # Errors
    /// When there is none.
    pub fn delete_pod(&self, pod: &str) -> Result<(), String> {
        self.kubectl(&["delete", "pod", pod, "--wait=false"]).map(drop)
    }

    /// A pod as it is now.
    ///
    /// # Errors
    /// When there is none.
    pub fn pod(&self, name: &str) -> Result<Pod, String> {
        Pod::read(&self.json(&format!("pod/{name}"))?)
    }

    /// The pods with a label (`key=value`).
    ///
    /// # Errors
    /// What `kubectl` says.
    pub fn pods(&self, label: &str) -> Result<Vec<Pod>, String> {
        let text = self.kubectl(&["get", "pods", "-l", label, "-o", "json"])?;
        let list: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        list["items"].as_array().into_iter().flatten().map(Pod::read).collect()
    }

    /// Waits until a pod that was hurt is Ready with new containers, in place or replaced under its name.
    ///
    /// # Errors
    /// When it does not come back within `limit`.
    pub fn back(&self, name: &str, before: &Pod, limit: Duration) -> Result<Duration, String> {
        let start = now();
        self.back_since(start, name, before, limit)
    }

    /// As [`Namespace::back`], the time counted from an earlier moment.
    ///
    /// # Errors
    /// When it does not come back within `limit`.
    pub fn back_since(
        &self,
        start: Instant,
        name: &str,
        before: &Pod,
        limit: Duration,
    ) -> Result<Duration, String> {
        until(&format!("pod {name} Ready with new containers"), limit, || {
            let pod = self.pod(name)?;
            let is_new = pod.containers != before.containers && !pod.containers.is_empty();
            if is_new && pod.ready && !pod.deleting { Ok(()) } else { Err(pod.to_string()) }
        })?;
        Ok(now() - start)
    }
}
