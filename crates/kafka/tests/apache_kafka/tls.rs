//! TLS, and what goes wrong with it.

use klamm_kafka::admin::{Admin, Endpoint};
use klamm_kafka::client::{Client, ClientOptions};
use klamm_kafka::security::{ClientCertificate, Security, Tls};
use klamm_kafka::{Fault, KafkaError, TlsProblem};

use crate::cluster::{KafkaCluster, block_on};

fn options(authority: &str, keystore: Option<&str>) -> ClientOptions {
    let own = keystore.map(str::as_bytes).map(|pem| ClientCertificate { chain: pem, key: pem });
    let tls = Tls::new(authority.as_bytes(), own.as_ref()).expect("certificates");
    ClientOptions::new("klamm-test").with_security(Security::default().with_tls(tls))
}

async fn problem(server: &str, options: &ClientOptions) -> (TlsProblem, Fault) {
    let error = Client::connect_with(server, options).await.expect_err("TLS that fails");
    let fault = error.fault();
    match error {
        KafkaError::Tls { problem, .. } => (problem, fault),
        other => panic!("{other}"),
    }
}

pub(crate) fn failures_are_told_apart(cluster: &KafkaCluster) {
    let certificates = &cluster.certificates;
    let good = options(&certificates.authority, Some(&certificates.client));
    let mutual = cluster.address("MUTUAL");
    block_on(async {
        let mut admin = Admin::new(&mutual, Endpoint::Brokers, good.clone());
        assert!(admin.describe_features().await.is_ok());

        let without = options(&certificates.authority, None);
        let found = problem(&mutual, &without).await;
        assert_eq!(found, (TlsProblem::CertificateRequired, Fault::Caller));
        let stranger = options(&certificates.authority, Some(&certificates.stranger));
        let (found, fault) = problem(&mutual, &stranger).await;
        assert!(matches!(found, TlsProblem::CertificateRefused(_)), "{found}");
        assert_eq!(fault, Fault::Caller);
        let astray = options(&certificates.impostor, Some(&certificates.client));
        let (found, _) = problem(&mutual, &astray).await;
        assert_eq!(found, TlsProblem::UnknownAuthority);
        let (found, fault) = problem(&cluster.address("OLD"), &good).await;
        assert_eq!((found, fault), (TlsProblem::Expired, Fault::Server));
        let (found, _) = problem(&cluster.address("ELSEWHERE"), &good).await;
        assert!(found.to_string().contains("elsewhere.example"), "{found}");
        let (found, _) = problem(&cluster.address("PLAINTEXT"), &good).await;
        assert_eq!(found, TlsProblem::NoHandshake);
    });
    let unreadable = Tls::new(b"no certificate", None).unwrap_err();
    assert_eq!(unreadable.fault(), Fault::Caller);
}
