//! What a failed scenario left: objects, events and logs of the whole cluster, in a folder.

use std::path::Path;

use crate::kubectl::kubectl;

/// Collects what can be had; what cannot is told in its place.
pub(super) fn collect(folder: &Path) {
    if let Err(error) = std::fs::create_dir_all(folder) {
        println!("    nothing is kept: {}: {error}", folder.display());
        return;
    }
    let keep = |name: &str, arguments: &[&str]| {
        let text = kubectl(arguments, None).unwrap_or_else(|error| error);
        if let Err(error) = std::fs::write(folder.join(name), text) {
            println!("    {name}: {error}");
        }
    };
    let kinds = "all,nodes,pvc,pv,configmaps,poddisruptionbudgets,leases";
    keep("objects.txt", &["get", kinds, "-A", "-o", "wide"]);
    keep("events.txt", &["get", "events", "-A", "--sort-by=.lastTimestamp"]);
    keep("pods.txt", &["describe", "pods", "-A"]);
    keep("nodes.txt", &["describe", "nodes"]);
    keep("custom.txt", &["get", "klamm", "-A", "-o", "yaml"]);
    let names = "jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{\"\\n\"}{end}";
    let pods = kubectl(&["get", "pods", "-A", "-o", names], None).unwrap_or_default();
    for (namespace, pod) in pods.lines().filter_map(|line| line.split_once(' ')) {
        let logs = ["-n", namespace, "logs", pod, "--all-containers", "--timestamps"];
        keep(&format!("{namespace}.{pod}.log"), &logs);
        let before = [&logs[..], &["--previous"]].concat();
        keep(&format!("{namespace}.{pod}.previous.log"), &before);
    }
    println!("    what it left: {}", folder.display());
}
