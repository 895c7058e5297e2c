//! The account of Kafka's pods: they have nothing to ask Kubernetes.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::super::Validated;
use super::metadata;

pub(super) fn build(validated: &Validated) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(validated, validated.names.service_account()),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
