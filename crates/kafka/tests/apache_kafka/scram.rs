//! SCRAM credentials, and logging in with them over TLS.

use klamm_kafka::Fault;
use klamm_kafka::admin::{Endpoint, ScramChange};
use klamm_kafka::client::{Client, ClientOptions};
use klamm_kafka::security::{Mechanism, Sasl, ScramMechanism, Security, Tls};
use klamm_kafka_proto::ErrorCode;

use crate::cluster::{KafkaCluster, admin, block_on, until};

/// TLS with a user's password.
pub(crate) fn user(
    cluster: &KafkaCluster,
    user: &str,
    password: &str,
    by: ScramMechanism,
) -> Security {
    let tls = Tls::new(cluster.certificates.authority.as_bytes(), None).expect("an authority");
    let (user, password) = (user.to_owned(), password.to_owned());
    let sasl = Sasl { mechanism: Mechanism::Scram(by), user, password };
    Security::default().with_tls(tls).with_sasl(sasl)
}

/// Makes a user.
pub(crate) fn set(user: &str, mechanism: ScramMechanism, password: &str) -> ScramChange {
    ScramChange::Set {
        user: user.to_owned(),
        mechanism,
        iterations: 4096.try_into().expect("not zero"),
        password: password.to_owned(),
    }
}

pub(crate) fn users_log_in(cluster: &KafkaCluster) {
    const NAME: &str = "s,c=r";
    block_on(async {
        let mut root = cluster.admin();
        let (sha256, sha512) = (ScramMechanism::Sha256, ScramMechanism::Sha512);
        for change in [set(NAME, sha256, "one"), set(NAME, sha512, "two")] {
            let outcomes = root.alter_scram_credentials(&[change]).await.unwrap();
            assert!(outcomes[NAME].is_ok(), "{outcomes:?}");
        }
        let asked = async || root.describe_scram_credentials(Some(&[NAME, "nobody"])).await;
        let found = until("both credentials", asked, |found| {
            found[NAME].as_ref().is_ok_and(|infos| infos.len() == 2)
        });
        let found = found.await;
        assert!(found["nobody"].as_ref().unwrap().is_empty());
        assert_eq!(found[NAME].as_ref().unwrap()[0].iterations, 4096);

        let server = cluster.address("SCRAM");
        for (mechanism, password) in [(sha256, "one"), (sha512, "two")] {
            let security = user(cluster, NAME, password, mechanism);
            let mut own = admin(&server, Endpoint::Brokers, security);
            until("a login", async || own.describe_features().await, |_| true).await;
        }
        let wrong = user(cluster, NAME, "one", sha512);
        let refused = connect(&server, wrong).await.unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::SaslAuthenticationFailed), "{refused}");
        assert_eq!((refused.fault(), refused.is_retryable()), (Fault::Caller, false));
        let mut plain = user(cluster, NAME, "one", sha512);
        plain.sasl.as_mut().unwrap().mechanism = Mechanism::Plain;
        let refused = connect(&server, plain).await.unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::UnsupportedSaslMechanism), "{refused}");
        assert!(refused.to_string().contains("offers SCRAM-SHA-"), "{refused}");

        let gone = [ScramChange::Delete { user: NAME.into(), mechanism: sha256 }];
        assert!(root.alter_scram_credentials(&gone).await.unwrap()[NAME].is_ok());
        let again = root.alter_scram_credentials(&gone).await.unwrap();
        let refused = again[NAME].as_ref().unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::ResourceNotFound), "{refused}");
    });
}

async fn connect(server: &str, security: Security) -> Result<Client, klamm_kafka::KafkaError> {
    let options = ClientOptions::new("klamm-test").with_security(security);
    Client::connect_with(server, &options).await
}
