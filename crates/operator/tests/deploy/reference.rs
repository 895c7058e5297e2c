//! `docs/reference/resources.md`, made from the definitions.

use std::fmt::Write as _;

use serde_json::Value;

use super::{check_file, root};

/// Kubernetes' own types, explained by Kubernetes.
const ELSEWHERE: &[&str] =
    &["resources", "conditions", "namespaceSelector", "affinity", "topologySpreadConstraints"];

#[test]
fn reference_is_what_the_definitions_say() {
    let mut text = "# Custom resources\n\n\
         Every field of `klamm.dev/v1alpha1`. Made from the definitions by `cargo xtask snapshots`; how they are used is in\n\
         [Kafka on Kubernetes](../operating/kubernetes.md).\n"
        .to_owned();
    for definition in klamm_crd::definitions() {
        let json = serde_json::to_value(&definition).expect("JSON");
        let schema = &json["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let names = &json["spec"]["names"];
        let short = names["shortNames"][0].as_str().unwrap_or_default();
        let _ = write!(
            text,
            "\n## {}\n\n`kubectl get {short}`. {}\n\n| field | type | |\n|---|---|---|\n",
            names["kind"].as_str().expect("a kind"),
            schema["description"].as_str().unwrap_or_default(),
        );
        for part in ["spec", "status"] {
            fields(&mut text, part, &schema["properties"][part]);
        }
    }
    check_file(&root().join("docs/reference/resources.md"), &text);
}

fn fields(text: &mut String, path: &str, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let required = schema["required"].as_array();
    for (name, field) in properties {
        let needed = required.is_some_and(|names| names.iter().any(|one| one == name));
        let path = format!("{path}.{name}");
        let mark = if needed { " (required)" } else { "" };
        let meaning = field["description"].as_str().unwrap_or_default();
        let meaning = meaning.replace('\n', " ").replace('|', "\\|").replace('<', "&lt;");
        let _ = writeln!(text, "| `{path}` | {}{mark} | {meaning}{} |", kind(field), rules(field));
        if ELSEWHERE.contains(&name.as_str()) {
            continue;
        }
        fields(text, &path, field);
        fields(text, &format!("{path}[]"), &field["items"]);
        fields(text, &format!("{path}.*"), &field["additionalProperties"]);
    }
}

fn kind(field: &Value) -> String {
    if let Some(choices) = field["enum"].as_array() {
        let choices = choices.iter().filter_map(Value::as_str).map(|choice| format!("`{choice}`"));
        return choices.collect::<Vec<_>>().join(", ");
    }
    match field["type"].as_str() {
        Some("array") => format!("list of {}", kind(&field["items"])),
        Some("object") if field["additionalProperties"].is_object() => "map".to_owned(),
        Some(kind) => kind.to_owned(),
        None if field["x-kubernetes-int-or-string"] == true => "quantity".to_owned(),
        None => "any".to_owned(),
    }
}

/// What else the API server asks.
fn rules(field: &Value) -> String {
    let mut rules = String::new();
    for (name, word) in [("minimum", "At least"), ("maximum", "At most"), ("maxItems", "At most")] {
        if let Some(bound) = field[name].as_f64().filter(|bound| *bound != 0.0) {
            let _ = write!(rules, " {word} {bound}.");
        }
    }
    for rule in field["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let _ = write!(rules, " *{}.*", rule["message"].as_str().unwrap_or_default());
    }
    rules
}
