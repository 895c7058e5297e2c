//! Certificates that are over and authorities that are gone: what `docs/operating/certificates.md` says of each, under load.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair,
};
use serde_json::json;

use super::listeners::served;
use super::{Example, ROLL, SCRAM, all_new, degraded, none_new, told, verdict};
use crate::clock::{now, since_ms};
use crate::end::{End, Outcome};
use crate::kubectl::kubectl;
use crate::load::Load;
use crate::secret::Secret;
use crate::stage::Stage;
use crate::wait::{PATIENCE, until};

const CLUSTER: &str = "kafkacluster/main";
/// All Secrets of the cluster, or all its pods.
const OF_THE_CLUSTER: &str = "klamm.dev/cluster=main";
/// The node whose certificate is over.
const NODE: &str = "main-all-1";
const POD: &str = "main-all-1-0";
/// Long enough for a node to start with it on a machine that is busy with other things.
const SHORT: Duration = Duration::from_secs(150);

pub(crate) fn run(stage: &mut Stage<'_>) -> Outcome {
    let example = Example::three(stage, "authority")?;
    let mut load = example.load(stage)?;
    expired(stage, &example)?;
    stopped(stage, &mut load, "expired certificate")?;
    over(stage, &example)?;
    stopped(stage, &mut load, "certificate that ran out")?;
    lost(stage, &example)?;
    stopped(stage, &mut load, "authorities lost")?;
    put_back(stage, &example)?;
    stopped(stage, &mut load, "every Secret lost and put back")?;
    begun_anew(stage, &example)?;
    verdict(stage, load)
}

fn stopped(stage: &mut Stage<'_>, load: &mut Load, what: &str) -> Result<(), String> {
    load.full(PATIENCE)?;
    let window = load.window()?;
    stage.number(&format!("{what}: produce stopped"), window.produce_stop_ms, "ms");
    Ok(())
}

/// Somebody writes a certificate that is over into a node's Secret: it is issued anew before the node has it, and that node restarts.
fn expired(stage: &mut Stage<'_>, example: &Example) -> Outcome {
    let (here, before) = (&example.namespace, example.containers()?);
    let (pod, since) = (here.pod(POD)?, now());
    let written = give(example, unix() - Duration::from_secs(3600))?;
    renewed(example, &written)?;
    stage.number("expired certificate issued anew after", since_ms(since), "ms");
    here.back_since(since, POD, &pod, PATIENCE).map_err(|error| example.explain(&error))?;
    stage.number("node with it Ready after", since_ms(since), "ms");
    example.settled(PATIENCE)?;
    none_new(&others(before), &others(example.containers()?))
}

/// A node runs with a certificate until that is over, and nobody looks. Then somebody does.
fn over(stage: &mut Stage<'_>, example: &Example) -> Outcome {
    let (here, before) = (&example.namespace, example.containers()?);
    example.patch(r#"{"spec":{"paused":true}}"#)?;
    example.paused()?;
    let pod = here.pod(POD)?;
    let end = unix() + SHORT;
    let written = give(example, end)?;
    here.delete_pod(POD)?;
    here.back(POD, &pod, PATIENCE)?;
    let pod = here.pod(POD)?;
    until("the end of a certificate", SHORT + PATIENCE, || {
        let left = end.saturating_sub(unix());
        if left.is_zero() { Ok(()) } else { Err(format!("{} s left", left.as_secs())) }
    })?;
    let since = example.patch(r#"{"spec":{"paused":false}}"#)?;
    renewed(example, &written)?;
    here.back_since(since, POD, &pod, PATIENCE).map_err(|error| example.explain(&error))?;
    stage.number("node whose certificate was over Ready after", since_ms(since), "ms");
    example.settled(PATIENCE)?;
    none_new(&others(before), &others(example.containers()?))
}

/// Both authorities are deleted, keys and all: new ones take their places without a break.
fn lost(stage: &mut Stage<'_>, example: &Example) -> Outcome {
    let (here, before, old) = (&example.namespace, example.pods()?, example.trust()?);
    let since = now();
    here.kubectl(&["delete", "secret/main-ca", "secret/main-clients-ca"])?;
    for words in ["internal authority cannot sign any more", "clients' authority cannot sign"] {
        degraded(example, words)?;
    }
    let new = until("another authority, and no other one, that is trusted", ROLL, || {
        let trust = example.trust()?;
        let certificates = trust.matches("BEGIN CERTIFICATE").count();
        if certificates == 1 && trust != old { Ok(trust) } else { Err(certificates.to_string()) }
    });
    let new = new.map_err(|error| example.explain(&error))?;
    // A change that restarts nobody: whoever has looked at it has also seen who has not loaded this yet.
    example.patch(r#"{"spec":{"reassignment":{"partitionsMax":10}}}"#)?;
    example.settled(ROLL)?;
    stage.number("lost authorities replaced on all nodes after", since_ms(since), "ms");
    all_new(&before, &example.pods()?)?;
    served(example, SCRAM, &new, &old)
}

/// Every Secret is gone at once, and comes back from a backup: nothing is made meanwhile, and nobody restarts.
fn put_back(stage: &mut Stage<'_>, example: &Example) -> Outcome {
    let (here, before) = (&example.namespace, example.containers()?);
    let backup = here.kubectl(&["get", "secrets", "-l", OF_THE_CLUSTER, "-o", "json"])?;
    all_gone(example)?;
    none_new(&before, &example.containers()?)?;
    let since = now();
    kubectl(&["-n", here.name(), "create", "-f", "-"], Some(&backup))?;
    example.settled(PATIENCE)?;
    stage.number("settled after a backup of every Secret was put back", since_ms(since), "ms");
    none_new(&before, &example.containers()?)
}

/// The same without a backup: the pods of all nodes are deleted at once, and all begin with a new authority.
fn begun_anew(stage: &mut Stage<'_>, example: &Example) -> Outcome {
    let (before, old) = (example.pods()?, example.trust()?);
    all_gone(example)?;
    none_new(&before, &example.pods()?)?;
    let since = now();
    example.namespace.kubectl(&["delete", "pods", "-l", OF_THE_CLUSTER, "--wait=false"])?;
    example.settled(ROLL)?;
    stage.number("settled with a new authority and no backup after", since_ms(since), "ms");
    all_new(&before, &example.pods()?)?;
    served(example, SCRAM, &example.trust()?, &old)
}

/// All Secrets of the cluster are deleted while nobody looks, and a condition says what is to be done.
fn all_gone(example: &Example) -> Outcome {
    let here = &example.namespace;
    example.patch(r#"{"spec":{"paused":true}}"#)?;
    example.paused()?;
    here.kubectl(&["delete", "secrets", "-l", OF_THE_CLUSTER])?;
    example.patch(r#"{"spec":{"paused":false}}"#)?;
    told(here, CLUSTER, "AuthorityMissing", &["Secret 'main-ca' is gone"])?;
    let made = here.kubectl(&["get", "secrets", "-l", OF_THE_CLUSTER, "-o", "name"])?;
    End::unless(made.is_empty(), || format!("made of nothing: {made}"))
}

/// Writes a certificate that ends then into a node's Secret.
fn give(example: &Example, end: Duration) -> Result<String, String> {
    let keystore = keystore(example, end).map_err(|error| format!("a certificate: {error}"))?;
    let patch = json!({ "stringData": { "keystore.pem": keystore } }).to_string();
    let secret = format!("secret/{NODE}-tls");
    example.namespace.kubectl(&["patch", &secret, "--type=merge", "-p", &patch])?;
    Ok(keystore)
}

/// By the cluster's own authority, as the operator issues it.
fn keystore(example: &Example, end: Duration) -> Result<String, String> {
    let wrong = |error: rcgen::Error| error.to_string();
    let (here, authority) =
        (example.namespace.name(), Secret::read(&example.namespace, "main-ca")?);
    let key = KeyPair::from_pem(&authority.text("ca.key")?).map_err(wrong)?;
    let issuer = Issuer::from_ca_cert_pem(&authority.text("ca.crt")?, key).map_err(wrong)?;
    let suffixes = ["".to_owned(), format!(".{here}"), format!(".{here}.svc")];
    let pod = format!("{POD}.main-nodes");
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    for host in [pod.as_str(), "main-bootstrap"] {
        names.extend(suffixes.iter().map(|suffix| format!("{host}{suffix}")));
    }
    let mut parameters = CertificateParams::new(names).map_err(wrong)?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::OrganizationName, "main");
    parameters.distinguished_name.push(DnType::CommonName, "node");
    parameters.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let of_time = rcgen::date_time_ymd(1970, 1, 1);
    parameters.not_before = of_time + (end - Duration::from_secs(24 * 3600));
    parameters.not_after = of_time + end;
    let own = KeyPair::generate().map_err(wrong)?;
    let certificate = parameters.signed_by(&own, &issuer).map_err(wrong)?;
    Ok(own.serialize_pem() + &certificate.pem())
}

/// Since 1970.
fn unix() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The node's Secret holds another certificate than was written into it.
fn renewed(example: &Example, written: &str) -> Result<(), String> {
    let renewed = until("another certificate for a node", PATIENCE, || {
        let is = Secret::read(&example.namespace, &format!("{NODE}-tls"))?.text("keystore.pem")?;
        if is == written { Err("it is what was written".to_owned()) } else { Ok(()) }
    });
    renewed.map_err(|error| example.explain(&error))
}

/// All but the node whose certificate is over.
fn others(containers: Vec<String>) -> Vec<String> {
    containers.into_iter().filter(|told| !told.starts_with(POD)).collect()
}
