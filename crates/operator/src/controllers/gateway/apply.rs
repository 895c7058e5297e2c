//! Making Kubernetes' objects what they should be, and removing what should not be there.

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::ServiceAccount;
use klamm_crd::Gateway;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::build::Built;
use super::validate::Problem;
use super::{Applied, names};
use crate::apply::FIELD_MANAGER;
use crate::controllers::drive::Failed;

/// Applies everything, the pods last.
pub(super) async fn apply(
    gateway: &Gateway,
    built: &Built,
    client: &Client,
) -> Result<Applied, Failed> {
    let to = Target { gateway, client };
    let applied = async {
        if let Some(account) = &built.service_account {
            to.apply(account).await?;
        }
        to.apply(&built.config).await?;
        to.apply(&built.network_policy).await?;
        to.apply(&built.budget).await?;
        to.apply(&built.service).await?;
        to.apply(&built.deployment).await?;
        if built.service_account.is_none() {
            to.remove::<ServiceAccount>().await?;
        }
        Ok(())
    };
    match applied.await {
        Ok(()) => Ok(Ok(())),
        Err(Obstacle::Refused(problem)) => Ok(Err(problem)),
        Err(Obstacle::Failed(failed)) => Err(failed),
    }
}

/// What keeps an object from being applied.
enum Obstacle {
    /// Trying again does not help.
    Refused(Problem),
    /// It may.
    Failed(Failed),
}

impl From<kube::Error> for Obstacle {
    fn from(error: kube::Error) -> Self {
        Self::Failed(error.into())
    }
}

struct Target<'a> {
    gateway: &'a Gateway,
    client: &'a Client,
}

impl Target<'_> {
    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &names::namespace(self.gateway))
    }

    /// Applies an object, unless there is one of this name that is not the gateway's.
    async fn apply<K>(&self, object: &K) -> Result<(), Obstacle>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
    {
        let (api, name) = (self.api::<K>(), object.name_any());
        let kind = K::kind(&());
        if let Some(there) = api.get_metadata_opt(&name).await?
            && !self.owns(&there)
        {
            let message = format!(
                "{kind} {name} is there already and does not belong to this gateway; \
                 remove it or rename the gateway"
            );
            return Err(Obstacle::Refused(Problem::new("NameTaken", message)));
        }
        let how = PatchParams::apply(FIELD_MANAGER).force();
        match api.patch(&name, &how, &Patch::Apply(object)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 403 | 422) => {
                let message = format!("{kind} {name}: {}", status.message);
                Err(Obstacle::Refused(Problem::new("Rejected", message)))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the gateway's object of this kind, if there is one.
    async fn remove<K>(&self) -> Result<(), Obstacle>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + std::fmt::Debug + DeserializeOwned,
    {
        let (api, name) = (self.api::<K>(), names::name(self.gateway));
        let Some(there) = api.get_metadata_opt(&name).await? else { return Ok(()) };
        if !self.owns(&there) {
            return Ok(());
        }
        // By uid: what somebody else makes under this name meanwhile is not ours to remove.
        let preconditions = Preconditions { uid: there.uid(), ..Default::default() };
        let how = DeleteParams::default().preconditions(preconditions);
        match api.delete(&name, &how).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn owns(&self, object: &impl Resource) -> bool {
        let own = self.gateway.uid();
        object.owner_references().iter().any(|owner| Some(&owner.uid) == own.as_ref())
    }
}
