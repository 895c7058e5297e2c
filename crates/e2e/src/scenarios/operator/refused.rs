//! Resources that cannot be meant: a condition says what to do, and nothing is touched.

use super::{Three, none_new, verdict};
use crate::end::{End, Outcome};
use crate::stage::Stage;
use crate::wait::{PATIENCE, until};

pub(crate) fn run(stage: &mut Stage<'_>) -> Outcome {
    let three = Three::new(stage, "refused")?;
    let load = three.load(stage)?;
    let before = three.pods()?;
    let here = &three.namespace;
    let unknown = here.kubectl(&[
        "patch",
        "kafkacluster/main",
        "--type=merge",
        "-p",
        r#"{"spec":{"kafkaVersion":"4.3.0"}}"#,
    ]);
    let warned = unknown.as_ref().err().is_some_and(|error| error.contains("kafkaVersion"));
    let dropped = here.json("kafkacluster/main")?["spec"]["kafkaVersion"].is_null();
    End::unless(warned || dropped, || format!("an unknown field was taken: {unknown:?}"))?;
    let shrink = r#"[{"op":"replace","path":"/spec/volumes/0/size","value":"1Gi"}]"#;
    pool(&three, shrink, &["1Gi", "shrink"])?;
    pool(&three, r#"[{"op":"replace","path":"/spec/volumes/0/size","value":"20Gi"}]"#, &[])?;
    here.kubectl(&["scale", "kafkanodepool/all", "--replicas=4"])?;
    says(&three, &["4 nodes with role Controller"])?;
    here.kubectl(&["scale", "kafkanodepool/all", "--replicas=3"])?;
    three.settled(PATIENCE)?;
    three.patch(r#"{"spec":{"config":{"node.id":7}}}"#)?;
    says(&three, &["node.id"])?;
    three.patch(r#"{"spec":{"config":{"node.id":null}}}"#)?;
    three.settled(PATIENCE)?;
    let listener = r#"{"spec":{"listeners":[{"name":"plain","port":9092},{"name":"own","port":9094,"tls":{"secret":{"name":"none"}}}]}}"#;
    three.patch(listener)?;
    says(&three, &["none"])?;
    none_new(&before, &three.pods()?)?;
    verdict(stage, load)
}

fn pool(three: &Three, patch: &str, words: &[&str]) -> Outcome {
    three.namespace.kubectl(&["patch", "kafkanodepool/all", "--type=json", "-p", patch])?;
    if words.is_empty() { Ok(three.settled(PATIENCE)?) } else { Ok(says(three, words)?) }
}

/// The cluster is not Ready, and the condition has these words.
fn says(three: &Three, words: &[&str]) -> Result<(), String> {
    until(&format!("a condition with {words:?}"), PATIENCE, || {
        let cluster = three.namespace.json("kafkacluster/main")?;
        let conditions = cluster["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.into_iter().find(|c| c["type"] == "Ready").unwrap_or_default();
        let message = ready["message"].as_str().unwrap_or_default();
        let refused =
            ready["reason"] == "Invalid" && words.iter().all(|word| message.contains(word));
        if refused {
            println!("    {message}");
            return Ok(());
        }
        Err(ready.to_string())
    })
}
