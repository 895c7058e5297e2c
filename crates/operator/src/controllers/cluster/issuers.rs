//! Listeners whose certificate an issuer of cert-manager's signs: asked for, waited for, and not asked for any more.
//!
//! A pod whose Secret is not there does not start. So nothing else of the cluster is touched until there is a certificate.

use std::collections::BTreeSet;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use klamm_crd::Conditions as _;
use kube::api::{Api, ListParams};
use kube::core::DynamicObject;
use kube::{Client, ResourceExt};
use serde_json::Value;

use super::build::certificate::resource;
use super::validate::TLS_KEYS;
use super::{Dereferenced, Manifests, names};
use crate::apply::{is_not_found, managed};
use crate::context::Context;

/// `Ready` of a cluster that waits for a certificate.
pub const REASON: &str = "CertificateMissing";

/// A listener's certificate that is not there yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotIssued {
    /// Certificate and Secret.
    name: String,
    why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    /// The API server knows no Certificates.
    NoCertManager,
    /// Its words, or those of cert-manager's webhook.
    Rejected(String),
    /// In cert-manager's words, if it has any.
    Waits(Option<String>),
}

impl fmt::Display for NotIssued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.why {
            Why::NoCertManager => write!(
                f,
                "Certificate {name} cannot be asked for: cert-manager (cert-manager.io/v1) is not installed; \
                 install it, or give the listener a Secret of your own"
            ),
            Why::Rejected(words) => write!(f, "Certificate {name} cannot be asked for: {words}"),
            Why::Waits(Some(words)) => {
                write!(f, "Secret {name} has no certificate yet; cert-manager says: {words}")
            }
            Why::Waits(None) => write!(
                f,
                "Secret {name} has no certificate yet, and cert-manager has not said why: is it running?"
            ),
        }
    }
}

/// What is known between two passes.
#[derive(Debug, Default)]
pub struct Issued {
    /// The cluster has no Certificates that are to be removed.
    none_left: bool,
}

/// What listeners wait for, and what somebody should know of certificates that are there.
#[derive(Debug, Default)]
pub struct Told {
    /// Without these nothing is touched.
    pub missing: Vec<NotIssued>,
    /// In sentences.
    pub warnings: Vec<String>,
}

/// Asks for what listeners need, and removes what none needs. A certificate that is there stays in use, whoever cannot be asked for another one.
///
/// # Errors
/// Of the API server.
pub async fn settle(
    context: &Context,
    there: &Dereferenced,
    manifests: &Manifests,
    issued: &mut Issued,
) -> Result<Told, kube::Error> {
    let wanted = &manifests.certificates;
    let mut told = Told::default();
    for certificate in wanted {
        let name = certificate.name_any();
        let trouble = match context.applier.apply_dynamic(certificate).await {
            Ok(_) => None,
            Err(error) if is_not_found(&error) => Some(Why::NoCertManager),
            Err(kube::Error::Api(status)) => Some(Why::Rejected(status.message)),
            Err(error) => return Err(error),
        };
        if is_complete(there, &name) {
            told.warnings.extend(trouble.map(|why| NotIssued { name, why }.to_string()));
            continue;
        }
        let why = match trouble {
            Some(why) => why,
            None => Why::Waits(said(&context.client, &there.namespace, &name).await?),
        };
        told.missing.push(NotIssued { name, why });
    }
    if !issued.none_left {
        remove_orphans(context, there, wanted).await?;
    }
    issued.none_left = wanted.is_empty();
    Ok(told)
}

async fn remove_orphans(
    context: &Context,
    there: &Dereferenced,
    wanted: &[DynamicObject],
) -> Result<(), kube::Error> {
    let wanted: BTreeSet<String> = wanted.iter().map(ResourceExt::name_any).collect();
    let api = api(&context.client, &there.namespace);
    let labels = format!("{}={},{}", names::LABEL_CLUSTER, there.cluster.name_any(), managed());
    let certificates = match api.list_metadata(&ListParams::default().labels(&labels)).await {
        Ok(list) => list.items,
        Err(error) if is_not_found(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    for orphan in certificates.iter().filter(|one| !wanted.contains(&one.name_any())) {
        let (namespace, name) = (&there.namespace, orphan.name_any());
        context.applier.delete_from(&api, namespace, &name, orphan.uid()).await?;
    }
    Ok(())
}

/// cert-manager writes the Secret once it has everything.
fn is_complete(there: &Dereferenced, secret: &str) -> bool {
    let keys = there.secrets.get(secret);
    keys.is_some_and(|keys| TLS_KEYS.iter().all(|key| keys.contains(*key)))
}

/// Why a certificate is not there yet.
async fn said(client: &Client, namespace: &str, name: &str) -> Result<Option<String>, kube::Error> {
    let certificate = api(client, namespace).get_opt(name).await?;
    Ok(certificate.and_then(|certificate| words(&certificate.data)))
}

fn words(certificate: &Value) -> Option<String> {
    let conditions = certificate["status"]["conditions"].clone();
    let conditions: Vec<Condition> = serde_json::from_value(conditions).ok()?;
    // The last attempt that failed says more than that there is another one.
    let told = ["Issuing", "Ready"].into_iter().filter_map(|kind| conditions.of(kind));
    let told = told.filter(|condition| condition.type_ != "Ready" || condition.status != "True");
    told.map(|condition| condition.message.clone()).find(|message| !message.is_empty())
}

fn api(client: &Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &resource())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::secured_input;
    use super::*;

    #[test]
    fn secret_counts_once_it_has_certificate_and_key() {
        let mut input = secured_input();
        assert!(is_complete(&input, "bank-listener-public"));
        input.secrets.get_mut("bank-listener-public").unwrap().remove("tls.crt");
        assert!(!is_complete(&input, "bank-listener-public"));
        input.secrets.remove("bank-listener-public");
        assert!(!is_complete(&input, "bank-listener-public"));
    }

    #[test]
    fn what_cert_manager_says_is_told() {
        let condition = |kind: &str, status: &str, message: &str| {
            json!({
                "type": kind, "status": status, "reason": "R", "message": message,
                "lastTransitionTime": "2026-01-02T03:04:05Z",
            })
        };
        let said = |conditions: &[Value]| words(&json!({ "status": { "conditions": conditions } }));
        let ready = condition("Ready", "False", "does not exist");
        assert_eq!(said(std::slice::from_ref(&ready)).as_deref(), Some("does not exist"));
        let failed = condition("Issuing", "False", "the issuer refused");
        assert_eq!(said(&[ready, failed]).as_deref(), Some("the issuer refused"));
        assert_eq!(said(&[condition("Ready", "True", "up to date")]), None);
        assert_eq!(words(&json!({})), None);
        let why = Why::Waits(None);
        let told = NotIssued { name: "c-listener-x".into(), why }.to_string();
        assert!(told.contains("is it running?"), "{told}");
    }
}
