//! What kind of Kubernetes this is, and whether our custom resources are there.

use std::collections::BTreeSet;

use klamm_crd::GROUP;
use kube::Client;

/// The API group that only OpenShift has.
const OPENSHIFT: &str = "security.openshift.io";

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surroundings {
    /// It is OpenShift.
    pub openshift: bool,
}

impl Surroundings {
    /// Asks the API server, which needs no permission.
    ///
    /// # Errors
    /// It does not answer, or does not know the custom resources; with what to do about it.
    pub async fn look(client: &Client) -> Result<Self, String> {
        let cannot = |error: kube::Error| format!("the API server does not answer: {error}");
        let groups = client.list_api_groups().await.map_err(cannot)?;
        let names: BTreeSet<String> = groups.groups.into_iter().map(|group| group.name).collect();
        let mut there = BTreeSet::new();
        if names.contains(GROUP) {
            let version = format!("{GROUP}/v1alpha1");
            let list = client.list_api_group_resources(&version).await.map_err(cannot)?;
            there = list.resources.into_iter().map(|resource| resource.name).collect();
        }
        complete(&there)?;
        Ok(Self { openshift: names.contains(OPENSHIFT) })
    }
}

fn complete(there: &BTreeSet<String>) -> Result<(), String> {
    let wanted =
        klamm_crd::definitions().into_iter().map(|definition| definition.spec.names.plural);
    let missing: Vec<String> = wanted.filter(|name| !there.contains(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the API server does not know {} of {GROUP}/v1alpha1.\n\
         Give it the definitions of this operator's version:\n\n  \
         klamm-operator crds | kubectl apply --server-side -f -",
        missing.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_definitions_are_named_with_what_to_do() {
        let some = ["kafkaclusters", "kafkanodepools", "kafkatopics"].map(str::to_owned);
        let why = complete(&some.into()).unwrap_err();
        assert!(
            why.contains("kafkausers, gateways of") && why.contains("klamm-operator crds"),
            "{why}"
        );
        let all = klamm_crd::definitions().into_iter().map(|d| d.spec.names.plural).collect();
        assert_eq!(complete(&all), Ok(()));
    }
}
