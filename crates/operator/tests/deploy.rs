//! What is installed comes from one source, the Helm chart: `deploy/klamm-operator.yaml` is the chart with its own values, and the
//! chart's definitions are the program's.
//!
//! `KLAMM_SNAPSHOTS=write cargo test -p klamm-operator --test deploy` writes both anew (`cargo xtask snapshots`).

#[path = "deploy/examples.rs"]
mod examples;
#[path = "deploy/reference.rs"]
mod reference;
#[path = "deploy/render.rs"]
mod render;
#[path = "deploy/roles.rs"]
mod roles;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The namespace of the plain YAML.
const NAMESPACE: &str = "klamm-system";
/// The chart's templates, in the order to apply them.
const TEMPLATES: &[&str] =
    &["crds", "service-account", "roles", "service", "deployment", "pod-monitor"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn chart() -> PathBuf {
    root().join("deploy/helm/klamm-operator")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Compares a file with what it should be, or writes it.
#[track_caller]
fn check_file(path: &Path, wanted: &str) {
    if std::env::var_os("KLAMM_SNAPSHOTS").is_some_and(|word| word == "write") {
        std::fs::write(path, wanted).expect("written");
    }
    let known = std::fs::read_to_string(path).unwrap_or_default();
    assert!(known == wanted, "{} is not what it should be; cargo xtask snapshots", path.display());
}

/// The definitions as a template: kept when the chart goes, for with them would go every resource, and with those every cluster.
fn definitions() -> String {
    let mut text = "{{- if .Values.crds }}\n".to_owned();
    for definition in klamm_crd::definitions() {
        let mut json = serde_json::to_value(&definition).expect("JSON");
        json["metadata"]["annotations"] = json!({ "helm.sh/resource-policy": "keep" });
        json.as_object_mut().expect("fields").remove("status");
        let yaml = serde_saphyr::to_string(&json).expect("YAML");
        assert!(!yaml.contains("{{"), "Helm would take this for its own");
        text += "---\n";
        text += &yaml;
    }
    text + "{{- end }}\n"
}

fn values(changes: &Value) -> Value {
    let mut values: Value =
        serde_saphyr::from_str(&read(&chart().join("values.yaml"))).expect("values");
    for (name, value) in changes.as_object().expect("fields") {
        assert!(values.get(name).is_some(), "the chart has no value {name}");
        values[name] = value.clone();
    }
    values
}

fn rendered(namespace: &str, changes: &Value) -> String {
    let chart: Value = serde_saphyr::from_str(&read(&chart().join("Chart.yaml"))).expect("a chart");
    let data = json!({
        "Values": values(changes),
        "Release": { "Namespace": namespace },
        "Chart": { "AppVersion": chart["appVersion"] },
    });
    let mut text = String::new();
    for name in TEMPLATES {
        let path = self::chart().join(format!("templates/{name}.yaml"));
        let template = if *name == "crds" { definitions() } else { read(&path) };
        let rendered = render::render(&template, &data)
            .unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let rendered = rendered.trim();
        if !rendered.is_empty() {
            text += if rendered.starts_with("---") { "" } else { "---\n" };
            text += rendered;
            text += "\n";
        }
    }
    text
}

/// The documents of a YAML text.
fn documents(text: &str) -> Vec<Value> {
    let parts = text.split("\n---\n").map(|part| part.trim_start_matches("---\n"));
    parts.map(|part| serde_saphyr::from_str(part).expect("YAML")).collect()
}

fn of_kind(text: &str, kind: &str) -> Vec<Value> {
    documents(text).into_iter().filter(|object| object["kind"] == kind).collect()
}

#[test]
fn charts_definitions_are_the_programs() {
    check_file(&chart().join("templates/crds.yaml"), &definitions());
}

#[test]
fn every_template_is_rendered() {
    let mut names: Vec<String> = std::fs::read_dir(chart().join("templates"))
        .expect("templates")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let mut known: Vec<String> = TEMPLATES.iter().map(|name| format!("{name}.yaml")).collect();
    known.sort();
    assert_eq!(names, known);
}

#[test]
fn plain_yaml_is_the_chart_with_its_own_values() {
    let head = format!(
        "# Klamm's operator and its custom resource definitions, made from deploy/helm/klamm-operator by `cargo xtask snapshots`.\n\
         #\n\
         #   kubectl apply --server-side -f deploy/klamm-operator.yaml\n\
         ---\n\
         apiVersion: v1\n\
         kind: Namespace\n\
         metadata:\n  \
           name: {NAMESPACE}\n  \
           labels:\n    \
             app.kubernetes.io/part-of: klamm\n    \
             pod-security.kubernetes.io/enforce: restricted\n"
    );
    let text = head + &rendered(NAMESPACE, &json!({}));
    check_file(&root().join("deploy/klamm-operator.yaml"), &text);
}

#[test]
fn operator_of_some_namespaces_may_nothing_in_others() {
    let text = rendered("ops", &json!({ "namespaces": ["a", "b"] }));
    let bindings = of_kind(&text, "ClusterRoleBinding");
    let names: Vec<&Value> = bindings.iter().map(|binding| &binding["roleRef"]["name"]).collect();
    assert_eq!(names, ["klamm-operator-reader"]);
    let in_namespaces: Vec<Value> = of_kind(&text, "RoleBinding");
    let bound: Vec<&Value> = in_namespaces
        .iter()
        .filter(|binding| binding["roleRef"]["name"] == "klamm-operator")
        .map(|binding| &binding["metadata"]["namespace"])
        .collect();
    assert_eq!(bound, ["a", "b"]);
    let deployment = &of_kind(&text, "Deployment")[0];
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let env = container["env"].as_array().expect("variables");
    assert!(env.contains(&json!({ "name": "KLAMM_NAMESPACE", "value": "a,b" })), "{env:?}");
}

#[test]
fn values_get_where_they_belong() {
    let text = rendered(
        "ops",
        &json!({
            "crds": false, "podMonitor": true, "replicas": 2,
            "imagePullSecrets": [{ "name": "pull" }],
            "tolerations": [{ "key": "x", "operator": "Exists" }],
            "nodeSelector": { "disk": "ssd" },
        }),
    );
    assert!(of_kind(&text, "CustomResourceDefinition").is_empty());
    assert_eq!(of_kind(&text, "PodMonitor").len(), 2);
    let deployment = &of_kind(&text, "Deployment")[0];
    assert_eq!(deployment["spec"]["replicas"], 2);
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["imagePullSecrets"][0]["name"], "pull");
    assert_eq!(pod["tolerations"][0]["operator"], "Exists");
    assert_eq!(pod["nodeSelector"]["disk"], "ssd");
    assert_eq!(pod["containers"][0]["resources"]["limits"]["memory"], "256Mi");
}

#[test]
fn definitions_stay_when_the_chart_goes() {
    let definitions = of_kind(&rendered("ops", &json!({})), "CustomResourceDefinition");
    assert_eq!(definitions.len(), klamm_crd::definitions().len());
    for definition in definitions {
        let annotations = &definition["metadata"]["annotations"];
        assert_eq!(annotations["helm.sh/resource-policy"], "keep");
    }
}
