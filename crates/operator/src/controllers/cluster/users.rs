//! Users whose certificates an authority that leaves has signed: it is trusted until there are none.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use klamm_crd::{Authentication, KafkaUser};
use kube::ResourceExt as _;
use kube::api::ListParams;
use kube::core::DeserializeGuard;

use super::Names;
use super::names::LABEL_CLUSTER;
use crate::ca::{self, Certificate, data_key, users_signer};
use crate::context::Context;
use crate::controllers::drive::apis;
use crate::controllers::registry::{Claimant as _, Key};
use crate::controllers::user::{LABEL_USER, secret_name};

/// How many certificates are behind; none if that cannot be known now. Nobody is asked unless an authority is on its way in or out.
pub(super) async fn behind(
    context: &Context,
    names: &Names,
    authority: Option<&ca::Secret>,
    now_s: u64,
) -> Option<usize> {
    let Some(authority) = authority.filter(|secret| is_changing(secret)) else { return Some(0) };
    let signer = users_signer(authority, now_s)?;
    match certificates(context, names).await {
        Ok(all) => {
            let signing = signer.authority().certificate();
            Some(all.iter().filter(|certificate| !certificate.is_issued_by(signing)).count())
        }
        Err(error) => {
            let (namespace, name) = (&names.namespace, &names.cluster);
            tracing::warn!(namespace, name, %error, "users of a leaving authority not counted");
            None
        }
    }
}

/// More than one authority is trusted.
fn is_changing(secret: &ca::Secret) -> bool {
    let bundle = secret.data.get(data_key::BUNDLE).map(Vec::as_slice).unwrap_or_default();
    Certificate::all_from_pem(bundle, data_key::BUNDLE).is_ok_and(|trusted| trusted.len() > 1)
}

/// Those of the cluster's users, wherever they live. Who has none yet gets one of the authority that signs.
async fn certificates(context: &Context, names: &Names) -> Result<Vec<Certificate>, kube::Error> {
    let cluster = Key { namespace: names.namespace.clone(), name: names.cluster.clone() };
    let mut wanted = Vec::new();
    for api in apis::<DeserializeGuard<KafkaUser>>(context) {
        let users = api.list(&ListParams::default()).await?;
        let users = users.items.into_iter().filter_map(|user| user.0.ok());
        let ours = users.filter(|user| user.cluster() == cluster);
        let certified = ours.filter(|user| user.spec.authentication == Authentication::Tls);
        wanted.extend(certified.map(|user| Key {
            namespace: user.namespace().unwrap_or_default(),
            name: secret_name(&user),
        }));
    }
    let mut there = BTreeMap::new();
    let labels = format!("{LABEL_USER},{LABEL_CLUSTER}={}", names.cluster);
    for api in apis::<Secret>(context) {
        let secrets = api.list(&ListParams::default().labels(&labels)).await?;
        there.extend(secrets.items.into_iter().map(|secret| (Key::of(&secret), secret)));
    }
    let certificate = |key: &Key| {
        let data = there.get(key)?.data.as_ref()?;
        let pem = &data.get(data_key::USER_CRT)?.0;
        Certificate::all_from_pem(pem, data_key::USER_CRT).ok()?.into_iter().next()
    };
    Ok(wanted.iter().filter_map(certificate).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authority_alone_in_its_bundle_is_not_changing() {
        let secret = |bundle: &str| ca::Secret {
            data: [(data_key::BUNDLE.to_owned(), bundle.as_bytes().to_vec())].into(),
            ..ca::Secret::default()
        };
        let authority = |name: &str| {
            let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
            parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
            let key = rcgen::KeyPair::generate().unwrap();
            parameters.self_signed(&key).unwrap().pem()
        };
        let (one, other) = (authority("one"), authority("other"));
        assert!(!is_changing(&secret(&one)));
        assert!(is_changing(&secret(&format!("{one}{other}"))));
        assert!(!is_changing(&ca::Secret::default()));
    }
}
